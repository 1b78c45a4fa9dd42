//! Finding faces and plates: which views to look at, running the models, and uniting what they found.
//!
//! A [`DetectionReport`] can only be made from an answer of every required detector for every view of its plan.
//! "Nothing found" is therefore an answer, never a gap.

mod centerface;
mod drawing;
mod known;
mod manifest;
mod merge;
mod session;
mod views;
mod yunet;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::{
    known::{KnownObject, check_health, known_object},
    manifest::{ChannelOrder, Family, InputSpec, MANIFEST_FILE, Manifest, ModelSpec, VerifiedModel},
    session::{ExecutionProvider, OrtDetector, Runtime},
    views::{View, ViewNeeds, plan_views},
};
use crate::{
    error::{ErrorCode, PhotoError, PhotoResult, Stage},
    geometry::{BoxF, Size},
    photo::{Photo, RgbView},
    redact::{ModelFacts, RedactionPolicy, ViewFacts},
};

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    Face,
    Plate,
}

impl Class {
    /// The classes that every photo is checked for.
    pub const REQUIRED: [Self; 2] = [Self::Face, Self::Plate];
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Face => "face",
            Self::Plate => "plate",
        })
    }
}

/// A box and its score, 0 to 1, in whatever coordinates the context says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
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

    /// Look at views of one size; one list of candidates a view, in view pixels.
    ///
    /// # Errors
    /// `detector_failed`, `detector_overflow`: anything but a complete answer.
    fn detect(&mut self, batch: &[RgbView]) -> PhotoResult<Vec<Vec<Candidate>>>;
}

/// A detector and the smallest object it has to find, in photo pixels.
pub struct ArmedDetector {
    pub detector: Box<dyn Detector>,
    pub min_object_px: f32,
}

/// The answers of all required detectors for one photo.
#[derive(Debug)]
pub struct DetectionReport {
    detections: Vec<Detection>,
    models: Vec<ModelFacts>,
    views: ViewFacts,
}

impl DetectionReport {
    #[must_use]
    pub fn detections(&self) -> &[Detection] {
        &self.detections
    }

    #[must_use]
    pub fn models(&self) -> &[ModelFacts] {
        &self.models
    }

    #[must_use]
    pub fn views(&self) -> ViewFacts {
        self.views
    }
}

/// Run every detector on every view that its plan asks for.
///
/// # Errors
/// `detector_failed` if a class of [`Class::REQUIRED`] has no detector or a detector gives no answer for a view,
/// `detector_overflow` if one reports as many candidates as it may.
pub fn detect_all(
    photo: &dyn Photo,
    detectors: &mut [ArmedDetector],
    policy: &RedactionPolicy,
) -> PhotoResult<DetectionReport> {
    for class in Class::REQUIRED {
        if !detectors.iter().any(|armed| armed.detector.spec().class == class) {
            let detail = format!("no detector for class `{class}`");
            return Err(PhotoError::new(Stage::Detect, ErrorCode::DetectorFailed, detail));
        }
    }
    let mut report = DetectionReport { detections: Vec::new(), models: Vec::new(), views: ViewFacts::default() };
    let renditions = photo.renditions();
    for armed in detectors {
        let spec = armed.detector.spec();
        let class = spec.class;
        let views = plan_views(photo.upright_size(), &spec.view_needs(armed.min_object_px));
        report.models.push(ModelFacts { name: spec.name.clone(), sha256: spec.sha256.clone() });
        let mut candidates = Vec::new();
        for view in &views {
            for rendition in 0..renditions {
                candidates.extend(look_at(photo, armed.detector.as_mut(), view, rendition)?);
                report.views.count += 1;
                report.views.megapixels += view.out.pixels() as f64 / 1e6;
            }
        }
        let margin = policy.of(class);
        let united = merge::unite(candidates, (margin.enlarge_x, margin.enlarge_y));
        report.detections.extend(united.into_iter().map(|found| Detection {
            class,
            area: found.area,
            score: found.score,
        }));
    }
    report.views.megapixels = (report.views.megapixels * 100.0).round() / 100.0;
    Ok(report)
}

/// The candidates of one view, in photo pixels and clipped to the photo.
fn look_at(
    photo: &dyn Photo,
    detector: &mut dyn Detector,
    view: &View,
    rendition: usize,
) -> PhotoResult<Vec<Candidate>> {
    let picture = photo.view(view.crop, view.out, rendition)?;
    let mut answers = detector.detect(std::slice::from_ref(&picture))?;
    let (Some(found), true) = (answers.pop(), answers.is_empty()) else {
        let detail = format!("model `{}`: expected one answer for one view", detector.spec().name);
        return Err(PhotoError::new(Stage::Detect, ErrorCode::DetectorFailed, detail));
    };
    let size = photo.upright_size();
    Ok(found.into_iter().filter_map(|candidate| to_photo(candidate, view, size)).collect())
}
fn to_photo(candidate: Candidate, view: &View, photo: Size) -> Option<Candidate> {
    let scale_x = view.crop.width() / view.out.width as f32;
    let scale_y = view.crop.height() / view.out.height as f32;
    let (right, bottom) = (photo.width as f32, photo.height as f32);
    let area = BoxF {
        x0: (view.crop.x0 + candidate.area.x0 * scale_x).clamp(0.0, right),
        y0: (view.crop.y0 + candidate.area.y0 * scale_y).clamp(0.0, bottom),
        x1: (view.crop.x0 + candidate.area.x1 * scale_x).clamp(0.0, right),
        y1: (view.crop.y0 + candidate.area.y1 * scale_y).clamp(0.0, bottom),
    };
    // Only boxes that lie wholly in a view's padding vanish here: there is no photo under them.
    (area.area() > 0.0).then_some(Candidate { area, score: candidate.score })
}

/// A model of no file, for tests.
#[cfg(test)]
fn fake_spec(class: Class) -> ModelSpec {
    ModelSpec {
        name: format!("fake {class}"),
        class,
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
        input: InputSpec { name: String::new(), channels: ChannelOrder::Rgb, pad_multiple: 32, pad_value: 0 },
        measured: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        photo::{self, Limits},
        redact::{ClassPolicy, Style},
    };

    const ANY: ClassPolicy = ClassPolicy { style: Style::Solid, cells: 1, enlarge_x: 0.2, enlarge_y: 0.2 };
    const POLICY: RedactionPolicy = RedactionPolicy { face: ANY, plate: ANY };

    /// Answers every batch with this many answers, each of one candidate that fills half the view.
    struct Fake {
        spec: ModelSpec,
        answers: usize,
    }

    impl Detector for Fake {
        fn spec(&self) -> &ModelSpec {
            &self.spec
        }

        fn detect(&mut self, batch: &[RgbView]) -> PhotoResult<Vec<Vec<Candidate>>> {
            let half = batch[0].size.width as f32 / 2.0;
            let area = BoxF { x0: 0.0, y0: 0.0, x1: half, y1: batch[0].size.height as f32 };
            Ok(vec![vec![Candidate { area, score: 0.7 }]; self.answers])
        }
    }

    fn armed(class: Class, answers: usize) -> ArmedDetector {
        ArmedDetector { detector: Box::new(Fake { spec: fake_spec(class), answers }), min_object_px: 20.0 }
    }

    fn grey_photo() -> Box<dyn Photo> {
        let mut png = Vec::new();
        image::GrayImage::new(100, 60).write_to(&mut std::io::Cursor::new(&mut png), image::ImageFormat::Png).unwrap();
        photo::open(&png, &Limits { max_encoded_bytes: 1 << 20, max_pixels: 1 << 20, max_side_px: 1000 }).unwrap()
    }

    #[test]
    fn a_report_needs_an_answer_of_every_detector_for_every_view() {
        let photo = grey_photo();
        let run = |mut detectors: Vec<ArmedDetector>| detect_all(photo.as_ref(), &mut detectors, &POLICY);
        let report = run(vec![armed(Class::Face, 1), armed(Class::Plate, 1)]).unwrap();
        assert_eq!((report.models().len(), report.views().count), (2, 4));
        // Half of every view is half of the photo, in photo pixels.
        for found in report.detections() {
            assert!((found.area.x1 - 50.0).abs() < 1.0 && (found.area.y1 - 60.0).abs() < 1.0, "{found:?}");
        }
        for broken in [
            vec![armed(Class::Face, 1)],
            vec![],
            vec![armed(Class::Face, 1), armed(Class::Plate, 0)],
            vec![armed(Class::Face, 2), armed(Class::Plate, 1)],
        ] {
            assert_eq!(run(broken).unwrap_err().code, ErrorCode::DetectorFailed);
        }
    }
}
