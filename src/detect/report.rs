//! The answers of all detectors for one photo, complete or not at all.

use super::{
    Candidate, Class, Detection, ModelSpec, View, ViewNeeds, Wanted,
    focus::{CoarseViews, Focus, Sign, coarse_views, fine_views, shown_share},
    merge, plan_views,
};
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
///
/// It asks, is answered, and asks again where the answers say that there is more to look at, until it has no question.
pub(super) struct ReportBuilder {
    photo: Size,
    renditions: usize,
    models: Vec<Expected>,
}

/// A view that a model has to look at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Question {
    /// Place of the model in the order in which models were expected.
    pub model: usize,
    pub view: View,
    pub rendition: usize,
    pub min_score: f32,
}

struct Expected {
    classes: Vec<Class>,
    usual_min_score: f32,
    facts: ModelFacts,
    needs: ViewNeeds,
    /// From this score on a candidate is found.
    min_score: f32,
    /// The signs that are still to be followed.
    focus: Option<Focus>,
    /// A question for each answer: several renditions of one view are several answers.
    questions: Vec<Question>,
    answers: Vec<Vec<Candidate>>,
    full_share: f64,
}

impl ReportBuilder {
    pub(super) fn new(photo: Size, renditions: usize) -> Self {
        Self { photo, renditions, models: Vec::new() }
    }

    /// The next model has to find all that scores at least `min_score`: everywhere in full, or around what scores as
    /// little as `focus` says in views that are coarser.
    pub(super) fn expect(&mut self, spec: &ModelSpec, needs: ViewNeeds, focus: Option<Focus>, min_score: f32) {
        let facts = ModelFacts { name: spec.name.clone(), sha256: spec.sha256.clone() };
        let coarse = focus.and_then(|focus| Some((focus, coarse_views(self.photo, &needs, focus)?)));
        let mut expected = Expected {
            classes: spec.classes(),
            usual_min_score: spec.min_score,
            facts,
            needs,
            min_score,
            focus: None,
            questions: Vec::new(),
            answers: Vec::new(),
            full_share: 1.0,
        };
        let model = self.models.len();
        match coarse {
            Some((focus, CoarseViews { views, signs_from })) => {
                expected.ask(model, &views[..signs_from], self.renditions, min_score);
                expected.ask(model, &views[signs_from..], self.renditions, focus.min_score);
                expected.focus = Some(focus);
            }
            None => expected.ask(model, &plan_views(self.photo, &needs), self.renditions, min_score),
        }
        self.models.push(expected);
    }

    /// Whether all that was asked so far stays within so many pixels of views. No question is ever left out for it: a photo
    /// is looked at as planned or not at all.
    ///
    /// # Errors
    /// `detection_over_budget`.
    pub(super) fn check_budget(&self, max_view_pixels: Option<u64>) -> PhotoResult<()> {
        let asked = self.models.iter().flat_map(|model| &model.questions);
        let asked: u64 = asked.map(|question| question.view.out.pixels()).sum();
        match max_view_pixels {
            Some(most) if asked > most => {
                let megapixels = |pixels: u64| pixels as f64 / 1e6;
                let detail = format!(
                    "the plan asks for views of {:.1} megapixels, {:.1} are allowed",
                    megapixels(asked),
                    megapixels(most)
                );
                Err(PhotoError::new(Stage::Detect, ErrorCode::DetectionOverBudget, detail))
            }
            _ => Ok(()),
        }
    }

    /// What has no answer yet.
    pub(super) fn questions(&self) -> Vec<Question> {
        self.models.iter().flat_map(|model| &model.questions[model.answers.len()..]).copied().collect()
    }

    /// The answers to all of [`ReportBuilder::questions`], in view pixels and in the same order.
    ///
    /// # Errors
    /// `detector_failed` if there are not as many answers as questions, `detector_overflow` if a model found more than
    /// there can be.
    pub(super) fn take(&mut self, answers: Vec<Vec<Candidate>>) -> PhotoResult<()> {
        let expected = self.questions().len();
        if answers.len() != expected {
            return Err(failed(format!("expected answers for {expected} views, found {}", answers.len())));
        }
        let mut answers = answers.into_iter();
        for (number, model) in self.models.iter_mut().enumerate() {
            let open = model.questions.len() - model.answers.len();
            model.answers.extend(answers.by_ref().take(open));
            if let Some(focus) = model.focus.take() {
                let views = fine_views(self.photo, &model.needs, &model.signs(focus, self.photo));
                model.full_share = shown_share(self.photo, &views);
                model.ask(number, &views, self.renditions, model.min_score);
            }
        }
        Ok(())
    }

    /// # Errors
    /// `detector_failed` if a wanted class was not looked for, or a question has no answer.
    pub(super) fn finish(self, policy: &RedactionPolicy, wanted: &Wanted) -> PhotoResult<DetectionReport> {
        for &class in &wanted.classes {
            if !self.models.iter().any(|model| model.classes.contains(&class) && !model.questions.is_empty()) {
                return Err(failed(format!("no detector for class `{class}`")));
            }
        }
        let open = self.questions().len();
        if open > 0 {
            return Err(failed(format!("{open} views were not looked at")));
        }
        let views = ViewFacts { full_share: 1.0, ..ViewFacts::default() };
        let mut report = DetectionReport {
            detections: Vec::new(),
            models: Vec::new(),
            views,
            candidates: Vec::new(),
            photo: self.photo,
        };
        for model in self.models {
            for (question, found) in model.questions.iter().zip(&model.answers) {
                let found = found.iter().filter(|candidate| candidate.score >= model.min_score);
                let in_photo = found.filter_map(|candidate| to_photo(*candidate, &question.view, self.photo));
                let usual_min_score = model.usual_min_score;
                report.candidates.extend(in_photo.map(|candidate| Answered { candidate, usual_min_score }));
                report.views.count += 1;
                report.views.megapixels += question.view.out.pixels() as f64 / 1e6;
            }
            report.views.full_share = report.views.full_share.min(model.full_share);
            report.models.push(model.facts);
        }
        report.detections = report.as_wanted(policy, wanted);
        report.views.megapixels = (report.views.megapixels * 100.0).round() / 100.0;
        report.views.full_share = (report.views.full_share * 1000.0).round() / 1000.0;
        Ok(report)
    }
}

impl Expected {
    fn ask(&mut self, model: usize, views: &[View], renditions: usize, min_score: f32) {
        let each = |&view| (0..renditions).map(move |rendition| Question { model, view, rendition, min_score });
        self.questions.extend(views.iter().flat_map(each));
    }

    /// Places in the photo where the coarse views showed something.
    fn signs(&self, focus: Focus, photo: Size) -> Vec<Sign> {
        let asked = self.questions.iter().zip(&self.answers);
        let read = asked.filter(|(question, _)| question.min_score.total_cmp(&focus.min_score).is_eq());
        read.flat_map(|(question, found)| {
            found.iter().filter_map(|candidate| to_photo(*candidate, &question.view, photo))
        })
        .map(|candidate| Sign {
            x: f32::midpoint(candidate.area.x0, candidate.area.x1),
            y: f32::midpoint(candidate.area.y0, candidate.area.y1),
        })
        .collect()
    }
}

fn failed(detail: String) -> PhotoError {
    PhotoError::new(Stage::Detect, ErrorCode::DetectorFailed, detail)
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
        super::{Areas, fake_spec},
        *,
    };
    use crate::redact::{ClassPolicy, Style};

    const ANY: ClassPolicy = ClassPolicy { style: Style::Solid, cells: 1, enlarge_x: 0.2, enlarge_y: 0.2 };
    const POLICY: RedactionPolicy = RedactionPolicy { face: ANY, plate: ANY, text: ANY };
    const PHOTO: Size = Size { width: 100, height: 60 };

    /// A builder that expects these classes, in two renditions each.
    fn expecting(classes: &[Class]) -> ReportBuilder {
        let mut builder = ReportBuilder::new(PHOTO, 2);
        for &class in classes {
            let spec = fake_spec(class);
            builder.expect(&spec, spec.view_needs(20.0), None, spec.min_score);
        }
        builder
    }

    /// The left half of the view.
    fn left_half(question: &Question) -> Vec<Candidate> {
        let (x1, y1) = (question.view.out.width as f32 / 2.0, question.view.out.height as f32);
        let class = if question.model == 0 { Class::Face } else { Class::Plate };
        vec![Candidate { class, area: BoxF { x0: 0.0, y0: 0.0, x1, y1 }, score: 0.7 }]
    }

    #[test]
    fn a_report_needs_an_answer_of_every_detector_for_every_view_and_rendition() {
        let classes = [Class::Face, Class::Plate];
        let mut builder = expecting(&classes);
        let questions = builder.questions();
        assert!(questions.len() >= 8, "two models, two scales and two renditions");
        let answers: Vec<_> = questions.iter().map(left_half).collect();
        builder.take(answers.clone()).unwrap();
        let report = builder.finish(&POLICY, &Wanted::default()).unwrap();
        assert_eq!((report.models().len(), report.views().count as usize), (2, questions.len()));
        assert!((report.views().full_share - 1.0).abs() < 1e-9);
        // Half of every view is half of the photo, in photo pixels.
        for found in report.detections() {
            assert!((found.area.x1 - 50.0).abs() < 1.0 && (found.area.y1 - 60.0).abs() < 1.0, "{found:?}");
        }
        for count in 0..answers.len() {
            let code = expecting(&classes).take(answers[..count].to_vec()).unwrap_err().code;
            assert_eq!(code, ErrorCode::DetectorFailed);
        }
        assert_eq!(
            expecting(&classes).finish(&POLICY, &Wanted::default()).unwrap_err().code,
            ErrorCode::DetectorFailed
        );
        for classes in [&[Class::Face][..], &[Class::Plate], &[]] {
            let mut builder = expecting(classes);
            builder.take(builder.questions().iter().map(left_half).collect()).unwrap();
            assert_eq!(builder.finish(&POLICY, &Wanted::default()).unwrap_err().code, ErrorCode::DetectorFailed);
        }
    }

    #[test]
    fn what_is_not_wanted_needs_no_answer_and_a_score_of_its_own_counts() {
        let finish = |min_score| {
            let mut builder = expecting(&[Class::Face]);
            builder.take(builder.questions().iter().map(left_half).collect()).unwrap();
            let wanted = Wanted { classes: vec![Class::Face], face_min_score: min_score, ..Wanted::default() };
            builder.finish(&POLICY, &wanted).unwrap()
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

    #[test]
    fn a_budget_fails_a_photo_and_leaves_no_view_out() {
        let mut builder = expecting(&[Class::Face, Class::Plate]);
        let questions = builder.questions();
        let pixels = questions.iter().map(|question| question.view.out.pixels()).sum();
        for (most, is_enough) in [(None, true), (Some(pixels), true), (Some(pixels - 1), false), (Some(1), false)] {
            let outcome = builder.check_budget(most);
            assert_eq!(outcome.is_ok(), is_enough, "{most:?}");
            if let Err(error) = outcome {
                assert_eq!((error.code, error.is_transient()), (ErrorCode::DetectionOverBudget, false));
            }
            assert_eq!(builder.questions(), questions);
        }
        // What was answered counts too.
        builder.take(questions.iter().map(left_half).collect()).unwrap();
        assert!(builder.questions().is_empty() && builder.check_budget(Some(pixels - 1)).is_err());
    }

    #[test]
    fn a_sign_is_looked_at_in_full_and_is_nothing_found_by_itself() {
        let photo = Size::new(4032, 3024);
        let mut spec = fake_spec(Class::Face);
        spec.tile_px = 896;
        let focus = Focus { object_px: 7.0, min_score: 0.03 };
        let mut builder = ReportBuilder::new(photo, 1);
        builder.expect(&spec, spec.view_needs(20.0), Some(focus), 0.5);
        let coarse = builder.questions();
        let weak =
            Candidate { class: Class::Face, area: BoxF { x0: 100.0, y0: 100.0, x1: 108.0, y1: 108.0 }, score: 0.04 };
        let last = coarse.len() - 1;
        assert!(coarse[last].min_score < 0.04 && coarse[0].min_score > 0.04, "the overview is not read for signs");
        let answers = (0..coarse.len()).map(|at| if at == last { vec![weak] } else { Vec::new() }).collect();
        builder.take(answers).unwrap();
        let fine = builder.questions();
        assert_eq!(fine.len(), 1);
        let middle = to_photo(weak, &coarse[last].view, photo).unwrap().area;
        assert!(fine[0].view.crop.contains(middle), "{:?} holds {middle:?}", fine[0].view);
        builder.take(vec![Vec::new()]).unwrap();
        let report = builder.finish(&POLICY, &Wanted { classes: vec![Class::Face], ..Wanted::default() }).unwrap();
        assert!(report.detections().is_empty());
        assert!(report.views().full_share < 0.01 && report.views().full_share > 0.0, "{:?}", report.views());
    }
}
