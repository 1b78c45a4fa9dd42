//! SCRFD (Guo et al., arXiv 2105.04714): for each stride of 8, 16 and 32 scores `[n, 1]` and distances `[n, 4]` from the
//! cell's corner to left, top, right and bottom, in strides; then, in some exports, landmarks, which are not looked at.
//! Two anchors a cell in most models, one in some.

use super::{Found, OutputTensor, cells};
use crate::geometry::{BoxF, Size};

const STRIDES: [u32; 3] = [8, 16, 32];

/// Outputs in the order of the export: three of scores, three of distances, the rest. `input` is the padded size.
///
/// # Errors
/// What about the output was not an answer.
pub(super) fn decode(outputs: &[OutputTensor<'_>], input: Size, min_score: f32) -> Result<Vec<Found>, String> {
    if outputs.len() < 6 {
        return Err(format!("expected 6 or 9 outputs, found {}", outputs.len()));
    }
    let mut found = Vec::new();
    for (index, stride) in STRIDES.into_iter().enumerate() {
        let (scores, distances) = (outputs[index].data, outputs[3 + index].data);
        let cells: Vec<(f32, f32)> = cells(input, stride).collect();
        let anchors = scores.len() / cells.len().max(1);
        if anchors == 0 || scores.len() != anchors * cells.len() || distances.len() != 4 * scores.len() {
            return Err(format!(
                "stride {stride}: {} scores and {} distances do not fit an input of {} x {}",
                scores.len(),
                distances.len(),
                input.width,
                input.height
            ));
        }
        let stride = stride as f32;
        for (item, (&score, distance)) in scores.iter().zip(distances.chunks_exact(4)).enumerate() {
            if score >= min_score {
                let (column, row) = cells[item / anchors];
                let area = BoxF {
                    x0: (column - distance[0]) * stride,
                    y0: (row - distance[1]) * stride,
                    x1: (column + distance[2]) * stride,
                    y1: (row + distance[3]) * stride,
                };
                found.push(Found { label: 0, area, score });
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_anchor_becomes_one_box() {
        let input = Size::new(64, 32);
        let counts = [64, 16, 4];
        let mut scores: Vec<Vec<f32>> = counts.iter().map(|&count| vec![0.0; count]).collect();
        let mut distances: Vec<Vec<f32>> = counts.iter().map(|&count| vec![0.0; count * 4]).collect();
        let item = (4 + 2) * 2 + 1; // stride 16, row 1, column 2, second anchor
        scores[1][item] = 0.9;
        distances[1][item * 4..item * 4 + 4].copy_from_slice(&[1.0, 0.5, 0.25, 0.75]);
        let outputs: Vec<OutputTensor<'_>> =
            scores.iter().chain(&distances).map(|data| OutputTensor { shape: &[], data }).collect();
        let found = decode(&outputs, input, 0.5).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].area, BoxF { x0: 16.0, y0: 8.0, x1: 36.0, y1: 28.0 });
        assert!(decode(&outputs[..5], input, 0.5).is_err());
        assert!(decode(&outputs, Size::new(96, 64), 0.5).is_err());
    }
}
