//! CenterFace (Xu et al., "CenterFace: Joint Face Detection and Alignment Using Face as Point", arXiv 1911.03599).
//!
//! Outputs at a quarter of the input's resolution: `537` the probability of a face's centre `[1, h, w]`, `538` the
//! logarithm of its height and width in cells `[2, h, w]`, `539` the centre's place within its cell, y first
//! `[2, h, w]`. The landmarks (`540`) are not asked for.

use super::families::{Found, OutputTensor};
use crate::geometry::BoxF;

pub(super) const OUTPUTS: [&str; 3] = ["537", "538", "539"];
const STRIDE: f32 = 4.0;

/// Boxes in input pixels, of all cells that score at least `min_score`.
///
/// # Errors
/// What about the output was not an answer.
pub(super) fn decode(outputs: &[OutputTensor<'_>], min_score: f32) -> Result<Vec<Found>, String> {
    let [heat, scale, offset] = outputs else { return Err(format!("expected 3 outputs, found {}", outputs.len())) };
    let &[_, 1, rows, columns] = heat.shape else {
        return Err(format!("expected a heat map of 1 channel, found shape {:?}", heat.shape));
    };
    let cells = rows * columns;
    if heat.data.len() != cells || scale.data.len() != 2 * cells || offset.data.len() != 2 * cells {
        return Err(format!("expected {cells} cells, found {:?} {:?} {:?}", heat.shape, scale.shape, offset.shape));
    }
    let found = heat.data.iter().enumerate().filter(|(_, score)| **score >= min_score);
    Ok(found
        .map(|(cell, &score)| {
            let (row, column) = ((cell / columns) as f32, (cell % columns) as f32);
            let (height, width) = (scale.data[cell].exp() * STRIDE, scale.data[cells + cell].exp() * STRIDE);
            let y = (row + offset.data[cell] + 0.5) * STRIDE;
            let x = (column + offset.data[cells + cell] + 0.5) * STRIDE;
            let (half_width, half_height) = (width / 2.0, height / 2.0);
            let area = BoxF { x0: x - half_width, y0: y - half_height, x1: x + half_width, y1: y + half_height };
            Found { label: 0, area, score }
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_cell_becomes_one_box() {
        let mut heat = vec![0.0; 6];
        heat[4] = 0.9; // row 1, column 1 of 2 x 3
        let mut scale = vec![0.0; 12];
        scale[4] = 3f32.ln();
        scale[6 + 4] = 2f32.ln();
        let mut offset = vec![0.0; 12];
        offset[4] = 0.25;
        let outputs = [
            OutputTensor { shape: &[1, 1, 2, 3], data: &heat },
            OutputTensor { shape: &[1, 2, 2, 3], data: &scale },
            OutputTensor { shape: &[1, 2, 2, 3], data: &offset },
        ];
        let found = decode(&outputs, 0.5).unwrap();
        assert_eq!(found.len(), 1);
        let BoxF { x0, y0, x1, y1 } = found[0].area;
        for (value, expected) in [(x0, 2.0), (x1, 10.0), (y0, 1.0), (y1, 13.0)] {
            assert!((value - expected).abs() < 1e-4, "{value} is not {expected}");
        }
        assert!(decode(&outputs[..2], 0.5).is_err());
    }
}
