//! What all photos of a run share: the library, the models, the limits and the destinations.

use std::path::{Path, PathBuf};

use crate::{
    config::Config,
    detect::{ArmedDetector, Class, MANIFEST_FILE, Manifest, Runtime, VerifiedModel},
    error::FatalError,
};

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

    /// A session of every model, for one thread.
    ///
    /// # Errors
    /// If a model or an execution provider cannot be used.
    pub fn detectors(&self, config: &Config) -> Result<Vec<ArmedDetector>, FatalError> {
        self.models
            .iter()
            .map(|model| {
                let (min_object_px, min_score) = match model.spec.class {
                    Class::Face => (config.min_face_px, config.face_min_score),
                    Class::Plate => (config.min_plate_px, config.plate_min_score),
                };
                let min_score = min_score.unwrap_or(model.spec.min_score);
                let detector = self.runtime.detector(model, &config.execution_providers, min_score)?;
                Ok(ArmedDetector { detector: Box::new(detector), min_object_px })
            })
            .collect()
    }
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
