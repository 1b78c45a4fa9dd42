//! Uniting what several views and neighbouring cells of a model found.
//!
//! A candidate may only vanish where another box hides it: the one that stays is enlarged to hold it, or its redaction
//! covers it anyway. No box is ever replaced by a smaller one.

use super::{Candidate, Class};
use crate::geometry::BoxF;

/// Candidates that overlap by at least this are one object.
const SAME_OBJECT_IOU: f32 = 0.45;
/// A box that lies within another to this share is part of the same object.
const SAME_OBJECT_INSIDE: f32 = 0.8;
/// A box may grow by this factor, in area, by taking in others; what is larger stays a box of its own.
const MAX_GROWTH: f32 = 1.3;

/// Reduce candidates of one class to few boxes that cover them all. `margin` is the share by which redaction enlarges a box in
/// total, in x and y; what lies inside the enlarged box needs no box of its own.
#[must_use]
pub(super) fn unite(mut candidates: Vec<Candidate>, margin: (f32, f32)) -> Vec<Candidate> {
    candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut kept: Vec<United> = Vec::new();
    for candidate in candidates {
        if kept.iter().any(|united| united.area.enlarged(margin.0, margin.1).contains(candidate.area)) {
            continue;
        }
        match kept.iter_mut().find(|united| united.takes_in(candidate.area)) {
            Some(united) => united.area = united.area.union(candidate.area),
            None => kept.push(United {
                class: candidate.class,
                first: candidate.area,
                area: candidate.area,
                score: candidate.score,
            }),
        }
    }
    kept.into_iter().map(|united| Candidate { class: united.class, area: united.area, score: united.score }).collect()
}

struct United {
    class: Class,
    /// The best candidate's box, which bounds how far the united one may grow.
    first: BoxF,
    area: BoxF,
    score: f32,
}

impl United {
    fn takes_in(&self, other: BoxF) -> bool {
        let inside = self.area.intersection_area(other) / other.area().max(f32::MIN_POSITIVE);
        (self.area.iou(other) >= SAME_OBJECT_IOU || inside >= SAME_OBJECT_INSIDE)
            && self.area.union(other).area() <= self.first.area() * MAX_GROWTH
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn candidates() -> impl Strategy<Value = Vec<Candidate>> {
        let one = (0.0f32..300.0, 0.0f32..300.0, 1.0f32..150.0, 1.0f32..150.0, 0.3f32..1.0).prop_map(
            |(x, y, width, height, score)| Candidate {
                class: Class::Face,
                area: BoxF { x0: x, y0: y, x1: x + width, y1: y + height },
                score,
            },
        );
        proptest::collection::vec(one, 0..60)
    }

    proptest! {
        #[test]
        fn every_candidate_stays_covered_by_one_box(found in candidates()) {
            let margin = (0.4, 0.4);
            let united = unite(found.clone(), margin);
            prop_assert!(united.len() <= found.len());
            for candidate in &found {
                prop_assert!(united.iter().any(|kept| kept.area.enlarged(margin.0, margin.1).contains(candidate.area)));
            }
            // And the best score of all is still there.
            let best = |list: &[Candidate]| list.iter().map(|c| c.score).fold(0.0, f32::max);
            prop_assert!((best(&united) - best(&found)).abs() < f32::EPSILON);
        }
    }

    #[test]
    fn a_small_sure_box_does_not_displace_a_large_one() {
        let eyes = Candidate { class: Class::Face, area: BoxF { x0: 30.0, y0: 30.0, x1: 70.0, y1: 45.0 }, score: 0.9 };
        let face = Candidate { class: Class::Face, area: BoxF { x0: 0.0, y0: 0.0, x1: 100.0, y1: 120.0 }, score: 0.4 };
        let united = unite(vec![eyes, face], (0.4, 0.4));
        assert!(united.iter().any(|kept| kept.area.contains(face.area)));
    }
}
