//! `obscura rewrap`: another project key takes over, and no photo is written again.

use std::{path::PathBuf, process::ExitCode};

use bytes::Bytes;
use clap::Args;
use obscura::{
    config::{Config, StreamConfig},
    error::{FatalError, PhotoError},
    event::{Owner, is_safe_name},
    store::remote::{StoreLimits, StoreSet},
    trust::{
        ENVELOPE_SUFFIX, Envelope, ProjectKey, ProjectKeys,
        audit::{Action, scope},
        read_project_keys,
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

/// Wrap the keys of a project's objects with its new key
#[derive(Debug, Args)]
#[command(after_long_help = "\
Example:
  obscura rewrap --config obscura.toml --tenant acme --project street --old street.old.key

First put the new key in place, in `encryption.key_dir`. Photos are neither read nor written. May be run again at any time.

Exit codes: 0 everything is wrapped by the new key, 1 some is not, 2 usage or configuration, or a store cannot be used.")]
pub struct RewrapArgs {
    /// Whose project
    #[arg(long, value_name = "NAME")]
    tenant: String,

    /// Which project
    #[arg(long, value_name = "NAME")]
    project: String,

    /// A key that wrapped until now
    #[arg(long = "old", value_name = "FILE", required = true)]
    old: Vec<PathBuf>,

    /// Only say what would be wrapped anew
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    worker: Box<WorkerArgs>,

    #[command(flatten)]
    config: Box<ConfigArgs>,
}

#[derive(Debug, Default)]
struct Counts {
    rewrapped: u64,
    already: u64,
    failed: u64,
    first_failure: Option<String>,
}

pub fn run(args: RewrapArgs) -> Result<ExitCode, Stop> {
    if !is_safe_name(&args.tenant) || !is_safe_name(&args.project) {
        return Err(Stop::Fatal(FatalError::new(
            "expected the names of a tenant and a project, found something else",
            "use the names as they stand in keys of outputs",
        )));
    }
    let old = read_project_keys(&args.old).map_err(|(path, error)| {
        FatalError::new(format!("cannot read the project key `{}`: {error}", path.display()), "check the path")
    })?;
    let config = args.config.resolve_with(*args.worker)?;
    let stream = stream_of(&config)?;
    let owner = Owner { tenant: args.tenant, project: args.project };
    Ok(runtime()?.block_on(rewrap(&config, stream, &owner, &old, args.dry_run))?)
}

async fn rewrap(
    config: &Config,
    stream: &StreamConfig,
    owner: &Owner,
    old: &[ProjectKey],
    dry_run: bool,
) -> Result<ExitCode, FatalError> {
    let fatal = |error: PhotoError| FatalError::new(error.detail, error.hint);
    let new = ProjectKeys::new(stream.project_keys.clone()).of(owner).map_err(fatal)?;
    let stores = StoreSet::open(&stream.stores, &stream.region, StoreLimits::default()).await?;
    let mut log = if dry_run { None } else { command_log(stream, &stores, "rewrap")? };
    let mut counts = Counts::default();
    for (name, prefix) in stream.written_places() {
        let store = stores.get(name).map_err(fatal)?;
        if !store.seals() {
            continue;
        }
        let folder = format!("{}/{}", owner.tenant, owner.project);
        let folder = if prefix.is_empty() { folder } else { format!("{prefix}/{folder}") };
        for key in store.list_below(&folder).await.map_err(fatal)? {
            if !key.ends_with(ENVELOPE_SUFFIX) {
                continue;
            }
            let Some(json) = store.get_small(&key).await.map_err(fatal)? else { continue };
            let envelope = match Envelope::read(&json) {
                Ok(envelope) if envelope.project_key() == new.id() => {
                    counts.already += 1;
                    continue;
                }
                other => other.and_then(|envelope| envelope.rewrapped(old, &new)),
            };
            match envelope {
                Ok(envelope) => {
                    if !dry_run {
                        store.put(&key, Bytes::from(envelope.to_json())).await.map_err(fatal)?;
                    }
                    counts.rewrapped += 1;
                }
                Err(problem) => {
                    counts.failed += 1;
                    counts.first_failure.get_or_insert_with(|| problem.to_string());
                }
            }
        }
    }
    if let Some(log) = &mut log {
        let facts = json!({ "scope": scope(owner), "rewrapped": counts.rewrapped, "failed": counts.failed });
        log.record(Action::Rewrapped, facts)?;
    }
    if let Some(log) = log {
        log.end().await?;
    }
    Ok(tell(&counts, dry_run, config.json))
}

fn tell(counts: &Counts, dry_run: bool, json: bool) -> ExitCode {
    let Counts { rewrapped, already, failed, first_failure } = counts;
    if json {
        say(json!({ "rewrapped": rewrapped, "already": already, "failed": failed, "dry_run": dry_run }));
    } else {
        let done = if dry_run { "would be wrapped" } else { "wrapped" };
        say(format_args!("{rewrapped} keys {done} anew, {already} were already"));
    }
    match first_failure {
        Some(why) => {
            let hint = "name every key that was ever used with `--old`";
            print_problem(&format!("{failed} could not be wrapped anew, the first because: {why}"), hint);
            ExitCode::from(EXIT_QUARANTINED)
        }
        None => ExitCode::SUCCESS,
    }
}
