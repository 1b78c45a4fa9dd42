//! `obscura wipe`: remove everything of a tenant, a project or an uploader, and certify it.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::{ArgGroup, Args};
use obscura::{
    config::{Config, StreamConfig},
    error::FatalError,
    event::is_safe_name,
    store::remote::{RegionStore, StoreLimits, StoreSet},
    trust::{
        Pseudonyms, Role, SigningKey,
        audit::CommandLog,
        erasure::{Counts, Scope, Selection, WipeOptions, WipeReport, lift, places, wipe},
        is_pseudonym,
    },
};
use serde_json::json;

use super::{
    EXIT_QUARANTINED, Stop,
    config_args::ConfigArgs,
    region::{command_log, stream_of},
    report::{print_problem, say},
    runtime,
    worker_args::WorkerArgs,
};

const EXAMPLES: &str = "\
Examples:
  obscura wipe --config obscura.toml --tenant acme --project street --dry-run
  obscura wipe --config obscura.toml --tenant acme --project street --certificate street.json
  obscura wipe --config obscura.toml --tenant acme --uploader driver-17 --certificate driver-17.json
  obscura wipe --config obscura.toml --tenant acme --project street --lift

Removes redacted photos, receipts, wrapped keys, originals in vaults and dead letters from the stores of this region, with old
versions and delete markers, lists them again, and writes a signed certificate. What it does not cover stands in the
certificate. Photos of a wiped tenant or project that arrive later are refused (project_wiped) until --lift.

A wipe that was interrupted goes on when the same command runs again. Under a legal hold nothing is wiped.

Exit codes: 0 wiped and certified, 1 something remains, 2 usage, configuration, or a store that cannot be used.";

/// Remove everything of a tenant, a project or an uploader
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES, group(ArgGroup::new("part").args(["project", "uploader"])))]
pub struct WipeArgs {
    /// Whose things
    #[arg(long, value_name = "NAME")]
    tenant: String,

    /// Only those of this project
    #[arg(long, value_name = "NAME")]
    project: Option<String>,

    /// Only those of this uploader: the id as events name it, or its pseudonym
    #[arg(long, value_name = "ID")]
    uploader: Option<String>,

    /// Only say what would be removed
    #[arg(long)]
    dry_run: bool,

    /// Let photos of a wiped tenant or project be published again; removes nothing
    #[arg(long, conflicts_with_all = ["dry_run", "uploader", "certificate"])]
    lift: bool,

    /// Where the signed certificate goes; a file that is there is not replaced
    #[arg(long, value_name = "FILE", default_value = "wipe-certificate.json")]
    certificate: PathBuf,

    /// Ed25519 private key that signs it [default: audit.key_file, then receipts.key_file]
    #[arg(long, value_name = "FILE")]
    signing_key: Option<PathBuf>,

    /// Until every worker knows of the wipe and ended what it does [default: wipe.recheck_s and timeouts.publish_s]
    #[arg(long, value_name = "S")]
    settle_s: Option<u64>,

    #[command(flatten)]
    worker: Box<WorkerArgs>,

    #[command(flatten)]
    config: Box<ConfigArgs>,
}

struct Plan {
    scope: Scope,
    options: WipeOptions,
    lift: bool,
    key: Option<SigningKey>,
}

pub fn run(args: WipeArgs) -> Result<ExitCode, Stop> {
    let config = args.config.resolve_with(*args.worker)?;
    let stream = stream_of(&config)?;
    let scope = scope(stream, args.tenant, args.project, args.uploader)?;
    let key_file = args.signing_key.or_else(|| stream.audit.as_ref().map(|audit| audit.key_file.clone()));
    let key_file = key_file.or_else(|| config.receipt_key_file.clone());
    let key = key_file.as_deref().map(SigningKey::read).transpose();
    let key = key.map_err(|error| FatalError::new(error.to_string(), error.hint()))?;
    if key.is_none() && !args.dry_run && !args.lift {
        return Err(Stop::Fatal(FatalError::new(
            "expected a key that signs the certificate, found none",
            "name one with `--signing-key`; `obscura receipt keygen` makes one",
        )));
    }
    let settle =
        args.settle_s.map_or_else(|| stream.wipe_recheck + config.worker.stage_limits.publish, Duration::from_secs);
    let options = WipeOptions { dry_run: args.dry_run, settle, certificate: args.certificate };
    let plan = Plan { scope, options, lift: args.lift, key };
    Ok(runtime()?.block_on(work(&config, stream, plan))?)
}

fn scope(
    stream: &StreamConfig,
    tenant: String,
    project: Option<String>,
    uploader: Option<String>,
) -> Result<Scope, FatalError> {
    if !is_safe_name(&tenant) || project.as_deref().is_some_and(|project| !is_safe_name(project)) {
        let hint = "use the names as they stand in keys of outputs";
        return Err(FatalError::new("expected the names of a tenant and a project, found something else", hint));
    }
    let selection = match (project, uploader) {
        (Some(project), _) => Selection::Project(project),
        (None, Some(id)) if is_pseudonym(&id) => Selection::Uploader(id),
        (None, Some(id)) => {
            let pseudonyms = Pseudonyms::new(stream.pseudonym_keys.clone());
            let pseudonym = pseudonyms.of(&tenant, Role::Uploader, &id);
            let pseudonym = pseudonym.map_err(|error| FatalError::new(error.detail, error.hint))?;
            Selection::Uploader(pseudonym.ok_or_else(|| {
                FatalError::new(
                    "expected a key of pseudonyms for the tenant, found none",
                    "uploaders are known by pseudonyms alone: mount `{tenant}.key` in `pseudonyms.key_dir`",
                )
            })?)
        }
        (None, None) => Selection::Everything,
    };
    Ok(Scope { tenant, selection })
}

async fn work(config: &Config, stream: &StreamConfig, plan: Plan) -> Result<ExitCode, FatalError> {
    let stores = StoreSet::open(&stream.stores, &stream.region, StoreLimits::default()).await?;
    let home = stores.get(&stream.region_store).map_err(|error| FatalError::new(error.detail, "see `region.store`"))?;
    let mut log = if plan.options.dry_run { None } else { command_log(stream, &stores, "wipe")? };
    let code = if plan.lift {
        lift(home, &plan.scope, log.as_mut()).await?;
        say("lifted: photos are published again");
        ExitCode::SUCCESS
    } else {
        wiped(config, stream, &stores, home, &plan, log.as_mut()).await?
    };
    if let Some(log) = log {
        log.end().await?;
    }
    Ok(code)
}

async fn wiped(
    config: &Config,
    stream: &StreamConfig,
    stores: &StoreSet,
    home: &RegionStore,
    plan: &Plan,
    log: Option<&mut CommandLog>,
) -> Result<ExitCode, FatalError> {
    let places = places(stream);
    let report = wipe(stores, home, &places, &plan.scope, plan.key.as_ref(), log, &plan.options).await?;
    tell(&report, plan, config.json);
    if report.certificate.is_none() && !plan.options.dry_run {
        print_problem(
            &format!("{} objects remain after three attempts", report.remaining),
            "something goes on writing, or the store keeps them; see to it and run the same again",
        );
        return Ok(ExitCode::from(EXIT_QUARANTINED));
    }
    Ok(ExitCode::SUCCESS)
}

fn tell(report: &WipeReport, plan: &Plan, json: bool) {
    let dry_run = plan.options.dry_run;
    if json {
        say(json!({ "dry_run": dry_run, "removed": report.counts, "certificate": report.certificate }));
        return;
    }
    let Counts { photos, receipts, originals, dead_letters, envelopes, other, old_versions, delete_markers, bytes } =
        &report.counts;
    say(if dry_run { "would be removed:" } else { "removed:" });
    say(format_args!("  {photos} photos, {receipts} receipts, {originals} originals, {dead_letters} dead letters"));
    say(format_args!("  {envelopes} wrapped keys, {other} others"));
    say(format_args!("  {old_versions} of these old versions, and {delete_markers} delete markers; {bytes} bytes"));
    if report.certificate.is_some() {
        say(format_args!("certificate: {}", plan.options.certificate.display()));
    }
}
