//! YuNet (Wu et al., "YuNet: A Tiny Millisecond-level Face Detector", 2023) and models of its shape, such as our plate
//! detector.
//!
//! For each stride s of 8, 16 and 32: `cls_s` and `obj_s` `[cells, 1]`, whose geometric mean is the score, and
//! `bbox_s` `[cells, 4]`: the centre's place relative to the cell and the logarithm of width and height, in strides.

use super::families::{Found, OutputTensor};
use crate::geometry::BoxF;

pub(super) const OUTPUTS: [&str; 9] =
    ["cls_8", "cls_16", "cls_32", "obj_8", "obj_16", "obj_32", "bbox_8", "bbox_16", "bbox_32"];
const STRIDES: [u32; 3] = [8, 16, 32];
/// Sizes beyond exp(5) strides do not occur; the training clipped there too.
const LOG_SIZE: std::ops::RangeInclusive<f32> = -4.0..=5.0;

/// Boxes in input pixels, of all cells that score at least `min_score`; `input_width` is the padded input's.
///
/// # Errors
/// What about the output was not an answer.
pub(super) fn decode(outputs: &[OutputTensor<'_>], input_width: u32, min_score: f32) -> Result<Vec<Found>, String> {
    if outputs.len() != OUTPUTS.len() {
        return Err(format!("expected {} outputs, found {}", OUTPUTS.len(), outputs.len()));
    }
    let mut candidates = Vec::new();
    for (index, stride) in STRIDES.into_iter().enumerate() {
        let (class, object, boxes) = (outputs[index].data, outputs[3 + index].data, outputs[6 + index].data);
        let columns = (input_width / stride) as usize;
        if class.len() != object.len() || boxes.len() != 4 * class.len() || columns == 0 || class.len() % columns != 0 {
            return Err(format!("stride {stride}: {} cells do not fit an input {input_width} wide", class.len()));
        }
        let stride = stride as f32;
        for (cell, (&class, &object)) in class.iter().zip(object).enumerate() {
            let score = (class.max(0.0) * object.max(0.0)).sqrt();
            if score < min_score {
                continue;
            }
            let [dx, dy, log_width, log_height] = boxes[cell * 4..cell * 4 + 4] else { continue };
            let x = ((cell % columns) as f32 + dx) * stride;
            let y = ((cell / columns) as f32 + dy) * stride;
            let half = |log: f32| log.clamp(*LOG_SIZE.start(), *LOG_SIZE.end()).exp() * stride / 2.0;
            let (half_width, half_height) = (half(log_width), half(log_height));
            let area = BoxF { x0: x - half_width, y0: y - half_height, x1: x + half_width, y1: y + half_height };
            candidates.push(Found { label: 0, area, score });
        }
    }
    Ok(candidates)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_cell_becomes_one_box() {
        // An input of 64 x 32: 8 x 4, 4 x 2 and 2 x 1 cells.
        let counts = [32, 8, 2];
        let mut scores: Vec<Vec<f32>> = counts.iter().chain(&counts).map(|&cells| vec![0.0; cells]).collect();
        let mut boxes: Vec<Vec<f32>> = counts.iter().map(|&cells| vec![0.0; 4 * cells]).collect();
        scores[1][6] = 0.64; // stride 16, row 1, column 2
        scores[4][6] = 1.0;
        boxes[1][24..28].copy_from_slice(&[0.5, 0.5, 2f32.ln(), 0.0]);
        let outputs: Vec<OutputTensor<'_>> =
            scores.iter().chain(&boxes).map(|data| OutputTensor { shape: &[], data }).collect();
        let found = decode(&outputs, 64, 0.5).unwrap();
        assert_eq!(found.len(), 1);
        assert!((found[0].score - 0.8).abs() < 1e-6);
        assert_eq!(found[0].area, BoxF { x0: 24.0, y0: 16.0, x1: 56.0, y1: 32.0 });
        assert!(decode(&outputs, 56, 0.5).is_err());
    }
}
