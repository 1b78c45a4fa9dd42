//! The whole path of one photo, as in production, with everything kept that is worth measuring.

use std::{sync::Arc, time::Duration};

use super::scene::Scene;
use crate::{
    config::Config,
    cpu::{CoreGate, CpuPool},
    detect::{Class, Detection, DetectionReport, DetectorPool, SharedPhoto, Wanted},
    error::{ErrorCode, FatalError, PhotoError, PhotoResult, Stage},
    geometry::{Rect, Size},
    photo::{self, Limits},
    pipeline::{Engine, Policy, StageClock},
    redact::{Receipt, SourceFacts, plan_regions, redact},
    telemetry::Metrics,
};

/// Curves begin at this score. Below, a detector answers with thousands of candidates that no threshold lets through.
pub(super) const CURVE_MIN_SCORE: f32 = 0.1;

/// Models, threads and policy for evaluation.
pub struct Evaluator {
    detectors: DetectorPool,
    cpu: Arc<CpuPool>,
    policy: Policy,
    limits: Limits,
}

/// What became of a scene.
pub struct Looked {
    pub size: Size,
    /// What was found and obscured.
    pub detections: Vec<Detection>,
    /// What was obscured for each class, enlarged by policy and aligned to coding blocks.
    pub regions: Vec<(Class, Vec<Rect>)>,
    pub receipt: Receipt,
    /// CPU seconds by stage.
    pub cpu: Vec<(Stage, Duration)>,
    report: DetectionReport,
}

impl Evaluator {
    /// Load and start what `config` asks for, looking for `classes`.
    ///
    /// # Errors
    /// As [`Engine::start`] and [`Engine::detectors`].
    pub fn start(config: &Config, classes: &[Class]) -> Result<Self, FatalError> {
        let engine = Engine::start(config)?;
        let policy =
            engine.policy(config, config.redaction, Wanted { classes: classes.to_vec(), ..config.wanted.clone() });
        let gate = CoreGate::new(config.worker_count());
        let metrics = Arc::new(Metrics::new(&engine.model_names()));
        let lowest = |score: Option<f32>| Some(score.unwrap_or(CURVE_MIN_SCORE).min(CURVE_MIN_SCORE));
        let answering = Config {
            face_min_score: lowest(config.face_min_score),
            plate_min_score: lowest(config.plate_min_score),
            text_min_score: lowest(config.text_min_score),
            ..config.clone()
        };
        Ok(Self {
            detectors: engine.detectors(&answering, &gate, &metrics)?,
            cpu: Arc::new(CpuPool::start(&gate)?),
            policy,
            limits: config.limits,
        })
    }

    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Lead a scene through open, detect, redact, encode and verify. Nothing is written.
    ///
    /// # Errors
    /// Why it would not have been published.
    pub async fn look(&self, scene: &Scene) -> PhotoResult<Looked> {
        let mut clock = StageClock::of_process_cpu();
        let (header, photo) = clock.run(Stage::Open, || {
            let header = photo::read_header(&scene.bytes, &self.limits)?;
            Ok((header, photo::open(&scene.bytes, &self.limits)?))
        })?;
        let photo: SharedPhoto = Arc::new(photo);
        let Policy { redaction, wanted, maker, .. } = &self.policy;
        let looking = self.detectors.detect(&photo, redaction, wanted, &self.cpu);
        let report = clock.follow(Stage::Detect, Duration::MAX, looking).await?;
        let photo = Arc::into_inner(photo).ok_or_else(|| {
            PhotoError::new(Stage::Redact, ErrorCode::InternalError, "a detector still looks at the photo")
        })?;
        let size = photo.upright_size();
        let regions = wanted
            .classes
            .iter()
            .map(|&class| {
                let of_class: Vec<_> =
                    report.detections().iter().copied().filter(|found| found.class == class).collect();
                let planned = plan_regions(&of_class, redaction, size, |rect| photo.align(rect));
                (class, planned.into_iter().map(|region| region.rect).collect())
            })
            .collect();
        let source = SourceFacts {
            sha256: String::new(),
            bytes: scene.bytes.len() as u64,
            format: header.format,
            width: size.width,
            height: size.height,
        };
        let redacted = redact(photo, source, &report, redaction, maker, &self.limits, &mut clock)?;
        Ok(Looked {
            size,
            detections: report.detections().to_vec(),
            regions,
            receipt: redacted.into_receipt(),
            cpu: clock.spent().to_vec(),
            report,
        })
    }
}

impl Looked {
    /// What of `class` would have been found from `min_score`.
    pub(super) fn found_from(&self, policy: &Policy, class: Class, min_score: f32) -> Vec<Detection> {
        let score = Some(min_score);
        let wanted = Wanted {
            classes: vec![class],
            face_min_score: score,
            plate_min_score: score,
            text_min_score: score,
            areas: policy.wanted.areas.clone(),
        };
        self.report.as_wanted(&policy.redaction, &wanted)
    }
}
