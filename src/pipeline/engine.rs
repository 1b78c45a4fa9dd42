//! What all photos of a run share: the library, the models, the limits and the destinations.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    config::Config,
    cpu::CoreGate,
    detect::{
        Class, Detector, DetectorPool, ExecutionProvider, MANIFEST_FILE, Manifest, ModelSet, ModelSpec, PoolOptions,
        Runtime, VerifiedModel,
    },
    error::FatalError,
    redact::sha256_hex,
    telemetry::Metrics,
};

/// Views that an accelerator takes at once, unless the config says otherwise.
const ACCELERATOR_BATCH: usize = 16;

/// Loaded and verified, ready to make detectors.
pub struct Engine {
    runtime: Runtime,
    models: Vec<VerifiedModel>,
}

impl Engine {
    /// Load ONNX Runtime and every required model.
    ///
    /// # Errors
    /// If anything is missing or not what the manifest says.
    pub fn start(config: &Config) -> Result<Self, FatalError> {
        let manifest = Manifest::load(&models_dir(config)?)?;
        let models = Class::REQUIRED
            .into_iter()
            .map(|class| manifest.read_verified(manifest.model_for(class)?))
            .collect::<Result<_, _>>()?;
        let runtime = Runtime::load(&onnxruntime_library(config)?)?;
        Ok(Self { runtime, models })
    }

    #[must_use]
    pub fn model_names(&self) -> Vec<String> {
        self.models.iter().map(|model| model.spec.name.clone()).collect()
    }

    /// Threads with a session of every model, warmed up and checked. On the cores there is one thread a core for each
    /// model; an accelerator gets one thread a model and larger batches.
    ///
    /// # Errors
    /// If a model or an execution provider cannot be used, or does not find what it must.
    pub fn detectors(
        &self,
        config: &Config,
        gate: &Arc<CoreGate>,
        metrics: &Arc<Metrics>,
    ) -> Result<DetectorPool, FatalError> {
        let on_cores = config.execution_providers.first() == Some(&ExecutionProvider::Cpu);
        let (sessions, auto_batch) = if on_cores { (gate.cores(), 1) } else { (1, ACCELERATOR_BATCH) };
        let max_batch = if config.worker.max_batch == 0 { auto_batch } else { config.worker.max_batch };
        let sets = self
            .models
            .iter()
            .map(|model| {
                let (min_object_px, min_score) = needs(config, &model.spec);
                // All sessions before the first photo: a missing execution provider must not be found out halfway.
                let detectors = (0..sessions)
                    .map(|_| {
                        let detector =
                            self.runtime.detector(model, &config.execution_providers, min_score, max_batch)?;
                        Ok(Box::new(detector) as Box<dyn Detector>)
                    })
                    .collect::<Result<_, FatalError>>()?;
                Ok(ModelSet { detectors, min_object_px, on_cores })
            })
            .collect::<Result<_, FatalError>>()?;
        let options = PoolOptions {
            max_batch,
            max_delay: config.worker.max_queue_delay,
            health_interval: config.worker.health_interval,
        };
        DetectorPool::start(sets, options, gate, metrics)
    }

    /// Names everything that decides about a result: equal names and equal sources give equal results.
    #[must_use]
    pub fn pipeline_id(&self, config: &Config) -> String {
        let models: Vec<_> = self
            .models
            .iter()
            .map(|model| {
                let (min_object_px, min_score) = needs(config, &model.spec);
                format!("{} {min_object_px} {min_score}", model.spec.sha256)
            })
            .collect();
        let deciding = format!("{} {models:?} {:?}", env!("CARGO_PKG_VERSION"), config.redaction);
        sha256_hex(deciding.as_bytes())[..16].to_owned()
    }
}

/// The smallest object to be found and the lowest score that counts.
fn needs(config: &Config, spec: &ModelSpec) -> (f32, f32) {
    let (min_object_px, min_score) = match spec.class {
        Class::Face => (config.min_face_px, config.face_min_score),
        Class::Plate => (config.min_plate_px, config.plate_min_score),
    };
    (min_object_px, min_score.unwrap_or(spec.min_score))
}

/// The folder of the models: as configured, or found from the program's place.
///
/// # Errors
/// If there is none.
pub fn models_dir(config: &Config) -> Result<PathBuf, FatalError> {
    let places = ["models", "share/obscura/models"];
    config.models_dir.clone().or_else(|| beside_program(&places, |dir| dir.join(MANIFEST_FILE).is_file())).ok_or_else(
        || {
            FatalError::new(
                "found no models beside the program",
                "set `models.dir` (or OBSCURA_MODELS_DIR) to the folder that holds `manifest.toml`",
            )
        },
    )
}

/// The ONNX Runtime library: as configured, or found from the program's place.
///
/// # Errors
/// If there is none.
pub fn onnxruntime_library(config: &Config) -> Result<PathBuf, FatalError> {
    let places = [".setup/onnxruntime/libonnxruntime.so", "lib/libonnxruntime.so", "libonnxruntime.so"];
    config.onnxruntime_library.clone().or_else(|| beside_program(&places, Path::is_file)).ok_or_else(|| {
        FatalError::new(
            "found no ONNX Runtime library beside the program",
            "run `make setup`, or set `models.onnxruntime_library` (or OBSCURA_ONNXRUNTIME_LIBRARY)",
        )
    })
}

/// Look in the program's folder and those above it: `bin/../lib`, or a build folder inside the source tree.
fn beside_program(places: &[&str], is_it: impl Fn(&Path) -> bool) -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?.canonicalize().ok()?;
    let above = program.ancestors().skip(1).take(4);
    above.flat_map(|dir| places.iter().map(|place| dir.join(place))).find(|path| is_it(path))
}
