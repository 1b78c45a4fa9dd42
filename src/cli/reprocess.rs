//! `obscura reprocess`: redact again what other models, thresholds or policies handled.

use std::{
    collections::{BTreeMap, HashSet},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use obscura::{
    error::FatalError,
    pipeline::Engine,
    source::collect,
    store::{LocalStore, PublishedReceipt},
};
use serde_json::json;

use super::{
    EXIT_QUARANTINED, Stop,
    config_args::ConfigArgs,
    folders::require_output,
    redact,
    report::{print_problem, printable, say},
    reprocess_stores::{Options, reprocess},
    runtime,
    worker_args::WorkerArgs,
};

/// Stands for the pipeline of this configuration.
const CURRENT: &str = "current";

const EXAMPLES: &str = "\
Examples:
  obscura reprocess uploads --out redacted --older-than-pipeline current --dry-run
  obscura reprocess uploads --out redacted --older-than-pipeline 1085497538cc2563
  obscura reprocess --config worker.toml --older-than-pipeline current --dry-run

With PATH, in folders: goes through the receipts in the output folder. Every photo whose receipt names another pipeline than this one is redacted
again from its original below PATH, and its result and receipt are replaced. A pipeline names models, thresholds, policy
and version; it is the one in receipts. ID must be that of this configuration, which `current` stands for, so that
nothing is redacted again by what is about to be replaced. Name the same PATH as when the photos were redacted.

Without PATH, in object stores: goes through the results of the routes in the configuration. Every one that another pipeline
made than its route is now, and whose original is still in the vault or the source of its route, is put into the topic of
uploads again, with what it replaces. Workers of this configuration redact it and replace exactly that result, and no
other. Update the workers first.

Exit codes: 0 all redacted again, 1 some quarantined or without an original, 2 usage or configuration, 3 could not go on.";

/// Redact again what other models, thresholds or policies handled
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct ReprocessArgs {
    /// The originals: photos, or folders with photos at any depth; without, the object stores of the configuration
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// Redact again whatever another pipeline than this one handled
    #[arg(long, required = true, env = "OBSCURA_OLDER_THAN_PIPELINE", value_name = "ID")]
    older_than_pipeline: String,

    /// Only say what would be redacted again
    #[arg(long, env = "OBSCURA_DRY_RUN", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", action = clap::ArgAction::Set)]
    dry_run: bool,

    /// The topic to ask the workers by, instead of the first of `kafka.topics`
    #[arg(long, value_name = "TOPIC", conflicts_with = "paths")]
    topic: Option<String>,

    #[command(flatten)]
    worker: WorkerArgs,

    #[command(flatten)]
    config: ConfigArgs,
}

pub fn run(args: ReprocessArgs) -> Result<ExitCode, Stop> {
    let mut config = args.config.resolve_with(args.worker)?;
    if args.paths.is_empty() {
        let stream = config.stream.as_ref().ok_or_else(|| {
            FatalError::new(
                "expected paths of originals, or a configuration with a broker and stores, found neither",
                "name the folder that the photos came from, or the worker's `--config`",
            )
        })?;
        let pipeline = Some(args.older_than_pipeline).filter(|asked| asked != CURRENT);
        let options = Options { pipeline, topic: args.topic, dry_run: args.dry_run };
        return Ok(runtime()?.block_on(reprocess(&config, stream, &options))?);
    }
    // The old receipts must not stay beside new results.
    config.receipts = true;
    let output_dir = require_output(&config)?;
    let quarantine_dir = config.quarantine_dir_for(&output_dir);
    let mut inputs = collect(&args.paths, &output_dir, &[output_dir.clone(), quarantine_dir])?;
    let engine = Engine::start(&config)?;
    let current = engine.policy(&config, config.redaction, config.wanted.clone()).pipeline;
    if args.older_than_pipeline != CURRENT && args.older_than_pipeline != current {
        return Err(Stop::Fatal(FatalError::new(
            format!("expected the pipeline of this configuration, `{current}`, found `{}`", args.older_than_pipeline),
            "check models, thresholds and policy against those that the photos should be redacted by",
        )));
    }
    let mut older: BTreeMap<PathBuf, String> = BTreeMap::new();
    for PublishedReceipt { relative, pipeline } in LocalStore::new(output_dir.clone(), None).published_receipts() {
        if pipeline != current {
            older.insert(relative, pipeline);
        }
    }
    inputs.photos.retain(|photo| older.contains_key(&photo.relative));
    let found: HashSet<&Path> = inputs.photos.iter().map(|photo| photo.relative.as_path()).collect();
    let orphans: Vec<&PathBuf> = older.keys().filter(|relative| !found.contains(relative.as_path())).collect();
    tell(&older, &orphans, &current, config.json);
    let any_orphan = !orphans.is_empty();
    if any_orphan {
        print_problem(
            &format!("{} results have no original below the named paths", orphans.len()),
            "name the paths that they were redacted from, or remove results that have to go",
        );
    }
    let exit = if any_orphan { ExitCode::from(EXIT_QUARANTINED) } else { ExitCode::SUCCESS };
    if args.dry_run || inputs.photos.is_empty() {
        return Ok(exit);
    }
    let ended = runtime()?.block_on(redact::work(&config, engine, output_dir, inputs, None))?;
    Ok(if ended == ExitCode::SUCCESS { exit } else { ended })
}

fn tell(older: &BTreeMap<PathBuf, String>, orphans: &[&PathBuf], current: &str, json: bool) {
    for (relative, pipeline) in older {
        let (path, has_original) = (printable(relative), !orphans.contains(&relative));
        if json {
            say(json!({"path": path, "pipeline": pipeline, "has_original": has_original}));
        } else {
            let note = if has_original { "" } else { ", no original" };
            say(format_args!("{path}: pipeline {pipeline}{note}"));
        }
    }
    if !json {
        say(format_args!("{} results of other pipelines than {current}", older.len()));
    }
}
