//! A second, slower look at a sample of the photos, so that it is known how much the first one misses.
//!
//! Which photos are looked at twice depends on their bytes alone. A second look that fails is no photo's failure: it is
//! logged, and the photo does not count as checked.

use std::{sync::Arc, time::Duration};

use super::Policy;
use crate::{
    config::ShadowConfig,
    cpu::CpuPool,
    detect::{Class, Detection, DetectorPool, SharedPhoto, Wanted},
    error::{ErrorCode, PhotoError, PhotoResult, Stage},
    geometry::{BoxF, covered_share},
    redact::{ModelFacts, RedactionPolicy},
};

/// What the second look finds was missed unless so much of its box is obscured.
const COVERED: f64 = 0.9;

/// The second detector, and which photos it looks at.
pub(super) struct Shadow {
    detectors: DetectorPool,
    classes: Vec<Class>,
    model: ModelFacts,
    sample: f64,
    redact_again: bool,
    limit: Duration,
}

/// What the first look missed.
pub(super) struct Missed {
    pub(super) detections: Vec<Detection>,
    pub(super) model: ModelFacts,
}

impl Shadow {
    pub(super) fn new(
        config: &ShadowConfig,
        detectors: DetectorPool,
        classes: Vec<Class>,
        model: ModelFacts,
        limit: Duration,
    ) -> Self {
        Self { detectors, classes, model, sample: config.sample, redact_again: config.redact_again, limit }
    }

    /// Whether what was missed is obscured too, so that the second look comes before publishing.
    pub(super) fn redacts_again(&self) -> bool {
        self.redact_again
    }

    /// Whether the photo with this hash is of the sample.
    pub(super) fn takes(&self, sha256: &str) -> bool {
        is_sampled(sha256, self.sample)
    }

    /// Look at the photo again. None if nothing that the model finds is asked for.
    ///
    /// # Errors
    /// As [`DetectorPool::detect`], and `timed_out`.
    pub(super) async fn look(
        &self,
        photo: &SharedPhoto,
        first: &[Detection],
        policy: &Policy,
        cpu: &Arc<CpuPool>,
    ) -> PhotoResult<Option<Missed>> {
        let classes: Vec<Class> = self.classes.iter().copied().filter(|&class| policy.wanted.wants(class)).collect();
        if classes.is_empty() {
            return Ok(None);
        }
        let wanted = Wanted { classes, areas: policy.wanted.areas.clone(), ..Wanted::default() };
        let looking = self.detectors.detect(photo, &policy.redaction, &wanted, cpu);
        let second = tokio::time::timeout(self.limit, looking).await.map_err(|_| {
            let detail = format!("expected an end of the second look within {} s", self.limit.as_secs());
            PhotoError::new(Stage::Detect, ErrorCode::TimedOut, detail)
        })??;
        let detections = missed(first, second.detections(), &policy.redaction);
        Ok(Some(Missed { detections, model: self.model.clone() }))
    }
}

/// What of `second` is not obscured because of `first`.
fn missed(first: &[Detection], second: &[Detection], policy: &RedactionPolicy) -> Vec<Detection> {
    let obscured: Vec<BoxF> = first
        .iter()
        .map(|found| {
            let class = policy.of(found.class);
            found.area.enlarged(class.enlarge_x, class.enlarge_y)
        })
        .collect();
    second.iter().copied().filter(|found| covered_share(found.area, &obscured) < COVERED).collect()
}

/// The first 13 digits of a hash are a number below 2^52, spread evenly.
fn is_sampled(sha256: &str, sample: f64) -> bool {
    const DIGITS: usize = 13;
    let number = sha256.get(..DIGITS).and_then(|digits| u64::from_str_radix(digits, 16).ok());
    number.is_some_and(|number| (number as f64) < sample * (1u64 << (4 * DIGITS)) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::{ClassPolicy, Style, sha256_hex};

    #[test]
    fn the_sample_is_as_large_as_asked_for_and_always_the_same() {
        let hashes: Vec<String> = (0..4000u32).map(|n| sha256_hex(&n.to_le_bytes())).collect();
        let count = |sample| hashes.iter().filter(|hash| is_sampled(hash, sample)).count();
        assert_eq!((count(0.0), count(1.0)), (0, 4000));
        assert!((300..500).contains(&count(0.1)), "{}", count(0.1));
        assert!(hashes.iter().all(|hash| !is_sampled(hash, 0.1) || is_sampled(hash, 0.2)), "a larger one holds it");
        assert!(!is_sampled("no hash", 1.0));
    }

    #[test]
    fn what_lies_under_an_enlarged_box_was_not_missed() {
        let any = ClassPolicy { style: Style::Solid, cells: 1, enlarge_x: 0.2, enlarge_y: 0.2 };
        let policy = RedactionPolicy { face: any, plate: any, text: any };
        let at = |x0: f32, x1: f32, class| Detection { class, area: BoxF { x0, y0: 0.0, x1, y1: 100.0 }, score: 0.5 };
        let first = [at(0.0, 100.0, Class::Face)];
        let inside = at(10.0, 109.0, Class::Plate);
        let (beside, beyond) = (at(200.0, 220.0, Class::Face), at(60.0, 160.0, Class::Face));
        assert_eq!(missed(&first, &[inside, beside, beyond], &policy), [beside, beyond]);
        assert_eq!(missed(&[], &[inside], &policy), [inside]);
    }
}
