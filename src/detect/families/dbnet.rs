//! DBNet (Liao et al., arXiv 1911.08947), the text detector of PaddleOCR: one map `[1, h, w]` of the probability that a
//! pixel belongs to the core of a line of text. Touching pixels are one line; cores were shrunk in training, so their
//! boxes are grown again. A box lies upright whatever the line does: it covers more, never less.

use super::{Found, OutputTensor};
use crate::geometry::{BoxF, Size};

/// From this probability on, a pixel belongs to a core.
const PIXEL_PROBABILITY: f32 = 0.3;
/// By how much a core is grown: this times its area by its perimeter (`unclip_ratio`).
const GROWTH: f32 = 1.6;
/// Cores of fewer pixels a side are specks.
const MIN_SIDE_PX: u32 = 3;

/// Boxes in pixels of `input`, the padded size; the score is the mean probability of a core.
///
/// # Errors
/// What about the output was not an answer.
pub(super) fn decode(outputs: &[OutputTensor<'_>], input: Size, min_score: f32) -> Result<Vec<Found>, String> {
    let output = outputs.first().ok_or("expected an output, found none")?;
    let &[.., height, width] = output.shape else {
        return Err(format!("expected a map, found shape {:?}", output.shape));
    };
    if output.data.len() != height * width || width == 0 {
        return Err(format!("expected one map of {height} x {width}, found {} values", output.data.len()));
    }
    let (scale_x, scale_y) = (input.width as f32 / width as f32, input.height as f32 / height as f32);
    let mut seen = vec![false; output.data.len()];
    let mut found = Vec::new();
    for start in 0..output.data.len() {
        if seen[start] || output.data[start] < PIXEL_PROBABILITY {
            continue;
        }
        let core = Core::flood(output.data, width, start, &mut seen);
        let (core_width, core_height) = (core.x1 - core.x0, core.y1 - core.y0);
        let score = (core.sum / f64::from(core.pixels)) as f32;
        if core_width.min(core_height) < MIN_SIDE_PX || score < min_score {
            continue;
        }
        let (w, h) = (core_width as f32, core_height as f32);
        let grown = GROWTH * w * h / (2.0 * (w + h));
        let area = BoxF {
            x0: (core.x0 as f32 - grown) * scale_x,
            y0: (core.y0 as f32 - grown) * scale_y,
            x1: (core.x1 as f32 + grown) * scale_x,
            y1: (core.y1 as f32 + grown) * scale_y,
        };
        found.push(Found { label: 0, area, score });
    }
    Ok(found)
}

/// Touching pixels, corners included.
struct Core {
    x0: u32,
    y0: u32,
    x1: u32,
    y1: u32,
    pixels: u32,
    sum: f64,
}

impl Core {
    fn flood(map: &[f32], width: usize, start: usize, seen: &mut [bool]) -> Self {
        let mut core = Self { x0: u32::MAX, y0: u32::MAX, x1: 0, y1: 0, pixels: 0, sum: 0.0 };
        let mut open = vec![start];
        seen[start] = true;
        while let Some(at) = open.pop() {
            let (x, y) = (at % width, at / width);
            core.x0 = core.x0.min(x as u32);
            core.y0 = core.y0.min(y as u32);
            core.x1 = core.x1.max(x as u32 + 1);
            core.y1 = core.y1.max(y as u32 + 1);
            core.pixels += 1;
            core.sum += f64::from(map[at]);
            for next_y in y.saturating_sub(1)..=(y + 1).min(map.len() / width - 1) {
                for next_x in x.saturating_sub(1)..=(x + 1).min(width - 1) {
                    let next = next_y * width + next_x;
                    if !seen[next] && map[next] >= PIXEL_PROBABILITY {
                        seen[next] = true;
                        open.push(next);
                    }
                }
            }
        }
        core
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(rects: &[(usize, usize, usize, usize, f32)]) -> Vec<f32> {
        let mut map = vec![0.0; 32 * 16];
        for &(x0, y0, x1, y1, value) in rects {
            for y in y0..y1 {
                map[y * 32 + x0..y * 32 + x1].fill(value);
            }
        }
        map
    }

    #[test]
    fn touching_pixels_are_one_line_and_grow() {
        // One line in two touching parts, one of low probability, one that is a speck.
        let map = map(&[(4, 4, 12, 8, 0.9), (12, 7, 20, 8, 0.5), (2, 12, 12, 16, 0.35), (28, 2, 30, 3, 1.0)]);
        let output = [OutputTensor { shape: &[1, 1, 16, 32], data: &map }];
        let found = decode(&output, Size::new(64, 32), 0.6).unwrap();
        assert_eq!(found.len(), 1, "{found:?}");
        let area = found[0].area;
        let grown = 1.6 * 16.0 * 4.0 / 40.0;
        for (value, expected) in [(area.x0, 4.0 - grown), (area.y0, 4.0 - grown), (area.x1, 20.0 + grown)] {
            assert!((value - 2.0 * expected).abs() < 1e-3, "{area:?}");
        }
        assert!((found[0].score - (0.9 * 32.0 + 0.5 * 8.0) / 40.0).abs() < 1e-5);
        assert_eq!(decode(&output, Size::new(64, 32), 0.3).unwrap().len(), 2);
    }

    #[test]
    fn a_map_of_another_size_is_no_answer() {
        assert!(decode(&[OutputTensor { shape: &[1, 1, 16, 31], data: &[0.0; 512] }], Size::new(64, 32), 0.5).is_err());
        assert!(decode(&[OutputTensor { shape: &[4], data: &[0.0; 4] }], Size::new(64, 32), 0.5).is_err());
    }
}
