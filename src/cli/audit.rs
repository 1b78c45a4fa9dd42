//! `obscura audit`: is the log of what was done whole and unchanged?

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Subcommand};
use obscura::{
    config::StreamConfig,
    error::FatalError,
    store::remote::{StoreLimits, StoreSet},
    trust::{
        PublicKeys,
        audit::{AUDIT_PREFIX, AuditReport, Segments, verify_chains},
        read_strictly,
    },
};
use serde_json::Value;
use walkdir::WalkDir;

use super::{
    EXIT_QUARANTINED, Stop,
    config_args::ConfigArgs,
    report::{print_problem, say},
    runtime,
    worker_args::WorkerArgs,
};

const EXAMPLES: &str = "\
Examples:
  obscura audit verify --config obscura.toml --key audit.pub
  obscura audit verify --dir copy-of-the-bucket --key old.pub --key new.pub
  obscura audit verify --config obscura.toml --key audit.pub --checkpoints checkpoints.jsonl

Names every record that is missing, changed, out of order or cut off. A chain has to end with the record `stopped`, or its
worker has to be at work. `--checkpoints` takes what was read from `audit.topic`, a JSON object a line: what it tells of must
still be there.

Exit codes: 0 whole and unchanged, 1 it is not, 2 usage or configuration, or the log cannot be read.";

/// Check the audit log
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct AuditArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Find records that are missing, changed, out of order or cut off
    Verify(VerifyArgs),
}

#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
struct VerifyArgs {
    /// A copy of the log: a folder that holds `_obscura/audit`; else the store of the configuration
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,

    /// A public key in PEM; give it more than once after a change of keys
    #[arg(long = "key", value_name = "FILE", required = true)]
    keys: Vec<PathBuf>,

    /// Checkpoints that were kept elsewhere, a JSON object a line
    #[arg(long, value_name = "FILE")]
    checkpoints: Option<PathBuf>,

    #[command(flatten)]
    worker: Box<WorkerArgs>,

    #[command(flatten)]
    config: Box<ConfigArgs>,
}

pub fn run(args: AuditArgs) -> Result<ExitCode, Stop> {
    let Action::Verify(args) = args.action;
    let keys = PublicKeys::read(&args.keys).map_err(|error| FatalError::new(error.to_string(), error.hint()))?;
    let anchors = args.checkpoints.as_deref().map(read_checkpoints).transpose()?.unwrap_or_default();
    let config = args.config.resolve_with(*args.worker)?;
    let segments = match (&args.dir, &config.stream) {
        (Some(dir), _) => read_folder(dir)?,
        (None, Some(stream)) => runtime()?.block_on(read_store(stream))?,
        (None, None) => {
            let hint = "name the worker's `--config`, or a copy of its log with `--dir`";
            return Err(Stop::Fatal(FatalError::new("expected an audit log, found none", hint)));
        }
    };
    let report = verify_chains(&segments, &anchors, &keys, chrono::Utc::now());
    tell(&report, config.json)?;
    Ok(if report.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_QUARANTINED) })
}

fn read_checkpoints(path: &Path) -> Result<Vec<Value>, FatalError> {
    let unfit = |why: String| {
        let hint = "give what was read from `audit.topic`, a JSON object a line";
        FatalError::new(format!("cannot read checkpoints from `{}`: {why}", path.display()), hint)
    };
    let text = fs::read_to_string(path).map_err(|error| unfit(error.to_string()))?;
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines.map(|line| read_strictly(line.as_bytes()).map_err(|error| unfit(error.to_string()))).collect()
}

fn read_folder(dir: &Path) -> Result<Segments, FatalError> {
    let unread = |error: String| {
        FatalError::new(format!("cannot read the log in `{}`: {error}", dir.display()), "check the path")
    };
    let root = dir.join(AUDIT_PREFIX);
    let mut segments = Segments::new();
    for entry in WalkDir::new(&root) {
        let entry = entry.map_err(|error| unread(error.to_string()))?;
        if entry.file_type().is_file() {
            let key = entry.path().strip_prefix(dir).unwrap_or(entry.path()).to_string_lossy().into_owned();
            segments.insert(key, fs::read(entry.path()).map_err(|error| unread(error.to_string()))?);
        }
    }
    Ok(segments)
}

async fn read_store(stream: &StreamConfig) -> Result<Segments, FatalError> {
    let name = stream.audit.as_ref().map_or(&stream.region_store, |audit| &audit.store);
    let stores = StoreSet::open(&stream.stores, &stream.region, StoreLimits::default()).await?;
    let unread = |error: obscura::error::PhotoError| {
        FatalError::new(format!("cannot read the log in store `{name}`: {}", error.detail), error.hint)
    };
    let store = stores.get(name).map_err(unread)?;
    let mut segments = Segments::new();
    for key in store.list_below(AUDIT_PREFIX).await.map_err(unread)? {
        if let Some(bytes) = store.get_small(&key).await.map_err(unread)? {
            segments.insert(key, bytes.to_vec());
        }
    }
    Ok(segments)
}

fn tell(report: &AuditReport, json: bool) -> Result<(), FatalError> {
    if json {
        say(serde_json::to_string(report).map_err(|error| FatalError::new(error.to_string(), "report this"))?);
        return Ok(());
    }
    let AuditReport { chains, segments, records, running, problems } = report;
    say(format_args!("{records} records in {segments} segments of {chains} chains, {running} of workers at work"));
    for problem in problems {
        let place = match (problem.segment, problem.record) {
            (Some(segment), Some(record)) => format!(" segment {segment} record {record}"),
            (Some(segment), None) => format!(" segment {segment}"),
            (None, Some(record)) => format!(" record {record}"),
            (None, None) => String::new(),
        };
        say(format_args!("{:9} worker {}{place}: {}", problem.what, problem.worker, problem.detail));
    }
    if !problems.is_empty() {
        print_problem(
            &format!("{} places of the log are not as they were written", problems.len()),
            "compare with the versions or backups of the store, and with the checkpoints of `audit.topic`",
        );
    }
    Ok(())
}
