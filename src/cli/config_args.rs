//! The flags that stand for config keys. Each is also an environment variable; flags go before variables, variables
//! before the config file, the file before the defaults.

use std::path::PathBuf;

use clap::{ArgAction, Args};
use obscura::{
    config::{Config, ConfigProblem, RawConfig, read_file},
    detect::ExecutionProvider,
    redact::Style,
};

use super::worker_args::WorkerArgs;

#[derive(Clone, Debug, Default, Args)]
pub struct ConfigArgs {
    /// Config file in TOML; `obscura check` prints all keys
    #[arg(long, env = "OBSCURA_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Folder for redacted photos [key: output.dir]
    #[arg(long = "out", short, env = "OBSCURA_OUT", value_name = "DIR")]
    pub out: Option<PathBuf>,

    /// Write <name>.receipt.json beside every photo [key: output.receipts]
    #[arg(long, env = "OBSCURA_RECEIPTS", num_args = 0..=1, require_equals = true, default_missing_value = "true", action = ArgAction::Set)]
    pub receipts: Option<bool>,

    /// Sign receipts with this Ed25519 private key in PEM [key: receipts.key_file]
    #[arg(long, env = "OBSCURA_RECEIPT_KEY_FILE", value_name = "FILE")]
    pub receipt_key_file: Option<PathBuf>,

    /// Print one JSON object a photo, and one for the summary, to standard output [key: output.json]
    #[arg(long, env = "OBSCURA_JSON", num_args = 0..=1, require_equals = true, default_missing_value = "true", action = ArgAction::Set)]
    pub json: Option<bool>,

    /// Style for faces and plates alike [keys: redact.face_style, redact.plate_style]
    #[arg(long, env = "OBSCURA_STYLE", help_heading = "Redaction")]
    pub style: Option<Style>,

    /// Style for faces, before --style [key: redact.face_style]
    #[arg(long, env = "OBSCURA_FACE_STYLE", value_name = "STYLE", help_heading = "Redaction")]
    pub face_style: Option<Style>,

    /// Cells of colour on the longer side of a face's region [key: redact.face_cells]
    #[arg(long, env = "OBSCURA_FACE_CELLS", value_name = "N", help_heading = "Redaction")]
    pub face_cells: Option<u32>,

    /// Share by which a face's box grows [key: redact.face_enlarge]
    #[arg(long, env = "OBSCURA_FACE_ENLARGE", value_name = "SHARE", help_heading = "Redaction")]
    pub face_enlarge: Option<f32>,

    /// Style for plates, before --style [key: redact.plate_style]
    #[arg(long, env = "OBSCURA_PLATE_STYLE", value_name = "STYLE", help_heading = "Redaction")]
    pub plate_style: Option<Style>,

    /// Cells of colour on the longer side of a plate's region [key: redact.plate_cells]
    #[arg(long, env = "OBSCURA_PLATE_CELLS", value_name = "N", help_heading = "Redaction")]
    pub plate_cells: Option<u32>,

    /// Share by which a plate's box grows in width [key: redact.plate_enlarge_x]
    #[arg(long, env = "OBSCURA_PLATE_ENLARGE_X", value_name = "SHARE", help_heading = "Redaction")]
    pub plate_enlarge_x: Option<f32>,

    /// Share by which a plate's box grows in height [key: redact.plate_enlarge_y]
    #[arg(long, env = "OBSCURA_PLATE_ENLARGE_Y", value_name = "SHARE", help_heading = "Redaction")]
    pub plate_enlarge_y: Option<f32>,

    /// Height of the smallest face to be found, in photo pixels [key: detect.min_face_px]
    #[arg(long, env = "OBSCURA_MIN_FACE_PX", value_name = "PX", help_heading = "Detection")]
    pub min_face_px: Option<f32>,

    /// Width of the smallest plate to be found, in photo pixels [key: detect.min_plate_px]
    #[arg(long, env = "OBSCURA_MIN_PLATE_PX", value_name = "PX", help_heading = "Detection")]
    pub min_plate_px: Option<f32>,

    /// Lowest score of a face, instead of the model's own [key: detect.face_min_score]
    #[arg(long, env = "OBSCURA_FACE_MIN_SCORE", value_name = "SCORE", help_heading = "Detection")]
    pub face_min_score: Option<f32>,

    /// Lowest score of a plate, instead of the model's own [key: detect.plate_min_score]
    #[arg(long, env = "OBSCURA_PLATE_MIN_SCORE", value_name = "SCORE", help_heading = "Detection")]
    pub plate_min_score: Option<f32>,

    /// Look at the whole photo in full resolution, rather than where coarser views show signs [key: detect.exhaustive]
    #[arg(long, env = "OBSCURA_EXHAUSTIVE", num_args = 0..=1, require_equals = true, default_missing_value = "true", action = ArgAction::Set, help_heading = "Detection")]
    pub exhaustive: Option<bool>,

    /// Refuse a photo of which models would have to look at more, all views together; 0 for no limit [key: detect.max_view_megapixels]
    #[arg(long, env = "OBSCURA_MAX_VIEW_MEGAPIXELS", value_name = "N", help_heading = "Detection")]
    pub max_view_megapixels: Option<u64>,

    /// Where inference runs, in order of preference; a missing one is fatal [key: detect.execution_providers]
    #[arg(
        long,
        env = "OBSCURA_EXECUTION_PROVIDERS",
        value_delimiter = ',',
        value_name = "LIST",
        help_heading = "Detection"
    )]
    pub execution_providers: Option<Vec<ExecutionProvider>>,

    /// Folder with manifest.toml and the model files [key: models.dir]
    #[arg(long, env = "OBSCURA_MODELS_DIR", value_name = "DIR", help_heading = "Detection")]
    pub models_dir: Option<PathBuf>,

    /// The model that finds faces, by its name in the manifest: `obscura models list` [key: models.face]
    #[arg(long, env = "OBSCURA_FACE_MODEL", value_name = "NAME", help_heading = "Detection")]
    pub face_model: Option<String>,

    /// The model that finds plates, by its name in the manifest [key: models.plate]
    #[arg(long, env = "OBSCURA_PLATE_MODEL", value_name = "NAME", help_heading = "Detection")]
    pub plate_model: Option<String>,

    /// The ONNX Runtime library [key: models.onnxruntime_library]
    #[arg(long, env = "OBSCURA_ONNXRUNTIME_LIBRARY", value_name = "FILE", help_heading = "Detection")]
    pub onnxruntime_library: Option<PathBuf>,

    /// Views in a batch; 0 leaves it to the execution provider [key: detect.max_batch]
    #[arg(long, env = "OBSCURA_MAX_BATCH", value_name = "N", help_heading = "Detection")]
    pub max_batch: Option<usize>,

    /// How long a view waits for others to fill its batch [key: detect.max_queue_delay_ms]
    #[arg(long, env = "OBSCURA_MAX_QUEUE_DELAY_MS", value_name = "MS", help_heading = "Detection")]
    pub max_queue_delay_ms: Option<u64>,

    /// How often each session must find a known object [key: detect.health_check_s]
    #[arg(long, env = "OBSCURA_HEALTH_CHECK_S", value_name = "S", help_heading = "Detection")]
    pub health_check_s: Option<u64>,

    /// Cores to compute on; 0 is all [key: budget.threads]
    #[arg(long, env = "OBSCURA_THREADS", value_name = "N", help_heading = "Limits")]
    pub threads: Option<usize>,

    /// Decoded pixels of all photos in work, in MiB [key: budget.decoded_mib]
    #[arg(long, env = "OBSCURA_DECODED_MIB", value_name = "MIB", help_heading = "Limits")]
    pub decoded_mib: Option<u64>,

    /// Files of all photos that are read and their results, in MiB; 0 is 32 a thread [key: budget.encoded_mib]
    #[arg(long, env = "OBSCURA_ENCODED_MIB", value_name = "MIB", help_heading = "Limits")]
    pub encoded_mib: Option<u64>,

    /// Largest file, in MiB [key: limits.max_encoded_mib]
    #[arg(long, env = "OBSCURA_MAX_ENCODED_MIB", value_name = "MIB", help_heading = "Limits")]
    pub max_encoded_mib: Option<u64>,

    /// Largest photo, in megapixels [key: limits.max_megapixels]
    #[arg(long, env = "OBSCURA_MAX_MEGAPIXELS", value_name = "MP", help_heading = "Limits")]
    pub max_megapixels: Option<u64>,

    /// Longest side of a photo, in pixels [key: limits.max_side_px]
    #[arg(long, env = "OBSCURA_MAX_SIDE_PX", value_name = "PX", help_heading = "Limits")]
    pub max_side_px: Option<u32>,

    /// Folder for records of photos that failed [key: quarantine.dir] [default: <out>.quarantine]
    #[arg(long, env = "OBSCURA_QUARANTINE_DIR", value_name = "DIR", help_heading = "Quarantine")]
    pub quarantine_dir: Option<PathBuf>,

    /// Also keep the clear file of a photo that failed [key: quarantine.keep_original]
    #[arg(long, env = "OBSCURA_KEEP_ORIGINAL", num_args = 0..=1, require_equals = true, default_missing_value = "true", action = ArgAction::Set, help_heading = "Quarantine")]
    pub keep_original: Option<bool>,
}

impl ConfigArgs {
    /// The effective configuration.
    ///
    /// # Errors
    /// All mistakes of the file, the variables and the flags.
    pub fn resolve(self) -> Result<Config, Vec<ConfigProblem>> {
        self.resolve_with(WorkerArgs::default())
    }

    /// The effective configuration, with the flags of a worker.
    ///
    /// # Errors
    /// All mistakes of the file, the variables and the flags.
    pub fn resolve_with(self, worker: WorkerArgs) -> Result<Config, Vec<ConfigProblem>> {
        let mut raw = match &self.config {
            Some(path) => read_file(path).map_err(|problem| vec![problem])?,
            None => RawConfig::default(),
        };
        self.apply(&mut raw);
        worker.apply(&mut raw);
        Config::resolve(raw)
    }

    fn apply(self, raw: &mut RawConfig) {
        raw.output.dir.set(self.out);
        raw.output.receipts.set(self.receipts);
        raw.receipts.key_file.set(self.receipt_key_file);
        raw.output.json.set(self.json);
        raw.limits.max_encoded_mib.set(self.max_encoded_mib);
        raw.limits.max_megapixels.set(self.max_megapixels);
        raw.limits.max_side_px.set(self.max_side_px);
        raw.budget.decoded_mib.set(self.decoded_mib);
        raw.budget.threads.set(self.threads);
        raw.models.dir.set(self.models_dir);
        raw.models.face.set(self.face_model);
        raw.models.plate.set(self.plate_model);
        raw.models.onnxruntime_library.set(self.onnxruntime_library);
        raw.detect.min_face_px.set(self.min_face_px);
        raw.detect.min_plate_px.set(self.min_plate_px);
        raw.detect.face_min_score.set(self.face_min_score);
        raw.detect.plate_min_score.set(self.plate_min_score);
        raw.detect.exhaustive.set(self.exhaustive);
        raw.detect.max_view_megapixels.set(self.max_view_megapixels);
        raw.detect.execution_providers.set(self.execution_providers);
        raw.detect.max_batch.set(self.max_batch);
        raw.detect.max_queue_delay_ms.set(self.max_queue_delay_ms);
        raw.detect.health_check_s.set(self.health_check_s);
        raw.budget.encoded_mib.set(self.encoded_mib);
        raw.redact.face_style.set(self.face_style.or(self.style));
        raw.redact.face_cells.set(self.face_cells);
        raw.redact.face_enlarge.set(self.face_enlarge);
        raw.redact.plate_style.set(self.plate_style.or(self.style));
        raw.redact.plate_cells.set(self.plate_cells);
        raw.redact.plate_enlarge_x.set(self.plate_enlarge_x);
        raw.redact.plate_enlarge_y.set(self.plate_enlarge_y);
        raw.quarantine.dir.set(self.quarantine_dir);
        raw.quarantine.keep_original.set(self.keep_original);
    }
}
