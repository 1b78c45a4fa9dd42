//! The record of what was done to one photo. Boxes are in upright pixels. Nothing in it names a person, a tenant or a file.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Serialize, Serializer};

use super::{plan::RedactionPolicy, style::Style};
use crate::{detect::Class, geometry::Rect, photo::Format};

/// What the document is.
pub const RECEIPT_KIND: &str = "obscura.receipt";
/// Version of the receipt's layout. The first had no kind, version, region, thresholds, policy and times.
pub const RECEIPT_SCHEMA: u32 = 2;

#[derive(Clone, Debug, Serialize)]
pub struct Receipt {
    pub kind: &'static str,
    pub schema: u32,
    /// Who made the result, and how.
    #[serde(flatten)]
    pub maker: Maker,
    pub policy: RedactionPolicy,
    pub source: SourceFacts,
    /// What the detectors found.
    pub regions: Vec<DetectedRegion>,
    /// Exactly what was changed.
    pub redacted: Vec<RedactedRegion>,
    pub models: Vec<ModelFacts>,
    pub views: ViewFacts,
    /// Milliseconds of wall time by stage.
    pub timings_ms: BTreeMap<String, f64>,
    pub times: Times,
    pub output: OutputFacts,
}

/// Who makes results, and how.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Maker {
    /// Names everything that decides about the result: models, thresholds, policy, version. Equal names and equal
    /// sources give equal results.
    pub pipeline: String,
    /// Of Obscura.
    pub version: &'static str,
    /// The worker's; none for files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    pub thresholds: Vec<Threshold>,
}

/// What was looked for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Threshold {
    pub class: Class,
    /// Lowest score that counts.
    pub min_score: f32,
    /// Height of the smallest face, width of the smallest plate, in upright pixels.
    pub min_object_px: f32,
}

/// When the photo was taken up, and when its result was verified.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Times {
    #[serde(serialize_with = "rfc_3339")]
    pub started: DateTime<Utc>,
    #[serde(serialize_with = "rfc_3339")]
    pub finished: DateTime<Utc>,
}

fn rfc_3339<S: Serializer>(time: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time.to_rfc3339_opts(SecondsFormat::Millis, true))
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
