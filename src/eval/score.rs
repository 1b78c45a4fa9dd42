//! The result of an evaluation, as it is written to JSON. All shares are 0 to 1; sizes are in pixels.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    bootstrap::Interval,
    curve::{Curve, ThresholdPoint},
};
use crate::{detect::Class, error::ErrorCode};

/// A value and its interval of 95 %.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Measured {
    pub value: f64,
    pub interval: Interval,
}

/// How a set was covered.
#[derive(Clone, Debug, Serialize)]
pub struct Score {
    /// Files that were shown: photos, or canvases.
    pub scenes: usize,
    /// Photos of the set on them.
    pub photos: usize,
    /// Scenes that would not have been published. They count nowhere else.
    pub failed: Vec<Failure>,
    /// Names models, thresholds, policy and version.
    pub pipeline: String,
    pub classes: Vec<ClassScore>,
    /// Share of all pixels that was redacted.
    pub redacted_share: Option<Measured>,
    /// Redacted area divided by the true boxes enlarged by policy, on scenes that have some.
    pub area_ratio: Option<Measured>,
    pub views_per_photo: f64,
    /// Pixels that the models looked at, in megapixels.
    pub megapixels_viewed_per_photo: f64,
    pub cpu_s_per_photo: CpuSeconds,
}

/// A scene that would not have been published.
#[derive(Clone, Debug, Serialize)]
pub struct Failure {
    pub name: String,
    pub code: ErrorCode,
    pub detail: String,
}

/// How one class was covered.
#[derive(Clone, Debug, Serialize)]
pub struct ClassScore {
    pub class: Class,
    /// What the bands are of: height or width.
    pub size: &'static str,
    pub bands: Vec<BandScore>,
    /// Detections that touch no true box.
    pub false_boxes_per_photo: Option<Measured>,
    /// As in [`Score`], for what was redacted because of this class.
    pub redacted_share: Option<Measured>,
    pub area_ratio: Option<Measured>,
    pub curve: Curve,
    pub thresholds: Vec<ThresholdPoint>,
}

/// True boxes of one range of sizes. A value is missing where there are no boxes.
#[derive(Clone, Debug, Serialize)]
pub struct BandScore {
    pub band: &'static str,
    pub boxes: usize,
    /// Share of boxes of which at least 90 % of the area lies under the redacted area.
    pub coverage: Option<Measured>,
    /// Share of boxes that a detection overlaps by an IoU of at least .5.
    pub recall: Option<Measured>,
    /// Detections of this size that touch no true box.
    pub false_boxes_per_photo: Option<Measured>,
}

/// CPU seconds of all threads.
#[derive(Clone, Debug, Serialize)]
pub struct CpuSeconds {
    pub by_stage: BTreeMap<String, Measured>,
    pub total: Option<Measured>,
}
