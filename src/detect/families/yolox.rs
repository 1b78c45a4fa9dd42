//! YOLOX (Ge et al., arXiv 2107.08430) as its exporter writes it, without the decoding in the graph: one tensor
//! `[n, 5 + classes]` over the cells of strides 8, 16 and 32, row by row. Centre relative to the cell and logarithm of the
//! size, both in strides; a score for an object and one for every class, which are multiplied.

use super::{Found, OutputTensor, cells, centred};
use crate::geometry::Size;

const STRIDES: [u32; 3] = [8, 16, 32];
/// Sizes beyond exp(8) strides are no answer, and larger logarithms no numbers.
const MAX_LOG_SIZE: f32 = 8.0;

/// `input` is the padded size.
///
/// # Errors
/// What about the output was not an answer.
pub(super) fn decode(
    outputs: &[OutputTensor<'_>],
    classes: usize,
    input: Size,
    min_score: f32,
) -> Result<Vec<Found>, String> {
    let output = outputs.first().ok_or("expected an output, found none")?;
    let fields = 5 + classes;
    let count: usize = STRIDES.iter().map(|&stride| cells(input, stride).count()).sum();
    if output.data.len() != count * fields {
        return Err(format!("expected {count} x {fields} values, found shape {:?}", output.shape));
    }
    let mut found = Vec::new();
    let all_cells = STRIDES.iter().flat_map(|&stride| cells(input, stride).map(move |cell| (stride as f32, cell)));
    for ((stride, (column, row)), item) in all_cells.zip(output.data.chunks_exact(fields)) {
        for label in 0..classes {
            let score = item[4] * item[5 + label];
            if score >= min_score {
                let size = |log: f32| log.min(MAX_LOG_SIZE).exp() * stride;
                let area = centred((column + item[0]) * stride, (row + item[1]) * stride, size(item[2]), size(item[3]));
                found.push(Found { label, area, score });
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::BoxF;

    #[test]
    fn one_cell_becomes_one_box() {
        // An input of 64 x 32: 32, 8 and 2 cells of 7 fields.
        let input = Size::new(64, 32);
        let mut data = vec![0.0; 42 * 7];
        let item = 32 + 6; // stride 16, row 1, column 2
        data[item * 7..item * 7 + 7].copy_from_slice(&[0.5, 0.25, 2f32.ln(), 0.0, 0.8, 0.1, 0.9]);
        let found = decode(&[OutputTensor { shape: &[1, 42, 7], data: &data }], 2, input, 0.5).unwrap();
        assert_eq!(found.len(), 1);
        assert!(found[0].label == 1 && (found[0].score - 0.72).abs() < 1e-6);
        assert_eq!(found[0].area, BoxF { x0: 24.0, y0: 12.0, x1: 56.0, y1: 28.0 });
        assert!(decode(&[OutputTensor { shape: &[1, 42, 7], data: &data }], 1, input, 0.5).is_err());
        assert!(decode(&[OutputTensor { shape: &[1, 42, 7], data: &data }], 2, Size::new(64, 64), 0.5).is_err());
    }
}
