//! The answers of all detectors for one photo, complete or not at all.

use super::{Candidate, Class, Detection, ModelSpec, View, Wanted, merge};
use crate::{
    error::{ErrorCode, PhotoError, PhotoResult, Stage},
    geometry::{BoxF, Size},
    redact::{ModelFacts, RedactionPolicy, ViewFacts},
};

/// What all required detectors found, having looked at every view of their plans.
#[derive(Debug)]
pub struct DetectionReport {
    detections: Vec<Detection>,
    models: Vec<ModelFacts>,
    views: ViewFacts,
    /// Everything that the detectors answered, before scores were asked for and boxes united.
    candidates: Vec<Answered>,
    photo: Size,
}

/// A candidate in photo pixels, and the score from which its model's answers usually count.
#[derive(Clone, Copy, Debug)]
struct Answered {
    candidate: Candidate,
    usual_min_score: f32,
}

impl DetectionReport {
    /// What would have been found if `wanted` had been asked for: of its classes, from its scores. Detectors answer from
    /// a lowest score of their own; below that nothing is known.
    #[must_use]
    pub fn as_wanted(&self, policy: &RedactionPolicy, wanted: &Wanted) -> Vec<Detection> {
        let mut detections = Vec::new();
        for &class in &wanted.classes {
            let counts = |answered: &&Answered| {
                let least = wanted.min_score(class).unwrap_or(answered.usual_min_score);
                answered.candidate.class == class && answered.candidate.score >= least
            };
            let candidates = self.candidates.iter().filter(counts).map(|answered| answered.candidate).collect();
            let margin = policy.of(class);
            let united = merge::unite(candidates, (margin.enlarge_x, margin.enlarge_y));
            let detection = |found: Candidate| Detection { class, area: found.area, score: found.score };
            let counted = united.into_iter().filter(|found| wanted.areas.count(found.area, self.photo));
            detections.extend(counted.map(detection));
        }
        detections
    }

    /// What another model found besides.
    pub fn add(&mut self, detections: Vec<Detection>, model: ModelFacts) {
        self.detections.extend(detections);
        self.models.push(model);
    }

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

/// Gathers answers; only with all of them it becomes a [`DetectionReport`].
pub(super) struct ReportBuilder {
    photo: Size,
    models: Vec<Expected>,
}

struct Expected {
    classes: Vec<Class>,
    usual_min_score: f32,
    facts: ModelFacts,
    /// A view for each answer: several renditions of one view are several answers.
    views: Vec<View>,
}

impl ReportBuilder {
    pub(super) fn new(photo: Size) -> Self {
        Self { photo, models: Vec::new() }
    }

    /// The next model has to answer for all of these views, in each of `renditions` ways.
    pub(super) fn expect(&mut self, spec: &ModelSpec, views: &[View], renditions: usize) {
        let views: Vec<View> = views.iter().flat_map(|&view| std::iter::repeat_n(view, renditions)).collect();
        let facts = ModelFacts { name: spec.name.clone(), sha256: spec.sha256.clone() };
        self.models.push(Expected { classes: spec.classes(), usual_min_score: spec.min_score, facts, views });
    }

    /// The answers of all models for all their views, in view pixels and in the order in which they were expected.
    ///
    /// # Errors
    /// `detector_failed` if a wanted class was not looked for, or there are not as many answers as views.
    pub(super) fn finish(
        self,
        answers: Vec<Vec<Candidate>>,
        policy: &RedactionPolicy,
        wanted: &Wanted,
    ) -> PhotoResult<DetectionReport> {
        let failed = |detail: String| PhotoError::new(Stage::Detect, ErrorCode::DetectorFailed, detail);
        for &class in &wanted.classes {
            if !self.models.iter().any(|model| model.classes.contains(&class) && !model.views.is_empty()) {
                return Err(failed(format!("no detector for class `{class}`")));
            }
        }
        let expected: usize = self.models.iter().map(|model| model.views.len()).sum();
        if answers.len() != expected {
            return Err(failed(format!("expected answers for {expected} views, found {}", answers.len())));
        }
        let mut answers = answers.into_iter();
        let mut report = DetectionReport {
            detections: Vec::new(),
            models: Vec::new(),
            views: ViewFacts::default(),
            candidates: Vec::new(),
            photo: self.photo,
        };
        for Expected { usual_min_score, facts, views, .. } in self.models {
            for (view, found) in views.iter().zip(answers.by_ref()) {
                let in_photo = found.into_iter().filter_map(|candidate| to_photo(candidate, view, self.photo));
                report.candidates.extend(in_photo.map(|candidate| Answered { candidate, usual_min_score }));
                report.views.count += 1;
                report.views.megapixels += view.out.pixels() as f64 / 1e6;
            }
            report.models.push(facts);
        }
        report.detections = report.as_wanted(policy, wanted);
        report.views.megapixels = (report.views.megapixels * 100.0).round() / 100.0;
        Ok(report)
    }
}

/// In photo pixels, clipped to the photo.
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
    (area.area() > 0.0).then_some(Candidate { area, ..candidate })
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Areas, fake_spec, plan_views},
        *,
    };
    use crate::redact::{ClassPolicy, Style};

    const ANY: ClassPolicy = ClassPolicy { style: Style::Solid, cells: 1, enlarge_x: 0.2, enlarge_y: 0.2 };
    const POLICY: RedactionPolicy = RedactionPolicy { face: ANY, plate: ANY, text: ANY };
    const PHOTO: Size = Size { width: 100, height: 60 };

    /// A builder that expects these classes, in two renditions each, and how many answers each wants.
    fn expecting(classes: &[Class]) -> (ReportBuilder, usize) {
        let mut builder = ReportBuilder::new(PHOTO);
        let mut wanted = 0;
        for &class in classes {
            let spec = fake_spec(class);
            let views = plan_views(PHOTO, &spec.view_needs(20.0));
            builder.expect(&spec, &views, 2);
            wanted = views.len() * 2;
        }
        (builder, wanted)
    }

    /// The left half of the view.
    fn left_half(class: Class, view: &View) -> Vec<Candidate> {
        let (x1, y1) = (view.out.width as f32 / 2.0, view.out.height as f32);
        vec![Candidate { class, area: BoxF { x0: 0.0, y0: 0.0, x1, y1 }, score: 0.7 }]
    }

    fn all_answers(builder: &ReportBuilder) -> Vec<Vec<Candidate>> {
        let of_model = |model: &Expected| {
            let class = model.classes[0];
            model.views.iter().map(|view| left_half(class, view)).collect::<Vec<_>>()
        };
        builder.models.iter().flat_map(of_model).collect()
    }

    #[test]
    fn a_report_needs_an_answer_of_every_detector_for_every_view_and_rendition() {
        let classes = [Class::Face, Class::Plate];
        let (builder, wanted) = expecting(&classes);
        assert!(wanted >= 4, "two scales and two renditions");
        let answers = all_answers(&builder);
        let report = builder.finish(answers.clone(), &POLICY, &Wanted::default()).unwrap();
        assert_eq!((report.models().len(), report.views().count as usize), (2, 2 * wanted));
        // Half of every view is half of the photo, in photo pixels.
        for found in report.detections() {
            assert!((found.area.x1 - 50.0).abs() < 1.0 && (found.area.y1 - 60.0).abs() < 1.0, "{found:?}");
        }
        let code = |classes: &[Class], answers: &[Vec<Candidate>]| {
            expecting(classes).0.finish(answers.to_vec(), &POLICY, &Wanted::default()).unwrap_err().code
        };
        for count in 0..answers.len() {
            assert_eq!(code(&classes, &answers[..count]), ErrorCode::DetectorFailed);
        }
        for classes in [&[Class::Face][..], &[Class::Plate], &[]] {
            assert_eq!(code(classes, &answers[..classes.len() * wanted]), ErrorCode::DetectorFailed);
        }
    }

    #[test]
    fn what_is_not_wanted_needs_no_answer_and_a_score_of_its_own_counts() {
        let finish = |min_score| {
            let (builder, _) = expecting(&[Class::Face]);
            let answers = all_answers(&builder);
            let wanted = Wanted { classes: vec![Class::Face], face_min_score: min_score, ..Wanted::default() };
            builder.finish(answers, &POLICY, &wanted).unwrap()
        };
        assert!(!finish(Some(0.7)).detections().is_empty());
        assert!(finish(Some(0.71)).detections().is_empty());
        // The usual score of the model is 0.5.
        let report = finish(None);
        assert!(!report.detections().is_empty());
        let at = |min_score, areas| {
            let classes = vec![Class::Face];
            let wanted = Wanted { classes, face_min_score: Some(min_score), areas, ..Wanted::default() };
            report.as_wanted(&POLICY, &wanted).len()
        };
        assert_eq!((at(0.1, Areas::default()), at(0.9, Areas::default())), (1, 0));
        let everything = vec![vec![[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]];
        assert_eq!(at(0.1, Areas { ignore: everything, allow: Vec::new() }), 0);
    }
}
