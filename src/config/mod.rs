//! From a config file, environment and flags to values that are known to be usable.
//!
//! [`Config::resolve`] reports every mistake at once, each with what was expected, what came and what to do.

mod memory;
mod raw;

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

pub use self::{
    memory::ExpectedMemory,
    raw::{Field, RawConfig},
};
use crate::{
    detect::ExecutionProvider,
    photo::Limits,
    redact::{ClassPolicy, RedactionPolicy, Style},
};

/// The embedded defaults, which are also the documentation of every key.
pub const DEFAULTS: &str = include_str!("default.toml");

const MIB: u64 = 1 << 20;

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
    pub limits: Limits,
    pub decoded_bytes: u64,
    pub threads: usize,
    pub models_dir: Option<PathBuf>,
    pub onnxruntime_library: Option<PathBuf>,
    pub min_face_px: f32,
    pub min_plate_px: f32,
    pub face_min_score: Option<f32>,
    pub plate_min_score: Option<f32>,
    pub execution_providers: Vec<ExecutionProvider>,
    pub redaction: RedactionPolicy,
    pub quarantine_dir: Option<PathBuf>,
    pub keep_original: bool,
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
        let RawConfig { output, limits, budget, models, detect, redact, quarantine, .. } = raw;
        let d = defaults;
        let face_enlarge = check.ranged("redact.face_enlarge", redact.face_enlarge, d.redact.face_enlarge, 0.0, 4.0);
        let config = Self {
            output_dir: check.optional("output.dir", output.dir),
            receipts: check.value("output.receipts", output.receipts, d.output.receipts),
            json: check.value("output.json", output.json, d.output.json),
            limits: Limits {
                max_encoded_bytes: MIB
                    * check.ranged("limits.max_encoded_mib", limits.max_encoded_mib, d.limits.max_encoded_mib, 1, 4096),
                max_pixels: 1_000_000
                    * check.ranged("limits.max_megapixels", limits.max_megapixels, d.limits.max_megapixels, 1, 1000),
                max_side_px: check.ranged("limits.max_side_px", limits.max_side_px, d.limits.max_side_px, 16, 65_535),
            },
            decoded_bytes: MIB
                * check.ranged("budget.decoded_mib", budget.decoded_mib, d.budget.decoded_mib, 16, 1 << 20),
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
            execution_providers: check.value(
                "detect.execution_providers",
                detect.execution_providers,
                d.detect.execution_providers,
            ),
            redaction: RedactionPolicy {
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
            },
            quarantine_dir: check.optional("quarantine.dir", quarantine.dir),
            keep_original: check.value(
                "quarantine.keep_original",
                quarantine.keep_original,
                d.quarantine.keep_original,
            ),
        };
        if check.problems.is_empty() && config.execution_providers.is_empty() {
            check.problem("`detect.execution_providers`: expected at least one, found none", "use [\"cpu\"]");
        }
        if check.problems.is_empty() { Ok(config) } else { Err(check.problems) }
    }

    /// Photos in work at once.
    #[must_use]
    pub fn worker_count(&self) -> usize {
        if self.threads > 0 {
            return self.threads;
        }
        std::thread::available_parallelism().map_or(1, usize::from)
    }

    /// Where photos that failed are recorded.
    #[must_use]
    pub fn quarantine_dir_for(&self, output_dir: &Path) -> PathBuf {
        self.quarantine_dir.clone().unwrap_or_else(|| {
            // A path such as `.` or `a/..` has no name of its own to add to.
            let base = if output_dir.file_name().is_some() {
                output_dir.to_owned()
            } else {
                std::path::absolute(output_dir)
                    .ok()
                    .and_then(|path| path.canonicalize().ok())
                    .unwrap_or_else(|| output_dir.join("obscura"))
            };
            let mut name = base.file_name().unwrap_or_else(|| "obscura".as_ref()).to_owned();
            name.push(".quarantine");
            base.with_file_name(name)
        })
    }

    /// The effective values as a config file.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| quoted(&path.display().to_string()));
        let number = |value: &Option<f32>| value.map(|value| value.to_string());
        let style = |style: Style| {
            quoted(match style {
                Style::Blur => "blur",
                Style::Mosaic => "mosaic",
                Style::Solid => "solid",
            })
        };
        let providers: Vec<String> =
            self.execution_providers.iter().map(|provider| quoted(&format!("{provider:?}").to_lowercase())).collect();
        let (face, plate) = (&self.redaction.face, &self.redaction.plate);
        let mut section = |name: &str, keys: &[(&str, Option<String>)]| {
            let _ = writeln!(text, "{}[{name}]", if text.is_empty() { "" } else { "\n" });
            for (key, value) in keys {
                let _ = match value {
                    Some(value) => writeln!(text, "{key} = {value}"),
                    None => writeln!(text, "# {key} is not set"),
                };
            }
        };
        section(
            "output",
            &[
                ("dir", path(&self.output_dir)),
                ("receipts", Some(self.receipts.to_string())),
                ("json", Some(self.json.to_string())),
            ],
        );
        section(
            "limits",
            &[
                ("max_encoded_mib", Some((self.limits.max_encoded_bytes / MIB).to_string())),
                ("max_megapixels", Some((self.limits.max_pixels / 1_000_000).to_string())),
                ("max_side_px", Some(self.limits.max_side_px.to_string())),
            ],
        );
        section(
            "budget",
            &[
                ("decoded_mib", Some((self.decoded_bytes / MIB).to_string())),
                ("threads", Some(self.threads.to_string())),
            ],
        );
        section("models", &[("dir", path(&self.models_dir)), ("onnxruntime_library", path(&self.onnxruntime_library))]);
        section(
            "detect",
            &[
                ("min_face_px", Some(self.min_face_px.to_string())),
                ("min_plate_px", Some(self.min_plate_px.to_string())),
                ("face_min_score", number(&self.face_min_score)),
                ("plate_min_score", number(&self.plate_min_score)),
                ("execution_providers", Some(format!("[{}]", providers.join(", ")))),
            ],
        );
        section(
            "redact",
            &[
                ("face_style", Some(style(face.style))),
                ("face_cells", Some(face.cells.to_string())),
                ("face_enlarge", Some(face.enlarge_x.to_string())),
                ("plate_style", Some(style(plate.style))),
                ("plate_cells", Some(plate.cells.to_string())),
                ("plate_enlarge_x", Some(plate.enlarge_x.to_string())),
                ("plate_enlarge_y", Some(plate.enlarge_y.to_string())),
            ],
        );
        section(
            "quarantine",
            &[("dir", path(&self.quarantine_dir)), ("keep_original", Some(self.keep_original.to_string()))],
        );
        text
    }
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// Collects problems while values are taken.
#[derive(Default)]
struct Checker {
    problems: Vec<ConfigProblem>,
}

impl Checker {
    fn problem(&mut self, message: impl Into<String>, hint: impl Into<String>) {
        self.problems.push(ConfigProblem { message: message.into(), hint: hint.into() });
    }

    fn unknown(&mut self, key: &str, known: &[&str]) {
        let name = key.rsplit('.').next().unwrap_or(key);
        let nearest = known.iter().min_by_key(|candidate| edit_distance(name, candidate));
        let hint = match nearest {
            Some(candidate) if edit_distance(name, candidate) <= 3 => format!("did you mean `{candidate}`?"),
            _ => format!("known here: {}", known.join(", ")),
        };
        self.problem(format!("`{key}`: no such key"), hint);
    }

    /// The set value, if it is one.
    fn optional<T>(&mut self, key: &str, field: Field<T>) -> Option<T> {
        match field {
            Field::Value(value) => Some(value),
            Field::Missing => None,
            Field::Wrong { found, why } => {
                self.problem(format!("`{key}`: found {found}"), why);
                None
            }
        }
    }

    /// The set value, or the default.
    fn value<T: Default>(&mut self, key: &str, field: Field<T>, default: Field<T>) -> T {
        let set = self.optional(key, field);
        set.or_else(|| self.optional(key, default)).unwrap_or_default()
    }

    fn ranged<T>(&mut self, key: &str, field: Field<T>, default: Field<T>, low: T, high: T) -> T
    where
        T: Default + PartialOrd + std::fmt::Display,
    {
        let value = self.value(key, field, default);
        // Written so that NaN is out of range too.
        if !(value >= low && value <= high) {
            self.problem(
                format!("`{key}`: expected {low} to {high}, found {value}"),
                format!("choose a value from {low} to {high}, or leave the key out for its default"),
            );
        }
        value
    }

    fn optional_score(&mut self, key: &str, field: Field<f32>) -> Option<f32> {
        let score = self.optional(key, field)?;
        if !(score > 0.0 && score < 1.0) {
            self.problem(
                format!("`{key}`: expected more than 0 and less than 1, found {score}"),
                "leave the key out to use the score that the model was measured with",
            );
        }
        Some(score)
    }
}

/// Levenshtein distance, for suggestions.
fn edit_distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.chars().enumerate() {
            let substitute = diagonal + usize::from(ca != cb);
            diagonal = row[j + 1];
            row[j + 1] = substitute.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.chars().count()]
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert!(Config::resolve(raw).unwrap().face_min_score.is_some());
    }

    #[test]
    fn quarantine_lies_beside_the_output() {
        let config = Config::resolve(RawConfig::default()).unwrap();
        assert_eq!(config.quarantine_dir_for(Path::new("a/out")), Path::new("a/out.quarantine"));
        assert_eq!(config.quarantine_dir_for(Path::new("a/out/")), Path::new("a/out.quarantine"));
    }

    #[test]
    fn distances_are_small_for_typing_errors() {
        assert_eq!(edit_distance("max_megapixel", "max_megapixels"), 1);
        assert_eq!(edit_distance("", "abc"), 3);
    }
}
