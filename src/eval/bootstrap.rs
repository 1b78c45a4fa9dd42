//! Intervals of 95 %, by drawing photos anew.
//!
//! Boxes of one photo succeed and fail together, so photos are drawn, not boxes (the cluster bootstrap: Efron and
//! Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13, percentile method). Where every drawing gives the
//! same, as after 43 hits of 43, drawing tells nothing; a share's interval is therefore never narrower than Wilson's
//! (Wilson 1927).

use serde::Serialize;

/// How often the photos are drawn.
const DRAWS: usize = 1000;
/// Any number does; the same one makes the same report.
const SEED: u64 = 0x0b5c_07a5;
/// Two-sided, of the normal distribution.
const Z_95: f64 = 1.959_964;

/// Lower and upper end, of 95 %.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    pub low: f64,
    pub high: f64,
}

/// Interval of a sum over photos divided by another, such as hits by boxes. `None` without any weight.
pub(super) fn of_ratio(photos: &[(f64, f64)]) -> Option<Interval> {
    let photos: Vec<(f64, f64)> =
        photos.iter().copied().filter(|&(value, weight)| value != 0.0 || weight != 0.0).collect();
    if photos.iter().all(|&(_, weight)| weight == 0.0) {
        return None;
    }
    let mut rng = fastrand::Rng::with_seed(SEED);
    let mut drawn: Vec<f64> = Vec::with_capacity(DRAWS);
    while drawn.len() < DRAWS {
        let (mut value, mut weight) = (0.0, 0.0);
        for _ in 0..photos.len() {
            let (v, w) = photos[rng.usize(..photos.len())];
            value += v;
            weight += w;
        }
        // At least one photo has weight, so this ends.
        if weight > 0.0 {
            drawn.push(value / weight);
        }
    }
    drawn.sort_by(f64::total_cmp);
    let at = |share: f64| drawn[((DRAWS - 1) as f64 * share).round() as usize];
    Some(Interval { low: at(0.025), high: at(0.975) })
}

/// Interval of a share: hits and boxes by photo.
pub(super) fn of_share(photos: &[(usize, usize)]) -> Option<Interval> {
    let floats: Vec<(f64, f64)> = photos.iter().map(|&(hits, boxes)| (hits as f64, boxes as f64)).collect();
    let drawn = of_ratio(&floats)?;
    let (hits, boxes) = photos.iter().fold((0, 0), |(hits, boxes), &(h, b)| (hits + h, boxes + b));
    let wilson = wilson(hits, boxes);
    Some(Interval { low: drawn.low.min(wilson.low), high: drawn.high.max(wilson.high) })
}

fn wilson(hits: usize, count: usize) -> Interval {
    let (count, share) = (count as f64, hits as f64 / count as f64);
    let scale = 1.0 + Z_95 * Z_95 / count;
    let centre = (share + Z_95 * Z_95 / (2.0 * count)) / scale;
    let spread = Z_95 * (share * (1.0 - share) / count + Z_95 * Z_95 / (4.0 * count * count)).sqrt() / scale;
    Interval { low: (centre - spread).max(0.0), high: (centre + spread).min(1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_hits_of_few_boxes_are_not_certain() {
        let interval = of_share(&[(1, 1); 43]).unwrap();
        assert!(interval.low > 0.9 && interval.low < 0.93 && interval.high > 0.999, "{interval:?}");
    }

    #[test]
    fn boxes_that_fail_together_widen_the_interval() {
        let apart: Vec<_> = (0..400).map(|n| (usize::from(n % 4 != 0), 1)).collect();
        let together: Vec<_> = (0..20).map(|n| (if n % 4 == 0 { 0 } else { 20 }, 20)).collect();
        let (apart, together) = (of_share(&apart).unwrap(), of_share(&together).unwrap());
        assert!(apart.low < 0.75 && apart.high > 0.75);
        assert!(together.high - together.low > 2.0 * (apart.high - apart.low), "{apart:?} {together:?}");
    }

    #[test]
    fn nothing_to_divide_by_has_no_interval_and_equal_reports_are_equal() {
        assert_eq!(of_share(&[(0, 0); 5]), None);
        assert_eq!(of_ratio(&[]), None);
        let photos: Vec<_> = (0..50).map(|n| (f64::from(n % 7), 1.0)).collect();
        assert_eq!(of_ratio(&photos), of_ratio(&photos));
        let interval = of_ratio(&photos).unwrap();
        assert!(interval.low > 2.0 && interval.low < 3.0 && interval.high > 2.9 && interval.high < 4.0);
    }
}
