//! `obscura run`: the worker that goes on.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Instant,
};

use clap::Args;
use obscura::{
    admin,
    config::{Config, StreamConfig, stream::StoreUrl},
    confine::{Confined, confine},
    error::{FatalError, PhotoError},
    pipeline::{
        Destinations, Done, Engine, IntakeOptions, Journal, Mode, Outcome, Places, RunEnd, Suspects, Vitals, Workshop,
        run as run_pipeline,
    },
    source::{FolderOptions, FolderSource, Source},
    store::StateDir,
    telemetry::{Metrics, start_logs},
};
use serde_json::json;

use super::{
    EXIT_FATAL, EXIT_QUARANTINED, Stop,
    config_args::ConfigArgs,
    folders::{is_below, require_output},
    report::{print_problem, printable, say},
    run_stream, runtime,
    signals::Signals,
    worker_args::WorkerArgs,
};

const EXAMPLES: &str = "\
Examples:
  obscura run --config obscura.toml
  obscura run --source uploads --out redacted --receipts
  obscura run --source uploads --out redacted --once
  obscura run --config worker.toml --kafka-brokers kafka:9092

With `kafka.brokers`, or a config file that names them: a member of a Kafka consumer group. Upload events tell of photos
in object stores; each is fetched, redacted and published in the store of its region that its route names.

Without: follows a folder: redacts the files that are there, then those that arrive, once they are closed and complete. What is
done is remembered in the state folder; a restart goes on where it stopped, also after a crash. Photos keep their names.
A new version of a file replaces its result. Logs go to standard error, the summary to standard output.

The first SIGTERM or Ctrl-C lets photos in work end, for at most `timeouts.drain_s`; the second ends at once.

Exit codes: 0 ended as asked, 1 with --once: some quarantined, 2 usage or configuration, 3 could not go on,
130 or 143 ended at once by a second signal.";

/// Follow a folder, or upload events of Kafka, and redact what arrives
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct RunArgs {
    /// Redact the files that are there, then end
    #[arg(long, env = "OBSCURA_ONCE", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", action = clap::ArgAction::Set)]
    once: bool,

    #[command(flatten)]
    worker: WorkerArgs,

    #[command(flatten)]
    config: ConfigArgs,
}

pub fn run(args: RunArgs) -> Result<ExitCode, Stop> {
    let config = args.config.resolve_with(args.worker)?;
    if let Some(stream) = &config.stream {
        if args.once {
            return Err(Stop::Fatal(FatalError::new(
                "found `--once`, but a topic has no end",
                "leave it out; the worker ends by SIGTERM or Ctrl-C",
            )));
        }
        start_logs(config.worker.log_level, config.worker.log_format);
        confine_to(&config, &stream_folders(&config, stream))?;
        return runtime()?.block_on(run_stream::work(&config, stream));
    }
    let folders = Folders::of(&config)?;
    start_logs(config.worker.log_level, config.worker.log_format);
    confine_to(&config, &[&folders.output, &folders.quarantine, &folders.state])?;
    runtime()?.block_on(work(&config, &folders, args.once))
}

/// Give up what a worker does not need, before there are threads that would keep it.
fn confine_to(config: &Config, folders: &[&PathBuf]) -> Result<(), FatalError> {
    for folder in folders {
        // Whoever cannot make it is told so where it is used.
        let _ = std::fs::create_dir_all(folder);
    }
    let there: Vec<&Path> = folders.iter().map(|folder| folder.as_path()).filter(|folder| folder.is_dir()).collect();
    match confine(config.worker.confine, &there)? {
        Some(Confined::Wholly) => tracing::info!("confined: writing only where results go"),
        Some(Confined::Partly) => tracing::warn!("confined in part: this kernel knows an older landlock"),
        Some(Confined::WithoutLandlock) => tracing::warn!("not confined: this kernel has no landlock"),
        None => tracing::warn!("not confined, as `process.confine` asks"),
    }
    Ok(())
}

/// Where a worker on Kafka writes files.
fn stream_folders<'a>(config: &'a Config, stream: &'a StreamConfig) -> Vec<&'a PathBuf> {
    let stores = stream.stores.iter().filter(|store| store.region == stream.region);
    let roots = stores.filter_map(|store| match &store.url {
        StoreUrl::File { root } => Some(root),
        _ => None,
    });
    config.worker.state_dir.iter().chain(roots).collect()
}

/// Where a worker reads and writes, checked against each other.
struct Folders {
    source: PathBuf,
    output: PathBuf,
    quarantine: PathBuf,
    state: PathBuf,
}

impl Folders {
    fn of(config: &Config) -> Result<Self, Stop> {
        let output = require_output(config)?;
        let source = config.worker.source_dir.clone().ok_or_else(|| {
            FatalError::new(
                "expected a folder to follow, found none",
                "name one with `--source DIR`, OBSCURA_SOURCE or `source.dir`",
            )
        })?;
        let folders = Self {
            quarantine: config.quarantine_dir_for(&output),
            state: config.state_dir_for(&output),
            source,
            output,
        };
        folders.check()?;
        Ok(folders)
    }

    /// Nothing that is written may be taken for an upload or for a result, and no result may replace an upload.
    fn check(&self) -> Result<(), FatalError> {
        let named = [("output", &self.output), ("quarantine", &self.quarantine), ("state folder", &self.state)];
        for (what, dir) in named {
            if is_below(&self.source, dir) {
                return Err(FatalError::new(
                    format!("the source `{}` lies inside the {what} `{}`", self.source.display(), dir.display()),
                    "choose folders that do not hold each other; only the source may hold the others",
                ));
            }
        }
        for (what, dir) in &named[1..] {
            if is_below(dir, &self.output) {
                return Err(FatalError::new(
                    format!("the {what} `{}` lies inside the output `{}`", dir.display(), self.output.display()),
                    "choose a folder beside it",
                ));
            }
        }
        Ok(())
    }
}

async fn work(config: &Config, folders: &Folders, once: bool) -> Result<ExitCode, Stop> {
    let signals = Signals::listen()?;
    let state = StateDir::open(&folders.state)?;
    let (journal, suspects) = open_journal(&state)?;
    let destinations = Destinations::open(config, folders.output.clone())?;
    destinations.store.remove_unfinished();
    destinations.quarantine.remove_unfinished();
    let engine = Engine::start(config)?;
    let mode = Mode::Worker { journal, suspects };
    let worker = Worker::start(config, &engine, Places::Folder(destinations), mode).await?;
    let options = FolderOptions { stable: config.worker.stable, rescan: config.worker.rescan, once };
    // The folders exist from here on, so that none of them is taken for a folder of uploads.
    for dir in [&folders.output, &folders.quarantine] {
        std::fs::create_dir_all(dir).map_err(|error| {
            FatalError::new(format!("cannot make the folder `{}`: {error}", dir.display()), "check permissions")
        })?;
    }
    let skip = [folders.output.clone(), folders.quarantine.clone(), folders.state.clone()];
    let source = FolderSource::open(&folders.source, &skip, state.path(), options)?;
    worker.run(config, source, &signals, once).await
}

/// What the last worker had in work when it ended badly runs alone.
pub(super) fn open_journal(state: &StateDir) -> Result<(Journal, Suspects), FatalError> {
    let (journal, suspects) = Journal::open(state.path()).map_err(|error| {
        FatalError::new(format!("cannot use the journal: {error}"), "check the permissions of the state folder")
    })?;
    if !suspects.is_empty() {
        tracing::warn!(suspects = suspects.len(), "the last worker did not end well; what it had in work runs alone");
    }
    Ok((journal, suspects))
}

/// A warm workshop whose admin port is open.
pub(super) struct Worker {
    shop: Arc<Workshop>,
    vitals: Arc<Vitals>,
    started: Instant,
}

impl Worker {
    pub(super) async fn start(
        config: &Config,
        engine: &Engine,
        places: Places,
        mode: Mode,
    ) -> Result<Self, FatalError> {
        let started = Instant::now();
        let shop = Arc::new(Workshop::start(engine, config, places, mode)?);
        let vitals = Arc::new(Vitals::default());
        if let Some(address) = config.worker.listen {
            let about = admin::About::new(config, engine);
            let tls = config.worker.admin_tls.clone();
            let address = admin::serve(address, tls, about, Arc::clone(&vitals), Arc::clone(&shop)).await?;
            tracing::info!(%address, "the admin port is open");
        }
        if let Some(address) = config.worker.probe_listen {
            let address = admin::serve_probes(address, Arc::clone(&vitals)).await?;
            tracing::info!(%address, "the port for probes is open");
        }
        Ok(Self { shop, vitals, started })
    }

    /// Work until the source ends or a signal comes, then tell how it went.
    pub(super) async fn run(
        self,
        config: &Config,
        source: impl Source,
        signals: &Signals,
        once: bool,
    ) -> Result<ExitCode, Stop> {
        let Self { shop, vitals, started } = self;
        vitals.set_joined(source.has_joined());
        vitals.warm();
        tracing::info!(version = obscura::VERSION, threads = config.worker_count(), "ready");
        let intake = IntakeOptions::new(config, false);
        let metrics = Arc::clone(shop.metrics());
        let end = run_pipeline(Arc::clone(&shop), source, intake, vitals, signals.stop.clone(), log_outcome).await;
        let seconds = started.elapsed().as_secs_f64();
        match end {
            Ok(end) => {
                summarise(&metrics, end, seconds, config.json);
                let any_quarantined = metrics.photo_counts().get("quarantined").is_some_and(|&count| count > 0);
                if end.left > 0 {
                    // Threads may still be in the middle of photos that nobody waits for any more.
                    signal_hook::low_level::exit(0);
                }
                Ok(if once && any_quarantined { ExitCode::from(EXIT_QUARANTINED) } else { ExitCode::SUCCESS })
            }
            Err(error) => {
                tracing::error!(error = %error.message, hint = %error.hint, "cannot go on");
                summarise(&metrics, RunEnd { stopped: true, left: 0 }, seconds, config.json);
                print_problem(&error.message, &error.hint);
                signal_hook::low_level::exit(i32::from(EXIT_FATAL));
            }
        }
    }
}

/// Photos are named by their key; names of files appear at debug only.
fn log_outcome(outcome: Outcome) {
    let Outcome { upload, elapsed, result, record_problem } = outcome;
    let (photo, ms) = (upload.key(), elapsed.as_millis() as u64);
    match &result {
        Ok(Done::Published(published)) => {
            tracing::info!(%photo, ms, faces = published.faces, plates = published.plates, "published");
        }
        Ok(Done::AlreadyPublished) => tracing::info!(%photo, ms, "already published"),
        Ok(Done::Gone) => tracing::info!(%photo, "gone before its turn"),
        Ok(Done::Ignored) => tracing::debug!(%photo, "nothing to do"),
        Ok(Done::Forwarded) => tracing::info!(%photo, "forwarded to its region"),
        Ok(Done::NotStarted) => {}
        Err(PhotoError { code, stage, detail, .. }) => {
            tracing::warn!(%photo, ms, %code, %stage, detail, "quarantined");
        }
    }
    if let Some(problem) = record_problem {
        tracing::warn!(%photo, problem, "a record needs attention");
    }
    tracing::debug!(%photo, path = %printable(&upload.relative), "path");
}

fn summarise(metrics: &Metrics, end: RunEnd, seconds: f64, json: bool) {
    let counts = metrics.photo_counts();
    let seconds = (seconds * 1000.0).round() / 1000.0;
    tracing::info!(?counts, left = end.left, seconds, "ended");
    if json {
        say(json!({"summary": {"photos": counts, "left": end.left, "seconds": seconds}}));
        return;
    }
    let parts: Vec<String> =
        counts.iter().map(|(ended, count)| format!("{count} {}", ended.replace('_', " "))).collect();
    say(format_args!("{}; {} left for the next start; {seconds:.1} s", parts.join(", "), end.left));
}
