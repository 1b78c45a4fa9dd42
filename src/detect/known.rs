//! Does a detector find what it must? A known object and a quiet picture, put to it before it is trusted.
//!
//! A model can load and answer and yet see nothing: input in a range that it was not trained on, an execution provider
//! that computes something else, weights damaged in memory. Such a detector would let every photo pass.

use super::{Candidate, Class, Detector, drawing};
use crate::{geometry::BoxF, photo::RgbView};

/// A picture in which a detector of its class must find one object.
pub struct KnownObject {
    pub picture: RgbView,
    /// Where the object is, in pixels of the picture.
    pub area: BoxF,
}

/// How well a candidate must fit the known object.
const MIN_IOU: f32 = 0.4;
/// What is seen in the quiet picture counts if it scores this share of what the known object does: a model with a low
/// threshold has weak candidates in any picture.
const LOUD: f32 = 0.5;

/// A drawn face or a drawn plate. The shipped models score them about .87.
#[must_use]
pub fn known_object(class: Class) -> KnownObject {
    match class {
        Class::Face => KnownObject { picture: drawing::face(), area: drawing::FACE_AREA },
        // A plate is text too.
        Class::Plate | Class::Text => KnownObject { picture: drawing::plate(), area: drawing::PLATE_AREA },
    }
}

/// The same size and colours, without any object.
fn quiet_picture(class: Class) -> RgbView {
    match class {
        Class::Face => drawing::face_backdrop().into_view(),
        Class::Plate | Class::Text => drawing::plate_backdrop().into_view(),
    }
}

/// Put the known object of the detector's class and a quiet picture to it, as one batch. A detector of a user that does not
/// find drawings has to answer, no more.
///
/// # Errors
/// What was expected and what came: no answer, the object not found where it is, or found where it is not.
pub fn check_health(detector: &mut dyn Detector) -> Result<(), String> {
    let spec = detector.spec();
    let (name, class) = (spec.name.clone(), spec.class);
    let known = known_object(class);
    // Whether the model sees does not depend on what its user cares to see.
    let min_score = detector.spec().min_score;
    let answers = detector.detect(&[known.picture, quiet_picture(class)], min_score);
    let answers = answers.map_err(|error| format!("model `{name}`: expected an answer, found {error}"))?;
    let [seen, quiet] = answers.as_slice() else {
        return Err(format!("model `{name}`: expected answers for 2 pictures, found {}", answers.len()));
    };
    if !detector.spec().known_object {
        return Ok(());
    }
    let found = best(seen.iter().filter(|candidate| candidate.area.iou(known.area) >= MIN_IOU)).ok_or_else(|| {
        let instead = best(seen.iter()).map_or_else(|| "nothing".to_owned(), described);
        format!("model `{name}`: expected the known {class} at {}, found {instead}", place(known.area))
    })?;
    let loud = quiet.iter().filter(|candidate| {
        candidate.score >= found.score * LOUD && candidate.area.intersection_area(known.area) > 0.0
    });
    match best(loud) {
        Some(phantom) => {
            Err(format!("model `{name}`: expected no {class} in a quiet picture, found {}", described(phantom)))
        }
        None => Ok(()),
    }
}

fn best<'a>(candidates: impl Iterator<Item = &'a Candidate>) -> Option<&'a Candidate> {
    candidates.max_by(|a, b| a.score.total_cmp(&b.score))
}

fn described(candidate: &Candidate) -> String {
    format!("one at {} with score {:.2}", place(candidate.area), candidate.score)
}

fn place(area: BoxF) -> String {
    format!("({:.0}, {:.0}) to ({:.0}, {:.0})", area.x0, area.y0, area.x1, area.y1)
}

#[cfg(test)]
mod tests {
    use super::{
        super::{ModelSpec, fake_spec},
        *,
    };
    use crate::error::{ErrorCode, PhotoError, PhotoResult, Stage};

    struct Scripted {
        spec: ModelSpec,
        answer: PhotoResult<Vec<Vec<Candidate>>>,
    }

    impl Detector for Scripted {
        fn spec(&self) -> &ModelSpec {
            &self.spec
        }

        fn detect(&mut self, _: &[RgbView], _: f32) -> PhotoResult<Vec<Vec<Candidate>>> {
            self.answer.clone()
        }
    }

    fn check(class: Class, answer: PhotoResult<Vec<Vec<Candidate>>>) -> Result<(), String> {
        check_health(&mut Scripted { spec: fake_spec(class), answer })
    }

    fn seen(area: BoxF, score: f32) -> Vec<Candidate> {
        vec![Candidate { class: Class::Face, area, score }]
    }

    #[test]
    fn passes_a_detector_that_finds_the_object_and_nothing_else() {
        for class in Class::REQUIRED {
            let known = known_object(class).area;
            let elsewhere = BoxF { x0: 0.0, y0: 0.0, x1: 20.0, y1: 20.0 };
            check(class, Ok(vec![seen(known, 0.8), vec![]])).unwrap();
            check(class, Ok(vec![seen(known.enlarged(0.3, 0.3), 0.8), seen(elsewhere, 0.8)])).unwrap();
            // What a very low threshold lets through.
            check(class, Ok(vec![seen(known, 0.8), seen(known, 0.07)])).unwrap();
        }
    }

    #[test]
    fn catches_every_kind_of_blindness() {
        for class in Class::REQUIRED {
            let known = known_object(class).area;
            let aside = BoxF { x0: known.x0 + known.width(), x1: known.x1 + known.width(), ..known };
            let failure = PhotoError::new(Stage::Detect, ErrorCode::DetectorFailed, "out of memory");
            for (answer, expected) in [
                (Ok(vec![vec![], vec![]]), "found nothing"),
                (Ok(vec![vec![], seen(known, 0.9)]), "found nothing"),
                (Ok(vec![seen(aside, 0.9), vec![]]), "with score 0.90"),
                (Ok(vec![seen(known.enlarged(3.0, 3.0), 0.9), vec![]]), "with score 0.90"),
                (Ok(vec![seen(known, 0.9), seen(known, 0.8)]), "in a quiet picture, found one at"),
                (Ok(vec![seen(known, 0.9)]), "for 2 pictures, found 1"),
                (Ok(vec![seen(known, 0.9), vec![], vec![]]), "for 2 pictures, found 3"),
                (Err(failure), "out of memory"),
            ] {
                let problem = check(class, answer).unwrap_err();
                assert!(problem.contains(expected) && problem.starts_with("model `fake"), "{problem}");
            }
        }
    }

    #[test]
    fn pictures_are_whole_and_need_no_padding() {
        for class in Class::REQUIRED {
            let known = known_object(class);
            let size = known.picture.size;
            assert_eq!(known.picture.rgb.len() as u64, size.pixels() * 3);
            assert_eq!((size.width % 32, size.height % 32), (0, 0));
            assert!(BoxF::from(size.rect()).contains(known.area));
            assert_eq!(quiet_picture(class).size, size);
        }
    }
}
