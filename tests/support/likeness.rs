//! Whether a face that is known to be somewhere can still be made out.

use obscura::{geometry::Rect, photo::RgbView};

use super::pixel;

/// The likeness of a face that people would know. Clear faces reach 0.9 and more, redacted ones 0.35. In between lie
/// pictures that a mutation has wrecked so far that the detector sees no face in them, such as JPEGs with other
/// quantisation: of 7,000 the one most like the face reached 0.49, a pattern of black and white blocks.
pub const MAX_LIKENESS: f64 = 0.6;

/// Every photo of `mutants/` is 135 x 144 pixels; its face, from brow to chin, lies here.
const FACE: Rect = Rect { x: 52, y: 28, width: 34, height: 40 };

/// The face of `mutants/`, as it was.
pub struct KnownFace {
    detail: Vec<f64>,
}

impl KnownFace {
    pub fn of(original: &RgbView) -> Self {
        Self { detail: detail(original, FACE) }
    }

    /// How much the place of the face in a published picture looks like the face: correlation of the detail of luma,
    /// wherever it was moved to by a few pixels. Averages do not count, since the cells of a redaction are averages. 0
    /// for pictures in which that place is not.
    pub fn likeness(&self, shown: &RgbView) -> f64 {
        let mut best = 0.0f64;
        for dy in -8i32..=8 {
            for dx in -8i32..=8 {
                let place = Rect { x: (FACE.x as i32 + dx) as u32, y: (FACE.y as i32 + dy) as u32, ..FACE };
                if shown.size.rect().contains(place) {
                    best = best.max(correlation(&self.detail, &detail(shown, place)).abs());
                }
            }
        }
        best
    }
}

/// Luma, less its average over the nearest pixels.
fn detail(view: &RgbView, place: Rect) -> Vec<f64> {
    const REACH: u32 = 4;
    let plane: Vec<f64> = (place.y..place.bottom())
        .flat_map(|y| (place.x..place.right()).map(move |x| (x, y)))
        .map(|(x, y)| {
            let [r, g, b] = pixel(view, x, y).map(f64::from);
            0.299 * r + 0.587 * g + 0.114 * b
        })
        .collect();
    let at = |x: u32, y: u32| plane[(y * place.width + x) as usize];
    let mut detail = Vec::with_capacity(plane.len());
    for y in 0..place.height {
        for x in 0..place.width {
            let columns = x.saturating_sub(REACH)..(x + REACH + 1).min(place.width);
            let rows = y.saturating_sub(REACH)..(y + REACH + 1).min(place.height);
            let count = columns.len() * rows.len();
            let sum: f64 = rows.flat_map(|y| columns.clone().map(move |x| (x, y))).map(|(x, y)| at(x, y)).sum();
            detail.push(at(x, y) - sum / count as f64);
        }
    }
    detail
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let sum = |f: &dyn Fn(f64, f64) -> f64| a.iter().zip(b).map(|(&a, &b)| f(a - mean_a, b - mean_b)).sum::<f64>();
    let scale = (sum(&|a, _| a * a) * sum(&|_, b| b * b)).sqrt();
    if scale > 0.0 { sum(&|a, b| a * b) / scale } else { 0.0 }
}
