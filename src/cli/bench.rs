//! `obscura bench`: what photos cost on this machine, for `obscura plan`.

use std::{fs, path::PathBuf, process::ExitCode, sync::Arc, time::Instant};

use clap::Args;
use obscura::{
    error::FatalError,
    pipeline::{Destinations, Engine, IntakeOptions, Mode, Places, Vitals, Workshop, process_cpu, run as run_pipeline},
    plan::Profile,
    source::{ListSource, collect},
};

use super::{
    EXIT_FATAL, Stop,
    config_args::ConfigArgs,
    report::{print_problem, say},
    runtime,
    signals::Signals,
};

const EXAMPLES: &str = "\
Examples:
  obscura bench photos
  obscura bench --json photos > profile.json

Redacts photos of your own into a temporary folder, which is removed, and tells what they took. Models are loaded and checked
before the clock starts. Take at least a hundred photos like those that will come: few measure how the last ones end.";

/// Measure what photos cost on this machine
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct BenchArgs {
    /// Photos, or folders with photos at any depth
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,

    #[command(flatten)]
    config: ConfigArgs,
}

pub fn run(args: BenchArgs) -> Result<ExitCode, Stop> {
    let config = args.config.resolve()?;
    let cannot = |error: std::io::Error| {
        FatalError::new(format!("cannot make a temporary folder: {error}"), "set TMPDIR to one with free space")
    };
    let scratch = tempfile::tempdir().map_err(cannot)?;
    let out = scratch.path().join("out");
    let inputs = collect(&args.paths, &out, &[])?;
    let profile = runtime()?.block_on(async {
        let signals = Signals::listen()?;
        let engine = Engine::start(&config)?;
        let places = Places::Folder(Destinations::open(&config, out)?);
        let shop = Arc::new(Workshop::start(&engine, &config, places, Mode::OneShot { thumbnail_px: None })?);
        let intake = IntakeOptions::new(&config, true);
        let before = (Instant::now(), process_cpu());
        let source = ListSource::new(inputs.photos);
        let vitals = Arc::new(Vitals::default());
        let end = run_pipeline(Arc::clone(&shop), source, intake, vitals, signals.stop.clone(), |_| {}).await;
        let (wall_s, cpu_s) = (before.0.elapsed().as_secs_f64(), process_cpu().saturating_sub(before.1).as_secs_f64());
        match end {
            Ok(end) if !end.stopped => {}
            Ok(_) => signal_hook::low_level::exit(signals.exit_code().map_or(1, i32::from)),
            Err(error) => {
                print_problem(&error.message, &error.hint);
                signal_hook::low_level::exit(i32::from(EXIT_FATAL));
            }
        }
        let reading = shop.reading();
        let photos = reading.published;
        if photos == 0 {
            return Err(FatalError::new(
                format!("expected photos that can be redacted, found none; {} were given up", reading.given_up),
                "name photos; `obscura redact` tells why they are given up",
            ));
        }
        let mean = |sum: f64| sum / photos as f64;
        Ok(Profile {
            version: obscura::VERSION.to_owned(),
            execution_providers: config
                .execution_providers
                .iter()
                .map(|provider| format!("{provider:?}").to_lowercase())
                .collect(),
            cores: config.worker_count(),
            photos,
            megapixels: mean(reading.megapixels),
            cpu_seconds_per_photo: mean(cpu_s),
            photos_per_second: photos as f64 / wall_s,
            bytes_in_per_photo: mean(reading.bytes_in as f64),
            bytes_out_per_photo: mean(reading.bytes_out as f64),
            peak_memory_mib: peak_memory_mib(),
        })
    })?;
    if config.json {
        say(serde_json::to_string_pretty(&profile).unwrap_or_default());
        return Ok(ExitCode::SUCCESS);
    }
    say(format_args!(
        "{} photos of {:.1} megapixels on {} cores: {:.2} photos/s, {:.1} MP/s, {:.3} CPU seconds a photo, peak {:.0} MiB",
        profile.photos,
        profile.megapixels,
        profile.cores,
        profile.photos_per_second,
        profile.photos_per_second * profile.megapixels,
        profile.cpu_seconds_per_photo,
        profile.peak_memory_mib,
    ));
    Ok(ExitCode::SUCCESS)
}

fn peak_memory_mib() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}
