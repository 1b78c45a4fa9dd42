//! Precision and recall over all scores, and coverage beside false boxes over thresholds.
//!
//! A detection is right if it overlaps a true box that no better one has taken, by an IoU of at least .5 (Everingham et
//! al., 2010). What lies on a doubtful box counts neither way.

use serde::Serialize;

use super::dataset::Truth;
use crate::{detect::Detection, geometry::BoxF};

/// Overlap from which a detection is the true box.
const MATCH_IOU: f32 = 0.5;
/// Points of a curve that are kept.
const MAX_POINTS: usize = 200;

/// One class over all scores.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Curve {
    /// Area under the curve, with precision made monotonous (all-point interpolation).
    pub average_precision: f64,
    pub points: Vec<CurvePoint>,
}

/// With everything from this score.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CurvePoint {
    pub score: f32,
    pub recall: f64,
    pub precision: f64,
}

/// What a threshold would have brought.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ThresholdPoint {
    pub min_score: f32,
    /// Share of true boxes covered by boxes enlarged by policy.
    pub coverage: f64,
    pub false_boxes_per_photo: f64,
}

/// Which true boxes were found, and for each detection whether it is right; `None` where it does not count. `truths` are
/// of one class.
pub(super) fn matched(detections: &[Detection], truths: &[Truth]) -> (Vec<bool>, Vec<Option<bool>>) {
    let mut order: Vec<usize> = (0..detections.len()).collect();
    order.sort_by(|&a, &b| detections[b].score.total_cmp(&detections[a].score));
    let mut found = vec![false; truths.len()];
    let mut right = vec![None; detections.len()];
    for index in order {
        let area = detections[index].area;
        let best = (0..truths.len())
            .filter(|&truth| !found[truth] && !truths[truth].is_doubtful)
            .map(|truth| (truth, truths[truth].area.iou(area)))
            .max_by(|a, b| a.1.total_cmp(&b.1));
        right[index] = match best {
            Some((truth, iou)) if iou >= MATCH_IOU => {
                found[truth] = true;
                Some(true)
            }
            _ => (!is_on_doubtful(area, truths)).then_some(false),
        };
    }
    (found, right)
}

/// Whether at least half of the box lies on a doubtful one.
fn is_on_doubtful(area: BoxF, truths: &[Truth]) -> bool {
    truths.iter().any(|truth| truth.is_doubtful && truth.area.intersection_area(area) >= area.area() / 2.0)
}

impl Curve {
    /// From the scores of all detections and whether they are right; `truths` is the number of true boxes.
    pub(super) fn of(mut scored: Vec<(f32, bool)>, truths: usize) -> Self {
        if truths == 0 {
            return Self::default();
        }
        scored.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut points: Vec<CurvePoint> = Vec::with_capacity(scored.len());
        let mut right = 0;
        for (index, &(score, is_right)) in scored.iter().enumerate() {
            right += usize::from(is_right);
            // Equal scores are one threshold.
            if scored.get(index + 1).is_some_and(|next| next.0.total_cmp(&score).is_eq()) {
                continue;
            }
            let (recall, precision) = (f64::from(right as u32) / truths as f64, right as f64 / (index + 1) as f64);
            points.push(CurvePoint { score, recall, precision });
        }
        let (mut best, mut area) = (0.0f64, 0.0);
        for (index, point) in points.iter().enumerate().rev() {
            best = best.max(point.precision);
            let before = index.checked_sub(1).map_or(0.0, |index| points[index].recall);
            area += (point.recall - before) * best;
        }
        let step = points.len().div_ceil(MAX_POINTS).max(1);
        let last = points.last().copied();
        let mut kept: Vec<CurvePoint> = points.into_iter().step_by(step).collect();
        if kept.last() != last.as_ref() {
            kept.extend(last);
        }
        Self { average_precision: area, points: kept }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::Class;

    fn at(x: f32, score: f32) -> Detection {
        Detection { class: Class::Face, area: BoxF { x0: x, y0: 0.0, x1: x + 10.0, y1: 10.0 }, score }
    }

    fn truth(x: f32, is_doubtful: bool) -> Truth {
        Truth { class: Class::Face, area: BoxF { x0: x, y0: 0.0, x1: x + 10.0, y1: 10.0 }, is_doubtful }
    }

    #[test]
    fn the_better_one_takes_the_box_and_the_doubtful_count_neither_way() {
        let truths = [truth(0.0, false), truth(50.0, true), truth(100.0, false)];
        let detections = [at(1.0, 0.4), at(0.0, 0.9), at(51.0, 0.8), at(107.0, 0.7)];
        let (found, right) = matched(&detections, &truths);
        assert_eq!(found, [true, false, false]);
        assert_eq!(right, [Some(false), Some(true), None, Some(false)]);
    }

    #[test]
    fn the_area_under_the_curve_is_that_of_the_textbook() {
        // Recall .5 at precision 1, .5 at 1/2, 1 at 2/3.
        let curve = Curve::of(vec![(0.7, true), (0.9, true), (0.8, false)], 2);
        assert!((curve.average_precision - (0.5 + 0.5 * 2.0 / 3.0)).abs() < 1e-9);
        assert_eq!(curve.points.len(), 3);
        assert_eq!(curve.points[2], CurvePoint { score: 0.7, recall: 1.0, precision: 2.0 / 3.0 });
        assert!((Curve::of(vec![(0.5, true)], 4).average_precision - 0.25).abs() < 1e-9);
        assert!(Curve::of(vec![(0.5, false)], 0).points.is_empty());
    }

    #[test]
    fn long_curves_are_thinned_and_keep_their_ends() {
        let scored: Vec<_> = (0..5000).map(|n| (n as f32 / 5000.0, n % 3 == 0)).collect();
        let curve = Curve::of(scored, 2000);
        assert!(curve.points.len() <= MAX_POINTS + 1);
        assert!((curve.points.last().unwrap().recall - 1667.0 / 2000.0).abs() < 1e-9);
    }
}
