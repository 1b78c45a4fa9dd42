//! `obscura check`: is the configuration usable, and what does it take?

use std::process::ExitCode;

use clap::Args;

use super::{Stop, config_args::ConfigArgs, report::say, worker_args::WorkerArgs};

/// Check a configuration: report every mistake at once, or print the effective values and the expected memory
#[derive(Debug, Args)]
#[command(after_long_help = "Example:\n  obscura check --config obscura.toml")]
pub struct CheckArgs {
    #[command(flatten)]
    worker: WorkerArgs,

    #[command(flatten)]
    config: ConfigArgs,
}

pub fn run(args: CheckArgs) -> Result<ExitCode, Stop> {
    let config = args.config.resolve_with(args.worker)?;
    say(config.to_toml());
    let memory = config.expected_memory();
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    say(format_args!("# expected peak memory with {} threads:", config.worker_count()));
    say(format_args!("#   photos of 12 megapixels: {} MiB", mib(memory.typical_bytes)));
    say(format_args!(
        "#   every limit used up:     {} MiB (set the container's limit to this)",
        mib(memory.worst_bytes)
    ));
    Ok(ExitCode::SUCCESS)
}
