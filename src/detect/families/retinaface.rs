//! RetinaFace (Deng et al., arXiv 1905.00641) in the layout of its common export: offsets `[n, 4]`, scores `[n, 2]` of
//! which the second is that of a face, and landmarks `[n, 10]`, in any order; over anchors of two sizes in every cell of
//! strides 8, 16 and 32.

use super::{Found, OutputTensor, cells, centred};
use crate::geometry::Size;

/// Stride, and the sides of its two anchors, in pixels.
const LEVELS: [(u32, [f32; 2]); 3] = [(8, [16.0, 32.0]), (16, [64.0, 128.0]), (32, [256.0, 512.0])];
/// What offsets of the centre and logarithms of the size are divided by in training.
const CENTRE_VARIANCE: f32 = 0.1;
const SIZE_VARIANCE: f32 = 0.2;
const MAX_LOG_SIZE: f32 = 8.0;

/// `input` is the padded size.
///
/// # Errors
/// What about the output was not an answer.
pub(super) fn decode(outputs: &[OutputTensor<'_>], input: Size, min_score: f32) -> Result<Vec<Found>, String> {
    let of_columns = |columns: usize| {
        let output = outputs.iter().find(|output| output.shape.last() == Some(&columns));
        output.map(|output| output.data).ok_or_else(|| format!("expected an output with {columns} columns, found none"))
    };
    let (offsets, scores) = (of_columns(4)?, of_columns(2)?);
    let anchors: Vec<(f32, f32, f32)> = LEVELS
        .iter()
        .flat_map(|&(stride, sides)| {
            cells(input, stride).flat_map(move |(column, row)| {
                sides.map(|side| ((column + 0.5) * stride as f32, (row + 0.5) * stride as f32, side))
            })
        })
        .collect();
    if scores.len() != 2 * anchors.len() || offsets.len() != 4 * anchors.len() {
        return Err(format!("expected {} anchors, found {} scores", anchors.len(), scores.len() / 2));
    }
    let items = anchors.iter().zip(scores.chunks_exact(2)).zip(offsets.chunks_exact(4));
    let faces = items.filter(|((_, scores), _)| scores[1] >= min_score);
    Ok(faces
        .map(|((&(x, y, side), scores), offset)| {
            let size = |log: f32| side * (log * SIZE_VARIANCE).min(MAX_LOG_SIZE).exp();
            let (dx, dy) = (offset[0] * CENTRE_VARIANCE * side, offset[1] * CENTRE_VARIANCE * side);
            Found { label: 0, area: centred(x + dx, y + dy, size(offset[2]), size(offset[3])), score: scores[1] }
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_anchor_becomes_one_box_whatever_the_order_of_outputs() {
        let input = Size::new(64, 32);
        let count = (32 + 8 + 2) * 2;
        let (mut offsets, mut scores, landmarks) = (vec![0.0; count * 4], vec![0.0; count * 2], vec![0.0; count * 10]);
        let item = (32 + 6) * 2 + 1; // stride 16, row 1, column 2, side 128
        scores[item * 2 + 1] = 0.9;
        offsets[item * 4..item * 4 + 4].copy_from_slice(&[1.0, -0.5, 0.5f32.ln() / 0.2, 0.0]);
        let tensors = [(vec![1, count, 10], &landmarks), (vec![1, count, 2], &scores), (vec![1, count, 4], &offsets)];
        let outputs: Vec<OutputTensor<'_>> = tensors.iter().map(|(shape, data)| OutputTensor { shape, data }).collect();
        let found = decode(&outputs, input, 0.5).unwrap();
        assert_eq!(found.len(), 1);
        let area = found[0].area;
        for (value, expected) in [(area.x0, 20.8), (area.x1, 84.8), (area.y0, -46.4), (area.y1, 81.6)] {
            assert!((value - expected).abs() < 1e-3, "{area:?}");
        }
        assert!(decode(&outputs[..2], input, 0.5).is_err());
        assert!(decode(&outputs, Size::new(64, 64), 0.5).is_err());
    }
}
