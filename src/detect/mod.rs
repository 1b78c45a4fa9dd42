//! Finding faces and plates: which views to look at, running the models, and uniting what they found.
//!
//! Detectors run on threads of a [`DetectorPool`]. A [`DetectionReport`] can only be made from an answer of every required detector for every view of its plan.
//! "Nothing found" is therefore an answer, never a gap.

mod areas;
mod batch;
mod centerface;
mod collect;
mod drawing;
mod families;
mod focus;
mod input;
mod known;
mod manifest;
mod merge;
mod pool;
mod report;
mod session;
mod shapes;
#[cfg(feature = "failpoints")]
mod stub;
mod views;
mod wanted;
mod yunet;

use std::fmt;

use serde::{Deserialize, Serialize};

#[cfg(feature = "failpoints")]
pub use self::stub::StubDetector;
pub use self::{
    areas::{Areas, Polygon},
    families::Family,
    focus::Focus,
    known::{KnownObject, check_health, known_object},
    manifest::{ChannelOrder, InputSpec, MANIFEST_FILE, Manifest, ModelSpec, VerifiedModel},
    pool::{DetectorPool, ModelSet, PoolOptions, SharedPhoto},
    report::DetectionReport,
    session::{ExecutionProvider, OrtDetector, Runtime, TELEMETRY_SWITCH, is_telemetry_off},
    views::{View, ViewNeeds, plan_views},
    wanted::Wanted,
};
use crate::{
    error::PhotoResult,
    geometry::{BoxF, Size},
    photo::RgbView,
};

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    Face,
    Plate,
    /// Writing of any kind: screens, name badges, documents. Only where a model for it is configured.
    Text,
}

impl Class {
    /// The classes that every photo is checked for.
    pub const REQUIRED: [Self; 2] = [Self::Face, Self::Plate];
    pub const ALL: [Self; 3] = [Self::Face, Self::Plate, Self::Text];
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Face => "face",
            Self::Plate => "plate",
            Self::Text => "text",
        })
    }
}

/// A box and its score, 0 to 1, in whatever coordinates the context says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    pub class: Class,
    pub area: BoxF,
    pub score: f32,
}

/// Something found, in upright photo pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detection {
    pub class: Class,
    pub area: BoxF,
    pub score: f32,
}

/// A model that can look at views. Synchronous, one thread at a time.
pub trait Detector: Send {
    fn spec(&self) -> &ModelSpec;

    /// Look at views of one size; one list of candidates a view, in view pixels, of all that score at least `min_score`.
    ///
    /// # Errors
    /// `detector_failed`, `detector_overflow`: anything but a complete answer.
    fn detect(&mut self, batch: &[RgbView], min_score: f32) -> PhotoResult<Vec<Vec<Candidate>>>;

    /// Whether it finds nothing whatever it is shown, so that nothing need be shown to it: a stand-in, for benches.
    fn is_blind(&self) -> bool {
        false
    }

    /// Run every shape that will come once, so that no photo waits while an accelerator prepares for it.
    ///
    /// # Errors
    /// As [`Detector::detect`].
    fn warm_up(&mut self) -> PhotoResult<()> {
        Ok(())
    }

    /// From the size of a view to the size of the tensor that it goes into. Views of one batch go into equal ones.
    fn bucket(&self) -> Box<dyn Fn(Size) -> Size + Send + Sync> {
        Box::new(|view| view)
    }
}

/// A model of no file, for tests.
#[cfg(test)]
fn fake_spec(class: Class) -> ModelSpec {
    ModelSpec {
        name: format!("fake {class}"),
        class,
        labels: Vec::new(),
        optional: false,
        known_object: true,
        family: Family::Yunet,
        file: std::path::PathBuf::new(),
        sha256: "00".into(),
        licence: String::new(),
        source: String::new(),
        training_data: String::new(),
        min_score: 0.5,
        min_object_px: 20.0,
        tile_px: 640,
        overlap_px: 96,
        focus: None,
        input: InputSpec::bytes(ChannelOrder::Rgb, 32, 0),
        measured: String::new(),
    }
}
