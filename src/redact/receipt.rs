//! The record of what was done to one photo. Boxes are in upright pixels.

use std::collections::BTreeMap;

use serde::Serialize;

use super::style::Style;
use crate::{detect::Class, geometry::Rect, photo::Format};

/// Version of the receipt's layout.
pub const RECEIPT_SCHEMA: u32 = 1;

#[derive(Clone, Debug, Serialize)]
pub struct Receipt {
    pub schema: u32,
    /// Names everything that decides about the result: models, thresholds, policy, version. Equal names and equal
    /// sources give equal results.
    pub pipeline: String,
    pub source: SourceFacts,
    /// What the detectors found.
    pub regions: Vec<DetectedRegion>,
    /// Exactly what was changed.
    pub redacted: Vec<RedactedRegion>,
    pub models: Vec<ModelFacts>,
    pub views: ViewFacts,
    /// Milliseconds of wall time by stage.
    pub timings_ms: BTreeMap<String, f64>,
    pub output: OutputFacts,
}

#[derive(Clone, Debug, Serialize)]
pub struct SourceFacts {
    pub sha256: String,
    pub bytes: u64,
    pub format: Format,
    pub width: u32,
    pub height: u32,
}

#[derive(Clone, Debug, Serialize)]
pub struct DetectedRegion {
    pub class: Class,
    #[serde(flatten)]
    pub rect: Rect,
    pub score: f32,
}

#[derive(Clone, Debug, Serialize)]
pub struct RedactedRegion {
    #[serde(flatten)]
    pub rect: Rect,
    pub style: Style,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ModelFacts {
    pub name: String,
    pub sha256: String,
}

/// What the detectors looked at.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct ViewFacts {
    pub count: u32,
    pub megapixels: f64,
    /// The share of the photo that was looked at with the detail that the smallest object needs: 1 where that was done
    /// everywhere, for the class for which it is least.
    pub full_share: f64,
}

#[derive(Clone, Debug, Serialize)]
pub struct OutputFacts {
    pub sha256: String,
    pub bytes: u64,
    pub format: Format,
}
