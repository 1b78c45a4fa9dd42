//! A detector that costs nothing, not even the views that it would be shown, for measuring everything else. Compiled in with the feature `failpoints` only.

use super::{Candidate, Class, Detector, ModelSpec, known_object};
use crate::{error::PhotoResult, photo::RgbView};

/// Sees the known object, so that it passes its check, and nothing else.
pub struct StubDetector {
    spec: ModelSpec,
}

impl StubDetector {
    #[must_use]
    pub fn new(spec: ModelSpec) -> Self {
        Self { spec }
    }

    fn class(&self) -> Class {
        self.spec.class
    }
}

impl Detector for StubDetector {
    fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    fn detect(&mut self, batch: &[RgbView], _min_score: f32) -> PhotoResult<Vec<Vec<Candidate>>> {
        let is_known = |view: &RgbView| {
            let known = known_object(self.class());
            let is_it = view.size == known.picture.size && view.rgb == known.picture.rgb;
            is_it.then_some(Candidate { class: self.class(), area: known.area, score: 0.9 })
        };
        Ok(batch.iter().map(|view| is_known(view).into_iter().collect()).collect())
    }

    fn is_blind(&self) -> bool {
        true
    }
}
