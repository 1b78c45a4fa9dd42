//! What is looked for in a photo, where not everything is.

use super::{Areas, Class};

/// Classes, and the scores from which candidates count.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    pub classes: Vec<Class>,
    /// None: from the score that is usual for the model that found it.
    pub face_min_score: Option<f32>,
    pub plate_min_score: Option<f32>,
    pub text_min_score: Option<f32>,
    pub areas: Areas,
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            classes: Class::REQUIRED.to_vec(),
            face_min_score: None,
            plate_min_score: None,
            text_min_score: None,
            areas: Areas::default(),
        }
    }
}

impl Wanted {
    #[must_use]
    pub fn wants(&self, class: Class) -> bool {
        self.classes.contains(&class)
    }

    #[must_use]
    pub fn wants_any(&self, classes: &[Class]) -> bool {
        classes.iter().any(|&class| self.wants(class))
    }

    #[must_use]
    pub fn min_score(&self, class: Class) -> Option<f32> {
        match class {
            Class::Face => self.face_min_score,
            Class::Plate => self.plate_min_score,
            Class::Text => self.text_min_score,
        }
    }
}
