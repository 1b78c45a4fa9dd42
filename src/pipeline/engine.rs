//! What all photos of a run share: the library, the models, the limits and the destinations.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use super::shadow::Shadow;
use crate::{
    config::{Config, UserModel},
    cpu::CoreGate,
    detect::{
        Class, Detector, DetectorPool, ExecutionProvider, MANIFEST_FILE, Manifest, ModelSet, ModelSpec, PoolOptions,
        Runtime, VerifiedModel, Wanted,
    },
    error::FatalError,
    redact::{Maker, ModelFacts, RedactionPolicy, Threshold, sha256_hex},
    telemetry::Metrics,
};

/// Views that an accelerator takes at once, unless the config says otherwise.
const ACCELERATOR_BATCH: usize = 16;

/// Loaded and verified, ready to make detectors.
pub struct Engine {
    runtime: Runtime,
    models: Vec<VerifiedModel>,
    /// For the second look at a sample.
    shadow: Option<VerifiedModel>,
}

impl Engine {
    /// Load ONNX Runtime and every required model.
    ///
    /// # Errors
    /// If anything is missing or not what the manifest says.
    pub fn start(config: &Config) -> Result<Self, FatalError> {
        let manifest = Manifest::load(&models_dir(config)?)?;
        let mut models: Vec<VerifiedModel> = Vec::new();
        for class in Class::REQUIRED {
            let is_replaced = |model: &UserModel| model.replaces && model.spec.classes().contains(&class);
            if !config.user_models.iter().any(is_replaced) {
                let name = if class == Class::Face { &config.face_model } else { &config.plate_model };
                models.push(manifest.read_verified(manifest.model_for(class, name.as_deref())?)?);
            }
        }
        let second = config.shadow.as_ref().map(|shadow| shadow.model.as_str());
        let mut shadow = match second.and_then(|name| manifest.models.iter().find(|model| model.name == name)) {
            Some(spec) => Some(manifest.read_verified(spec)?),
            None => None,
        };
        for model in &config.user_models {
            if second == Some(&model.spec.name) {
                shadow = Some(VerifiedModel::read(&model.spec.file, &model.spec)?);
                continue;
            }
            if models.iter().any(|other| other.spec.name == model.spec.name) {
                return Err(FatalError::new(
                    format!("two models are named `{}`", model.spec.name),
                    "give the one in `user_models` another name",
                ));
            }
            models.push(VerifiedModel::read(&model.spec.file, &model.spec)?);
        }
        if let Some(name) = second.filter(|_| shadow.is_none()) {
            return Err(FatalError::new(
                format!("`shadow.model`: found no model named `{name}`"),
                "name one of the manifest (`obscura models list`) or of `user_models`",
            ));
        }
        let runtime = Runtime::load(&onnxruntime_library(config)?)?;
        Ok(Self { runtime, models, shadow })
    }

    #[must_use]
    pub fn model_names(&self) -> Vec<String> {
        self.models.iter().map(|model| model.spec.name.clone()).collect()
    }

    /// Name and sha256 of every model.
    #[must_use]
    pub fn model_hashes(&self) -> Vec<(String, String)> {
        self.models.iter().map(|model| (model.spec.name.clone(), model.spec.sha256.clone())).collect()
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
        let sessions = if on_cores { gate.cores() } else { 1 };
        let sets = self.sets(&self.models, sessions, config)?;
        DetectorPool::start(sets, pool_options(config), gate, metrics)
    }

    /// The second look, if the config asks for one: one session, so that it takes little memory.
    ///
    /// # Errors
    /// As [`Engine::detectors`].
    pub(super) fn shadow(
        &self,
        config: &Config,
        gate: &Arc<CoreGate>,
        metrics: &Arc<Metrics>,
    ) -> Result<Option<Shadow>, FatalError> {
        let (Some(settings), Some(model)) = (&config.shadow, &self.shadow) else { return Ok(None) };
        // It answers from its own score, whatever the first look is told to pass over.
        let own = Config {
            face_min_score: None,
            plate_min_score: None,
            text_min_score: None,
            max_view_megapixels: None,
            ..config.clone()
        };
        let sets = self.sets(std::slice::from_ref(model), 1, &own)?;
        let detectors = DetectorPool::start_any(sets, pool_options(&own), gate, metrics)?;
        let facts = ModelFacts { name: model.spec.name.clone(), sha256: model.spec.sha256.clone() };
        let limit = config.worker.stage_limits.detect;
        Ok(Some(Shadow::new(settings, detectors, model.spec.classes(), facts, limit)))
    }

    fn sets(&self, models: &[VerifiedModel], sessions: usize, config: &Config) -> Result<Vec<ModelSet>, FatalError> {
        let on_cores = config.execution_providers.first() == Some(&ExecutionProvider::Cpu);
        let max_batch = max_batch(config);
        models
            .iter()
            .map(|model| {
                let min_object_px = smallest_object_px(config, &model.spec);
                let min_score = lowest_score(config, &model.spec);
                // All sessions before the first photo: a missing execution provider must not be found out halfway.
                let detectors = (0..sessions)
                    .map(|_| {
                        #[cfg(feature = "failpoints")]
                        if crate::failpoint::wants_stubs() {
                            return Ok(
                                Box::new(crate::detect::StubDetector::new(model.spec.clone())) as Box<dyn Detector>
                            );
                        }
                        let detector = self.runtime.detector(model, &config.execution_providers, max_batch)?;
                        Ok(Box::new(detector) as Box<dyn Detector>)
                    })
                    .collect::<Result<_, FatalError>>()?;
                Ok(ModelSet { detectors, min_object_px, min_score, exhaustive: config.exhaustive, on_cores })
            })
            .collect()
    }

    /// How photos are looked at and obscured, and the name of all that decides about a result: equal names and equal
    /// sources give equal results.
    #[must_use]
    pub fn policy(&self, config: &Config, redaction: RedactionPolicy, mut wanted: Wanted) -> Policy {
        // Detectors answer from the lowest score that any policy asks for.
        wanted.face_min_score = wanted.face_min_score.or(config.face_min_score);
        wanted.plate_min_score = wanted.plate_min_score.or(config.plate_min_score);
        wanted.text_min_score = wanted.text_min_score.or(config.text_min_score);
        let (models, thresholds): (Vec<_>, Vec<_>) = self
            .models
            .iter()
            .filter(|model| wanted.wants_any(&model.spec.classes()))
            .map(|model| {
                let VerifiedModel { spec, .. } = model;
                let (min_object_px, labels, input) = (smallest_object_px(config, spec), &spec.labels, &spec.input);
                let min_score = wanted.min_score(spec.class).unwrap_or(spec.min_score);
                let focus = spec.focus(lowest_score(config, spec)).filter(|_| !config.exhaustive);
                let (family, needs) = (spec.family, spec.view_needs(min_object_px));
                let named =
                    format!("{} {family:?} {labels:?} {input:?} {needs:?} {} {focus:?}", spec.sha256, spec.min_score);
                (named, Threshold { class: spec.class, min_score, min_object_px })
            })
            .unzip();
        // A second look that only counts decides nothing.
        let second = config.shadow.as_ref().filter(|shadow| shadow.redact_again);
        let second = second.map(|shadow| (shadow, self.shadow.as_ref().map(|model| &model.spec.sha256)));
        let deciding = format!("{} {models:?} {redaction:?} {wanted:?} {second:?}", env!("CARGO_PKG_VERSION"));
        let pipeline = sha256_hex(deciding.as_bytes())[..16].to_owned();
        let region = config.stream.as_ref().map(|stream| stream.region.clone());
        let maker = Maker { pipeline: pipeline.clone(), version: env!("CARGO_PKG_VERSION"), region, thresholds };
        Policy { redaction, wanted, pipeline, maker }
    }
}

/// How photos are looked at and obscured.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    pub redaction: RedactionPolicy,
    pub wanted: Wanted,
    /// Names models, thresholds, policy and version.
    pub pipeline: String,
    /// What receipts tell of all that.
    pub maker: Maker,
}

fn max_batch(config: &Config) -> usize {
    let on_cores = config.execution_providers.first() == Some(&ExecutionProvider::Cpu);
    let automatic = if on_cores { 1 } else { ACCELERATOR_BATCH };
    if config.worker.max_batch == 0 { automatic } else { config.worker.max_batch }
}

fn pool_options(config: &Config) -> PoolOptions {
    PoolOptions {
        max_batch: max_batch(config),
        max_delay: config.worker.max_queue_delay,
        health_interval: config.worker.health_interval,
        max_view_pixels: config.max_view_megapixels.map(|megapixels| megapixels * 1_000_000),
    }
}

/// The smallest object that a model has to find, in photo pixels.
fn smallest_object_px(config: &Config, spec: &ModelSpec) -> f32 {
    spec.classes().into_iter().map(|class| config.min_object_px(class)).fold(f32::INFINITY, f32::min)
}

/// The lowest score that any policy asks of a model.
fn lowest_score(config: &Config, spec: &ModelSpec) -> f32 {
    let of_class = |class: Class| {
        let usual = config.min_score(class).unwrap_or(spec.min_score);
        let routes = config.stream.iter().flat_map(|stream| &stream.routes);
        routes.filter_map(|route| route.wanted.min_score(class)).fold(usual, f32::min)
    };
    spec.classes().into_iter().map(of_class).fold(f32::INFINITY, f32::min)
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
