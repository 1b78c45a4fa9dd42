//! `obscura redact`: photos in, redacted photos out.

use std::{path::PathBuf, process::ExitCode, sync::Arc, time::Instant};

use clap::Args;
use obscura::{
    config::Config,
    error::FatalError,
    pipeline::{Destinations, Engine, IntakeOptions, Mode, Places, Vitals, Workshop, run as run_pipeline},
    source::{Inputs, ListSource, collect},
};

use super::{
    EXIT_FATAL, EXIT_QUARANTINED, Stop,
    config_args::ConfigArgs,
    contact_sheet::THUMBNAIL_PX,
    folders::{folder_of, is_below, require_output},
    report::{Reporter, print_problem},
    runtime,
    signals::Signals,
};

const EXAMPLES: &str = "\
Examples:
  obscura redact photo.jpg --out redacted
  obscura redact uploads --out redacted --receipts --style mosaic
  obscura redact uploads --out redacted --contact-sheet redacted.html
  obscura redact uploads --out redacted --json | jq 'select(.status == \"quarantined\")'

Photos keep their names below the folders that were named. A photo that cannot be checked is not written to the
output: a record of why is written to the quarantine folder beside it.

The first Ctrl-C lets photos in work end, the second ends at once.

Exit codes: 0 all redacted, 1 some quarantined, 2 usage or configuration, 3 could not go on, 130 interrupted.";

/// Redact photos: files, or folders with everything below them
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct RedactArgs {
    /// Photos, or folders with photos at any depth; formats are told by content, never by name
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// Also write one HTML page with a thumbnail of every result and the reasons for the rest
    #[arg(long, env = "OBSCURA_CONTACT_SHEET", value_name = "FILE")]
    contact_sheet: Option<PathBuf>,

    #[command(flatten)]
    config: ConfigArgs,
}

pub fn run(args: RedactArgs) -> Result<ExitCode, Stop> {
    let config = args.config.resolve()?;
    let output_dir = require_output(&config)?;
    let quarantine_dir = config.quarantine_dir_for(&output_dir);
    if is_below(&quarantine_dir, &output_dir) {
        return Err(Stop::Fatal(FatalError::new(
            format!("the quarantine `{}` lies inside the output `{}`", quarantine_dir.display(), output_dir.display()),
            "choose a folder beside it with `--quarantine-dir`",
        )));
    }
    if let Some(sheet) = &args.contact_sheet
        && !folder_of(sheet).is_dir()
    {
        return Err(Stop::Fatal(FatalError::new(
            format!("the folder of the contact sheet `{}` is not there", sheet.display()),
            "create it, or choose another with `--contact-sheet`",
        )));
    }
    let inputs = collect(&args.paths, &output_dir, &[output_dir.clone(), quarantine_dir])?;
    let engine = Engine::start(&config)?;
    runtime()?.block_on(work(&config, engine, output_dir, inputs, args.contact_sheet))
}

pub(super) async fn work(
    config: &Config,
    engine: Engine,
    output_dir: PathBuf,
    inputs: Inputs,
    contact_sheet: Option<PathBuf>,
) -> Result<ExitCode, Stop> {
    let signals = Signals::listen()?;
    let mut reporter = Reporter::new(&inputs, config.json, contact_sheet);
    let destinations = Destinations::open(config, output_dir)?;
    let thumbnail_px = reporter.wants_thumbnails().then_some(THUMBNAIL_PX);
    let shop = Workshop::start(&engine, config, Places::Folder(destinations.clone()), Mode::OneShot { thumbnail_px })?;
    let intake = IntakeOptions::new(config, true);
    let started = Instant::now();
    let source = ListSource::new(inputs.photos);
    let vitals = Arc::new(Vitals::default());
    let end = run_pipeline(Arc::new(shop), source, intake, vitals, signals.stop.clone(), |outcome| {
        reporter.outcome(outcome);
    });
    let end = end.await;
    let quarantined = reporter.finish(started.elapsed(), &destinations);
    let (end, quarantined) = match (end, quarantined) {
        (Ok(end), Ok(quarantined)) => (Ok(end), quarantined),
        (Err(error), _) | (_, Err(error)) => (Err(error), false),
    };
    match end {
        Ok(end) if end.stopped => {
            print_problem("interrupted", "run the same command again for the rest");
            signal_hook::low_level::exit(signals.exit_code().map_or(1, i32::from));
        }
        Ok(_) => Ok(if quarantined { ExitCode::from(EXIT_QUARANTINED) } else { ExitCode::SUCCESS }),
        Err(error) => {
            print_problem(&error.message, &error.hint);
            signal_hook::low_level::exit(i32::from(EXIT_FATAL));
        }
    }
}
