//! `obscura replay`: put dead letters back into the topics that they came from.

use std::process::ExitCode;

use chrono::{DateTime, Utc};
use clap::Args;
use obscura::{
    config::{Config, StreamConfig},
    error::FatalError,
    kafka::{Producer, ReplayOptions, ReplayReport, replay_dead_letters},
    pipeline::original_message,
    store::remote::{StoreLimits, StoreSet},
    trust::audit::Action,
};
use serde_json::json;

use super::{
    EXIT_QUARANTINED, Stop,
    config_args::ConfigArgs,
    region::command_log,
    report::{print_problem, say},
    runtime,
    worker_args::WorkerArgs,
};

const EXAMPLES: &str = "\
Examples:
  obscura replay --dead-letters --config obscura.toml --dry-run
  obscura replay --dead-letters --config obscura.toml --code no_route
  obscura replay --dead-letters --config obscura.toml --since 2h

Sends the messages of dead letters to their topics again, each once: what was replayed is remembered in the dead-letter
topic itself. Signatures of URLs are not kept, so events that named a signed URL cannot be fetched again.

Exit codes: 0 all that was asked for is put back, 1 some could not be, 2 usage or configuration, 3 could not go on.";

/// Put dead letters back into the topics that they came from
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct ReplayArgs {
    /// Replay dead letters
    #[arg(long, required = true)]
    dead_letters: bool,

    /// Only those with this code, such as no_route
    #[arg(long, value_name = "CODE")]
    code: Option<String>,

    /// Only those since then: a time such as 2026-01-31T12:00:00Z, or an age such as 30m, 2h or 7d
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<DateTime<Utc>>,

    /// At most so many
    #[arg(long, value_name = "N")]
    limit: Option<u64>,

    /// Only say what would be put back
    #[arg(long)]
    dry_run: bool,

    /// Those that were replayed before, too
    #[arg(long)]
    again: bool,

    #[command(flatten)]
    worker: WorkerArgs,

    #[command(flatten)]
    config: ConfigArgs,
}

/// A time, or how long ago it was.
fn since(text: &str) -> Result<DateTime<Utc>, String> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(time.to_utc());
    }
    let unit_s = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3600,
        Some('d') => 86_400,
        _ => 0,
    };
    let count = text.get(..text.len().saturating_sub(1)).and_then(|count| count.parse::<i64>().ok());
    let seconds = count.filter(|&count| unit_s > 0 && count >= 0).and_then(|count| count.checked_mul(unit_s));
    let age = seconds.and_then(chrono::TimeDelta::try_seconds);
    age.and_then(|age| Utc::now().checked_sub_signed(age))
        .ok_or_else(|| "expected a time such as 2026-01-31T12:00:00Z or an age such as 2h".to_owned())
}

pub fn run(args: ReplayArgs) -> Result<ExitCode, Stop> {
    let options = ReplayOptions {
        code: args.code,
        since_ms: args.since.map(|since| since.timestamp_millis()),
        dry_run: args.dry_run,
        limit: args.limit,
        again: args.again,
    };
    let config = args.config.resolve_with(args.worker)?;
    let stream = config.stream.as_ref().ok_or_else(|| {
        FatalError::new("expected a broker, found none", "set `kafka.brokers`, or name the worker's `--config`")
    })?;
    Ok(runtime()?.block_on(replay(&config, stream, &options))?)
}

async fn replay(config: &Config, stream: &StreamConfig, options: &ReplayOptions) -> Result<ExitCode, FatalError> {
    let stores = StoreSet::open(&stream.stores, &stream.region, StoreLimits::default()).await?;
    let mut log = if options.dry_run { None } else { command_log(stream, &stores, "replay")? };
    let producer = Producer::start(&stream.kafka)?;
    let report =
        replay_dead_letters(&stream.kafka, options, &producer, async |letter| original_message(&stores, &letter).await)
            .await?;
    if let Some(mut log) = log.take() {
        let facts = json!({ "selected": report.selected, "replayed": report.replayed, "failed": report.failed });
        log.record(Action::Replayed, facts)?;
        log.end().await?;
    }
    tell(&report, options.dry_run, config.json);
    let is_whole = report.failed == 0 && report.without_original == 0;
    Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::from(EXIT_QUARANTINED) })
}

fn tell(report: &ReplayReport, dry_run: bool, json: bool) {
    let ReplayReport { selected, by_code, replayed, without_original, failed, first_failure } = report;
    if json {
        say(json!({
            "selected": selected, "by_code": by_code, "replayed": replayed,
            "without_original": without_original, "failed": failed,
        }));
    } else if dry_run {
        say(format_args!("{selected} dead letters would be put back"));
    } else {
        say(format_args!("{replayed} of {selected} dead letters put back"));
    }
    if !json {
        for (code, count) in by_code {
            say(format_args!("  {count} {code}"));
        }
    }
    if *without_original > 0 {
        print_problem(
            &format!("{without_original} have no message that could be put back"),
            "what they came from may still be in their topic, at the origin that the dead letter names",
        );
    }
    if let Some(why) = first_failure {
        print_problem(&format!("{failed} could not be put back, the first because: {why}"), "run the same again");
    }
}
