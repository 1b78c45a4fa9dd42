//! `obscura retain`: remove what is older than its route allows, and hold back what must stay.

use std::process::ExitCode;

use clap::Args;
use obscura::{
    config::{Config, StreamConfig},
    error::{FatalError, PhotoError},
    event::{Owner, is_safe_name},
    store::remote::{StoreLimits, StoreSet},
    trust::{
        audit::{Action, scope},
        erasure::{Mark, RetainReport, retain},
    },
};
use serde_json::json;

use super::{
    Stop,
    config_args::ConfigArgs,
    region::{command_log, stream_of},
    report::say,
    runtime,
    worker_args::WorkerArgs,
};

/// Remove what is older than its route allows
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  obscura retain --config obscura.toml --dry-run
  obscura retain --config obscura.toml
  obscura retain --config obscura.toml --hold acme/street
  obscura retain --config obscura.toml --release acme/street

Ages stand in the routes: keep_outputs_d, keep_originals_d, keep_dead_letters_d, in days. For a CronJob. What lies under a legal
hold is kept, whatever its age, and cannot be wiped either.

Exit codes: 0 done, 2 usage, configuration, or a store that cannot be used; run it again.")]
pub struct RetainArgs {
    /// Only say what would be removed
    #[arg(long, conflicts_with_all = ["hold", "release"])]
    dry_run: bool,

    /// Put a project under legal hold; removes nothing
    #[arg(long, value_name = "TENANT/PROJECT", value_parser = owner, conflicts_with = "release")]
    hold: Option<Owner>,

    /// End a project's legal hold; removes nothing
    #[arg(long, value_name = "TENANT/PROJECT", value_parser = owner)]
    release: Option<Owner>,

    #[command(flatten)]
    worker: Box<WorkerArgs>,

    #[command(flatten)]
    config: Box<ConfigArgs>,
}

fn owner(text: &str) -> Result<Owner, String> {
    match text.split_once('/') {
        Some((tenant, project)) if is_safe_name(tenant) && is_safe_name(project) => {
            Ok(Owner { tenant: tenant.to_owned(), project: project.to_owned() })
        }
        _ => Err("expected a tenant and a project, such as acme/street".to_owned()),
    }
}

pub fn run(args: RetainArgs) -> Result<ExitCode, Stop> {
    let config = args.config.resolve_with(*args.worker)?;
    let stream = stream_of(&config)?;
    let hold = args.hold.map(|owner| (owner, true)).or_else(|| args.release.map(|owner| (owner, false)));
    runtime()?.block_on(work(&config, stream, hold, args.dry_run))?;
    Ok(ExitCode::SUCCESS)
}

async fn work(
    config: &Config,
    stream: &StreamConfig,
    hold: Option<(Owner, bool)>,
    dry_run: bool,
) -> Result<(), FatalError> {
    let fatal = |error: PhotoError| FatalError::new(error.detail, error.hint);
    let stores = StoreSet::open(&stream.stores, &stream.region, StoreLimits::default()).await?;
    let home = stores.get(&stream.region_store).map_err(fatal)?;
    let mut log = if dry_run { None } else { command_log(stream, &stores, "retain")? };
    let (action, facts) = match hold {
        Some((owner, true)) => {
            Mark::Held.set(home, &owner.tenant, Some(&owner.project)).await.map_err(fatal)?;
            say("held: nothing of the project is removed");
            (Action::Held, json!({ "scope": scope(&owner) }))
        }
        Some((owner, false)) => {
            Mark::Held.lift(home, &owner.tenant, Some(&owner.project)).await.map_err(fatal)?;
            say("released");
            (Action::Released, json!({ "scope": scope(&owner) }))
        }
        None => {
            let report = retain(&stores, home, stream, chrono::Utc::now(), dry_run).await?;
            tell(&report, dry_run, config.json);
            (Action::Retained, json!(report))
        }
    };
    if let Some(mut log) = log.take() {
        log.record(action, facts)?;
        log.end().await?;
    }
    Ok(())
}

fn tell(report: &RetainReport, dry_run: bool, json: bool) {
    if json {
        say(json!({ "dry_run": dry_run, "report": report }));
        return;
    }
    let removed = &report.removed;
    say(format_args!(
        "{}: {} photos, {} receipts, {} originals, {} dead letters, {} delete markers; {} bytes",
        if dry_run { "would be removed" } else { "removed" },
        removed.photos,
        removed.receipts,
        removed.originals,
        removed.dead_letters,
        removed.delete_markers,
        removed.bytes,
    ));
    if report.held > 0 {
        say(format_args!("kept by legal hold: {}", report.held));
    }
}
