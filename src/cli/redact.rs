//! `obscura redact`: photos in, redacted photos out.

use std::{path::PathBuf, process::ExitCode, time::Instant};

use clap::Args;
use obscura::{
    error::FatalError,
    pipeline::{Destinations, Engine, collect, run as run_pipeline},
    store::{LocalStore, Quarantine},
};

use super::{EXIT_QUARANTINED, Stop, config_args::ConfigArgs, report::Reporter};

const EXAMPLES: &str = "\
Examples:
  obscura redact photo.jpg --out redacted
  obscura redact uploads --out redacted --receipts --style mosaic
  obscura redact uploads --out redacted --json | jq 'select(.status == \"quarantined\")'

Photos keep their names below the folders that were named. A photo that cannot be checked is not written to the
output: a record of why is written to the quarantine folder beside it.

Exit codes: 0 all redacted, 1 some quarantined, 2 usage or configuration.";

/// Redact photos: files, or folders with everything below them
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct RedactArgs {
    /// Photos, or folders with photos at any depth; formats are told by content, never by name
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,

    #[command(flatten)]
    config: ConfigArgs,
}

pub fn run(args: RedactArgs) -> Result<ExitCode, Stop> {
    let config = args.config.resolve()?;
    let Some(output_dir) = config.output_dir.clone() else {
        return Err(Stop::Fatal(FatalError::new(
            "expected a folder for the redacted photos, found none",
            "name one with `--out DIR`, OBSCURA_OUT or `output.dir`",
        )));
    };
    let quarantine_dir = config.quarantine_dir_for(&output_dir);
    if is_below(&quarantine_dir, &output_dir) {
        return Err(Stop::Fatal(FatalError::new(
            format!("the quarantine `{}` lies inside the output `{}`", quarantine_dir.display(), output_dir.display()),
            "choose a folder beside it with `--quarantine-dir`",
        )));
    }
    let inputs = collect(&args.paths, &output_dir, &[output_dir.clone(), quarantine_dir.clone()])?;
    let engine = Engine::start(&config)?;
    let destinations = Destinations {
        store: LocalStore::new(output_dir.clone(), config.receipts),
        quarantine: Quarantine::new(quarantine_dir, config.keep_original),
    };
    let mut reporter = Reporter::new(&inputs, config.json);
    let started = Instant::now();
    run_pipeline(&engine, &config, &inputs.photos, &destinations, |outcome| reporter.outcome(&inputs.photos, outcome))?;
    let quarantined = reporter.finish(started.elapsed(), &output_dir, destinations.quarantine.root());
    Ok(if quarantined { ExitCode::from(EXIT_QUARANTINED) } else { ExitCode::SUCCESS })
}

fn is_below(path: &std::path::Path, dir: &std::path::Path) -> bool {
    let absolute = |path: &std::path::Path| {
        path.canonicalize().or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.to_owned())
    };
    absolute(path).starts_with(absolute(dir))
}
