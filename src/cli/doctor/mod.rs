//! `obscura doctor`: is this machine fit for the work, and if not, what to do.

mod machine;
mod rights;
mod stream;

use std::{
    fmt,
    path::Path,
    process::ExitCode,
    sync::Arc,
    time::{Duration, SystemTime},
};

use clap::Args;
use obscura::{
    config::Config,
    cpu::CoreGate,
    detect::Manifest,
    error::FatalError,
    pipeline::{Destinations, Engine, models_dir, onnxruntime_library},
    telemetry::Metrics,
};
use serde::Serialize;

use super::{EXIT_QUARANTINED, Stop, config_args::ConfigArgs, folders::is_below, report::say, worker_args::WorkerArgs};

/// Check the library, models, execution providers, folders, limits and clock of this machine
#[derive(Debug, Args)]
#[command(after_long_help = "\
Example:
  obscura doctor --config obscura.toml

With `kafka.brokers`: broker, topics and stores instead of folders.

Exit codes: 0 fit (there may be warnings), 1 something is wrong, 2 usage or configuration.")]
pub struct DoctorArgs {
    #[command(flatten)]
    worker: WorkerArgs,

    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Ok,
    Warning,
    Failed,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "FAILED",
        })
    }
}

/// What one check found.
#[derive(Clone, Debug, Serialize)]
struct Finding {
    check: &'static str,
    status: Status,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

impl Finding {
    fn ok(check: &'static str, detail: impl Into<String>) -> Self {
        Self { check, status: Status::Ok, detail: detail.into(), hint: None }
    }

    fn warning(check: &'static str, detail: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { check, status: Status::Warning, detail: detail.into(), hint: Some(hint.into()) }
    }

    fn failed(check: &'static str, detail: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { check, status: Status::Failed, detail: detail.into(), hint: Some(hint.into()) }
    }

    fn from_error(check: &'static str, error: FatalError) -> Self {
        Self::failed(check, error.message, error.hint)
    }
}

pub fn run(args: DoctorArgs) -> Result<ExitCode, Stop> {
    let config = args.config.resolve_with(args.worker)?;
    let mut findings = vec![library(&config)];
    findings.extend(models(&config));
    findings.push(detectors(&config));
    findings.extend(if config.stream.is_some() { stream::stream(&config) } else { folders(&config) });
    findings.extend(rights::keys(&config));
    findings.extend(machine::limits(&config));
    findings.push(clock());
    for finding in &findings {
        if config.json {
            say(serde_json::to_string(finding).map_err(|error| FatalError::new(error.to_string(), "report this"))?);
        } else {
            say(format_args!("{:8} {:20} {}", finding.status, finding.check, finding.detail));
            if let Some(hint) = &finding.hint {
                say(format_args!("{:29} hint: {hint}", ""));
            }
        }
    }
    let is_fit = findings.iter().all(|finding| finding.status != Status::Failed);
    Ok(if is_fit { ExitCode::SUCCESS } else { ExitCode::from(EXIT_QUARANTINED) })
}

fn library(config: &Config) -> Finding {
    const CHECK: &str = "library";
    match onnxruntime_library(config) {
        Ok(path) if path.is_file() => Finding::ok(CHECK, format!("ONNX Runtime at `{}`", path.display())),
        Ok(path) => Finding::failed(CHECK, format!("no file at `{}`", path.display()), "run `make setup`"),
        Err(error) => Finding::from_error(CHECK, error),
    }
}

fn models(config: &Config) -> Vec<Finding> {
    const CHECK: &str = "models";
    let manifest = match models_dir(config).and_then(|dir| Manifest::load(&dir)) {
        Ok(manifest) => manifest,
        Err(error) => return vec![Finding::from_error(CHECK, error)],
    };
    let verify = |model| match manifest.read_verified(model) {
        Ok(verified) => Finding::ok(CHECK, format!("`{}` is the file that its hash names", verified.spec.name)),
        Err(error) => Finding::from_error(CHECK, error),
    };
    manifest.models.iter().map(verify).collect()
}

/// Loads everything as a run would, one session a model, and lets each find the known object.
fn detectors(config: &Config) -> Finding {
    const CHECK: &str = "execution providers";
    let names: Vec<String> =
        config.execution_providers.iter().map(|provider| format!("{provider:?}").to_lowercase()).collect();
    let start = || {
        let engine = Engine::start(config)?;
        let metrics = Arc::new(Metrics::new(&engine.model_names()));
        engine.detectors(config, &CoreGate::new(1), &metrics)
    };
    match start() {
        Ok(_) => Finding::ok(CHECK, format!("{}: every model finds its known object", names.join(", "))),
        Err(error) => Finding::from_error(CHECK, error),
    }
}

fn folders(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(source) = &config.worker.source_dir {
        findings.push(match std::fs::read_dir(source) {
            Ok(_) => Finding::ok("source", format!("`{}` can be read", source.display())),
            Err(error) => Finding::failed("source", format!("`{}`: {error}", source.display()), "check the path"),
        });
    }
    let Some(output) = config.output_dir.clone() else {
        findings.push(Finding::warning("output", "no folder is named", "name one with `--out DIR` or `output.dir`"));
        return findings;
    };
    let places = match Destinations::open(config, output.clone()) {
        Ok(places) => places,
        Err(error) => {
            findings.push(Finding::from_error("receipts", error));
            return findings;
        }
    };
    let state = config.state_dir_for(&output);
    let written = [
        ("output", places.store.root(), places.store.can_take(1 << 20)),
        ("quarantine", places.quarantine.root(), places.quarantine.can_take(1 << 20)),
        ("state", state.as_path(), obscura::store::StateDir::open(&state).is_ok()),
    ];
    for (check, path, usable) in written {
        findings.push(if usable {
            Finding::ok(check, format!("`{}` can be written", path.display()))
        } else {
            let detail = format!("`{}` cannot be written, or another worker uses it", path.display());
            Finding::failed(check, detail, "check permissions, free space and other workers")
        });
    }
    for (check, path, _) in &written[1..] {
        if is_below(path, &output) {
            let detail = format!("`{}` lies inside the output", path.display());
            findings.push(Finding::failed(check, detail, "choose a folder beside it"));
        }
    }
    findings.push(file_times(&output));
    findings
}

/// Whether a file written now is as old as this machine's clock says: files are taken by their age.
fn file_times(output: &Path) -> Finding {
    const CHECK: &str = "file times";
    const MAX_SKEW: Duration = Duration::from_secs(2);
    let skew = || {
        let file = tempfile::tempfile_in(output)?;
        std::io::Write::write_all(&mut &file, b"x")?;
        let (written, now) = (file.metadata()?.modified()?, SystemTime::now());
        Ok::<_, std::io::Error>(now.duration_since(written).unwrap_or_else(|ahead| ahead.duration()))
    };
    match skew() {
        Ok(skew) if skew <= MAX_SKEW => Finding::ok(CHECK, "the file system's clock agrees with this machine's"),
        Ok(skew) => {
            let detail = format!("the file system's clock differs by {} s", skew.as_secs());
            Finding::warning(CHECK, detail, "synchronise both clocks; until then raise `source.stable_ms`")
        }
        Err(error) => Finding::warning(CHECK, format!("could not be looked at: {error}"), "check the output folder"),
    }
}

/// Certificates, signatures and records need a clock that is about right.
fn clock() -> Finding {
    const CHECK: &str = "clock";
    /// The first second of the year in which this version was written.
    const NOT_BEFORE_S: u64 = 1_767_225_600;
    let now_s = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |now| now.as_secs());
    if now_s >= NOT_BEFORE_S {
        Finding::ok(CHECK, "not before this version was written")
    } else {
        Finding::failed(CHECK, "the clock is years behind", "set it, or synchronise it with a time server")
    }
}
