//! From a config file, environment and flags to values that are known to be usable.
//!
//! [`Config::resolve`] reports every mistake at once, each with what was expected, what came and what to do.

mod check;
mod delivery;
mod detectors;
mod memory;
mod print;
mod raw;
mod reference;
pub mod stream;
mod worker;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use self::{
    check::Checker,
    detectors::{areas, looked_for, resolve_user_models},
};

pub use self::{
    delivery::Delivery,
    detectors::{ShadowConfig, UserModel},
    memory::ExpectedMemory,
    raw::{Field, RawConfig},
    reference::reference,
    stream::StreamConfig,
    worker::{AdminTls, WorkerConfig},
};
use crate::{
    detect::{Class, ExecutionProvider, Wanted},
    photo::Limits,
    redact::{ClassPolicy, RedactionPolicy},
};

/// The embedded defaults, which are also the documentation of every key.
pub const DEFAULTS: &str = include_str!("default.toml");

const MIB: u64 = 1 << 20;
/// Enough that the next photos are read while some are worked on: three or four of a phone's for each thread.
const ENCODED_BYTES_PER_THREAD: u64 = 32 * MIB;
const MIN_ENCODED_BYTES: u64 = 64 * MIB;

/// One mistake in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblem {
    pub message: String,
    pub hint: String,
}

/// Values that passed every check.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub output_dir: Option<PathBuf>,
    pub receipts: bool,
    pub json: bool,
    /// Signs receipts; none leaves them unsigned.
    pub receipt_key_file: Option<PathBuf>,
    pub receipt_delivery: Delivery,
    pub limits: Limits,
    pub decoded_bytes: u64,
    /// None leaves it to the number of threads.
    pub encoded_bytes: Option<u64>,
    pub threads: usize,
    pub models_dir: Option<PathBuf>,
    pub onnxruntime_library: Option<PathBuf>,
    pub min_face_px: f32,
    pub min_plate_px: f32,
    pub face_min_score: Option<f32>,
    pub plate_min_score: Option<f32>,
    pub exhaustive: bool,
    /// What detectors may look at of one photo, all views together; a photo that asks for more fails.
    pub max_view_megapixels: Option<u64>,
    pub min_text_px: f32,
    pub text_min_score: Option<f32>,
    /// Names in the manifest; none leaves it to the manifest.
    pub face_model: Option<String>,
    pub plate_model: Option<String>,
    pub user_models: Vec<UserModel>,
    /// As they were written.
    pub user_model_tables: Vec<toml::Table>,
    pub shadow: Option<ShadowConfig>,
    /// What is looked for where no route says otherwise.
    pub wanted: Wanted,
    pub execution_providers: Vec<ExecutionProvider>,
    pub redaction: RedactionPolicy,
    pub quarantine_dir: Option<PathBuf>,
    pub keep_original: bool,
    pub worker: WorkerConfig,
    /// None: `obscura run` follows a folder.
    pub stream: Option<StreamConfig>,
}

/// Read a config file.
///
/// # Errors
/// If it cannot be read or is not TOML.
pub fn read_file(path: &Path) -> Result<RawConfig, ConfigProblem> {
    let text = std::fs::read_to_string(path).map_err(|error| ConfigProblem {
        message: format!("cannot read the config `{}`: {error}", path.display()),
        hint: "check the path given with `--config`".into(),
    })?;
    parse(&text).map_err(|message| ConfigProblem {
        message: format!("`{}` is not a config in TOML: {message}", path.display()),
        hint: "sections look like `[limits]`, keys like `max_megapixels = 100`".into(),
    })
}

fn parse(text: &str) -> Result<RawConfig, String> {
    toml::from_str(text).map_err(|error| error.to_string().trim().to_owned())
}

impl Config {
    /// Check everything; defaults fill what `raw` leaves out.
    ///
    /// # Errors
    /// All mistakes.
    pub fn resolve(raw: RawConfig) -> Result<Self, Vec<ConfigProblem>> {
        let defaults = parse(DEFAULTS).map_err(|message| {
            vec![ConfigProblem { message, hint: "the embedded defaults are broken; report this".into() }]
        })?;
        let mut check = Checker::default();
        for (key, known) in raw.unknown_keys() {
            check.unknown(&key, known);
        }
        let d = defaults;
        let worker = WorkerConfig::resolve(&raw, &d, &mut check);
        let shadow = ShadowConfig::resolve(&raw, &d, &mut check);
        let user_model_tables = check.value("user_models", raw.user_models.clone(), Field::Missing);
        let user_models = resolve_user_models(&user_model_tables, &mut check);
        let wanted = Wanted {
            classes: looked_for(&user_models, shadow.as_ref()),
            areas: areas(&raw, &mut check),
            ..Wanted::default()
        };
        let (raw_stream, raw_defaults) = (raw.clone(), d.clone());
        let RawConfig { output, limits, budget, models, detect, redact, quarantine, receipts, .. } = raw;
        let face_enlarge = check.ranged("redact.face_enlarge", redact.face_enlarge, d.redact.face_enlarge, 0.0, 4.0);
        let text_enlarge = check.ranged("redact.text_enlarge", redact.text_enlarge, d.redact.text_enlarge, 0.0, 4.0);
        let redaction = RedactionPolicy {
            face: ClassPolicy {
                style: check.value("redact.face_style", redact.face_style, d.redact.face_style),
                cells: check.ranged("redact.face_cells", redact.face_cells, d.redact.face_cells, 1, 8),
                enlarge_x: face_enlarge,
                enlarge_y: face_enlarge,
            },
            plate: ClassPolicy {
                style: check.value("redact.plate_style", redact.plate_style, d.redact.plate_style),
                cells: check.ranged("redact.plate_cells", redact.plate_cells, d.redact.plate_cells, 1, 8),
                enlarge_x: check.ranged(
                    "redact.plate_enlarge_x",
                    redact.plate_enlarge_x,
                    d.redact.plate_enlarge_x,
                    0.0,
                    4.0,
                ),
                enlarge_y: check.ranged(
                    "redact.plate_enlarge_y",
                    redact.plate_enlarge_y,
                    d.redact.plate_enlarge_y,
                    0.0,
                    4.0,
                ),
            },
            text: ClassPolicy {
                style: check.value("redact.text_style", redact.text_style, d.redact.text_style),
                cells: check.ranged("redact.text_cells", redact.text_cells, d.redact.text_cells, 1, 8),
                enlarge_x: text_enlarge,
                enlarge_y: text_enlarge,
            },
        };
        let stream = StreamConfig::resolve(&raw_stream, &raw_defaults, &redaction, &wanted, &mut check);
        let delivery = check.value("receipts.deliver", receipts.deliver, d.receipts.deliver);
        if let Some(stream) = &stream {
            delivery.check(stream, &mut check);
        }
        let config = Self {
            output_dir: check.optional("output.dir", output.dir),
            receipts: check.value("output.receipts", output.receipts, d.output.receipts),
            json: check.value("output.json", output.json, d.output.json),
            receipt_key_file: check.optional("receipts.key_file", receipts.key_file),
            receipt_delivery: delivery,
            limits: Limits {
                max_encoded_bytes: MIB
                    * check.ranged("limits.max_encoded_mib", limits.max_encoded_mib, d.limits.max_encoded_mib, 1, 4096),
                max_pixels: 1_000_000
                    * check.ranged("limits.max_megapixels", limits.max_megapixels, d.limits.max_megapixels, 1, 1000),
                max_side_px: check.ranged("limits.max_side_px", limits.max_side_px, d.limits.max_side_px, 16, 65_535),
            },
            decoded_bytes: MIB
                * check.ranged("budget.decoded_mib", budget.decoded_mib, d.budget.decoded_mib, 16, 1 << 20),
            encoded_bytes: Some(check.ranged(
                "budget.encoded_mib",
                budget.encoded_mib,
                d.budget.encoded_mib,
                0,
                1 << 20,
            ))
            .filter(|&mib| mib > 0)
            .map(|mib| mib * MIB),
            threads: check.ranged("budget.threads", budget.threads, d.budget.threads, 0, 1024),
            models_dir: check.optional("models.dir", models.dir),
            onnxruntime_library: check.optional("models.onnxruntime_library", models.onnxruntime_library),
            min_face_px: check.ranged("detect.min_face_px", detect.min_face_px, d.detect.min_face_px, 4.0, 10_000.0),
            min_plate_px: check.ranged(
                "detect.min_plate_px",
                detect.min_plate_px,
                d.detect.min_plate_px,
                6.0,
                10_000.0,
            ),
            face_min_score: check.optional_score("detect.face_min_score", detect.face_min_score),
            plate_min_score: check.optional_score("detect.plate_min_score", detect.plate_min_score),
            exhaustive: check.value("detect.exhaustive", detect.exhaustive, d.detect.exhaustive),
            max_view_megapixels: Some(check.ranged(
                "detect.max_view_megapixels",
                detect.max_view_megapixels,
                d.detect.max_view_megapixels,
                0,
                1 << 20,
            ))
            .filter(|&megapixels| megapixels > 0),
            min_text_px: check.ranged("detect.min_text_px", detect.min_text_px, d.detect.min_text_px, 4.0, 10_000.0),
            text_min_score: check.optional_score("detect.text_min_score", detect.text_min_score),
            face_model: check.optional("models.face", models.face),
            plate_model: check.optional("models.plate", models.plate),
            user_models,
            user_model_tables,
            shadow,
            wanted,
            execution_providers: check.value(
                "detect.execution_providers",
                detect.execution_providers,
                d.detect.execution_providers,
            ),
            redaction,
            quarantine_dir: check.optional("quarantine.dir", quarantine.dir),
            keep_original: check.value(
                "quarantine.keep_original",
                quarantine.keep_original,
                d.quarantine.keep_original,
            ),
            worker,
            stream,
        };
        if check.problems.is_empty() && config.execution_providers.is_empty() {
            check.problem("`detect.execution_providers`: expected at least one, found none", "use [\"cpu\"]");
        }
        if check.problems.is_empty() { Ok(config) } else { Err(check.problems) }
    }

    /// The smallest object of a class to be found, in photo pixels.
    #[must_use]
    pub fn min_object_px(&self, class: Class) -> f32 {
        match class {
            Class::Face => self.min_face_px,
            Class::Plate => self.min_plate_px,
            Class::Text => self.min_text_px,
        }
    }

    /// The lowest score of a class that counts, whatever the model says.
    #[must_use]
    pub fn min_score(&self, class: Class) -> Option<f32> {
        match class {
            Class::Face => self.face_min_score,
            Class::Plate => self.plate_min_score,
            Class::Text => self.text_min_score,
        }
    }

    /// Photos in work at once.
    #[must_use]
    pub fn worker_count(&self) -> usize {
        if self.threads > 0 {
            return self.threads;
        }
        std::thread::available_parallelism().map_or(1, usize::from)
    }

    /// Bytes of files, as they came and as they will be published, of all photos that are read.
    #[must_use]
    pub fn encoded_budget_bytes(&self) -> u64 {
        let by_threads = ENCODED_BYTES_PER_THREAD * self.worker_count() as u64;
        self.encoded_bytes.unwrap_or(by_threads.max(MIN_ENCODED_BYTES))
    }

    /// How long photos of a revoked partition may take to end: long before the group gives the worker up.
    #[must_use]
    pub fn revoke_within(&self) -> Duration {
        let third = self.stream.as_ref().map(|stream| stream.kafka.max_poll_interval / 3);
        third.map_or(self.worker.drain, |third| third.min(self.worker.drain))
    }

    /// Where photos that failed are recorded.
    #[must_use]
    pub fn quarantine_dir_for(&self, output_dir: &Path) -> PathBuf {
        self.quarantine_dir.clone().unwrap_or_else(|| beside(output_dir, ".quarantine"))
    }

    /// Where a worker remembers what is done.
    #[must_use]
    pub fn state_dir_for(&self, output_dir: &Path) -> PathBuf {
        self.worker.state_dir.clone().unwrap_or_else(|| beside(output_dir, ".state"))
    }
}

/// The folder beside `dir` whose name ends in `suffix`.
fn beside(dir: &Path, suffix: &str) -> PathBuf {
    // A path such as `.` or `a/..` has no name of its own to add to.
    let base = if dir.file_name().is_some() {
        dir.to_owned()
    } else {
        std::path::absolute(dir).ok().and_then(|path| path.canonicalize().ok()).unwrap_or_else(|| dir.join("obscura"))
    };
    let mut name = base.file_name().unwrap_or_else(|| "obscura".as_ref()).to_owned();
    name.push(suffix);
    base.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::Style;

    #[test]
    fn the_defaults_are_complete_and_round_trip() {
        let config = Config::resolve(RawConfig::default()).unwrap();
        assert_eq!(config.limits.max_pixels, 100_000_000);
        assert_eq!(config.redaction.face.style, Style::Blur);
        let again = Config::resolve(parse(&config.to_toml()).unwrap()).unwrap();
        assert_eq!(again, config);
    }

    #[test]
    fn every_documented_key_is_a_key() {
        let uncommented: String = DEFAULTS
            .lines()
            .map(|line| {
                line.strip_prefix("# ")
                    .filter(|rest| rest.contains(" = \"") || rest.contains("_score = "))
                    .unwrap_or(line)
            })
            .fold(String::new(), |text, line| text + line + "\n");
        let raw = parse(&uncommented).unwrap();
        assert!(raw.unknown_keys().is_empty(), "{:?}", raw.unknown_keys());
        // Kafka wants stores and routes, which are tables.
        let raw = RawConfig { kafka: RawConfig::default().kafka, ..raw };
        assert!(Config::resolve(raw).unwrap().face_min_score.is_some());
    }

    #[test]
    fn quarantine_lies_beside_the_output() {
        let config = Config::resolve(RawConfig::default()).unwrap();
        assert_eq!(config.quarantine_dir_for(Path::new("a/out")), Path::new("a/out.quarantine"));
        assert_eq!(config.quarantine_dir_for(Path::new("a/out/")), Path::new("a/out.quarantine"));
    }
}
