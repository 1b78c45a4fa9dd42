//! What is looked for in a photo, where not everything is.

use super::Class;

/// Classes, and the scores from which candidates count.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    pub classes: Vec<Class>,
    /// None: whatever the detector answers, which has a lowest score of its own.
    pub face_min_score: Option<f32>,
    pub plate_min_score: Option<f32>,
}

impl Default for Wanted {
    fn default() -> Self {
        Self { classes: Class::REQUIRED.to_vec(), face_min_score: None, plate_min_score: None }
    }
}

impl Wanted {
    #[must_use]
    pub fn wants(&self, class: Class) -> bool {
        self.classes.contains(&class)
    }

    #[must_use]
    pub fn min_score(&self, class: Class) -> Option<f32> {
        match class {
            Class::Face => self.face_min_score,
            Class::Plate => self.plate_min_score,
        }
    }
}
