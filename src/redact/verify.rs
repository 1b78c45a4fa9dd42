//! Proof, on the encoded result, that every region shows what was intended and nothing of what was there.

use super::style::Obscured;
use crate::{
    error::{ErrorCode, PhotoError, PhotoResult, Stage},
    geometry::{Rect, Size},
    photo::{Photo, RgbView},
};

/// How far a cell's mean may move in coding, in levels of 255.
const MAX_CELL_ERROR: f64 = 6.0;
/// How much of the removed detail may be left, as a correlation.
const MAX_CORRELATION: f64 = 0.2;
/// Differences below this standard deviation (in levels; luma, blue and red difference) are rounding: they have no
/// room for a picture. Colour is coded more coarsely than luma, and decoders interpolate it.
const MIN_DEVIATIONS: [f64; 3] = [1.0, 2.5, 2.5];

/// What one region showed before, and what it was meant to show after all regions were painted.
pub(super) struct Evidence {
    pub region: Obscured,
    pub original: RgbView,
    pub intended: RgbView,
}

/// Check `published`, which was opened from the encoded bytes.
///
/// # Errors
/// `verify_failed`, with the first region that failed and why.
pub(super) fn verify(published: &dyn Photo, upright: Size, evidence: &[Evidence]) -> PhotoResult<()> {
    if published.upright_size() != upright {
        return Err(failed(format!("expected {upright:?}, the result has {:?}", published.upright_size())));
    }
    for (index, item) in evidence.iter().enumerate() {
        let rect = item.region.rect;
        let shown = published.view(rect.into(), rect.size(), 0)?;
        check_region(item, &shown).map_err(|why| failed(format!("region {index} of {}: {why}", evidence.len())))?;
    }
    Ok(())
}

fn failed(detail: String) -> PhotoError {
    PhotoError::new(Stage::Verify, ErrorCode::VerifyFailed, detail)
}

fn check_region(item: &Evidence, shown: &RgbView) -> Result<(), String> {
    let (intended, seen) = (planes(&item.intended), planes(shown));
    for cell in item.region.cell_rects() {
        let (expected, found) = (mean(&intended[0], shown.size, cell), mean(&seen[0], shown.size, cell));
        if (expected - found).abs() > MAX_CELL_ERROR {
            return Err(format!("a cell's mean is {found:.1}, expected {expected:.1}"));
        }
    }
    // Decoders interpolate colour across a region's edge, so its outermost pixels show a little of their neighbours.
    let inner = inner_rect(shown.size);
    let original = planes(&item.original);
    for plane in 0..3 {
        let removed = difference(&original[plane], &intended[plane], shown.size, inner);
        let left = difference(&seen[plane], &intended[plane], shown.size, inner);
        let correlation = correlation(&removed, &left, MIN_DEVIATIONS[plane]);
        if correlation > MAX_CORRELATION {
            return Err(format!("correlation {correlation:.2} with what was there"));
        }
    }
    Ok(())
}

/// Luma and two colour differences (Rec. 601), so that colour alone cannot leak unseen.
fn planes(view: &RgbView) -> [Vec<f32>; 3] {
    let mut planes: [Vec<f32>; 3] = std::array::from_fn(|_| Vec::with_capacity(view.rgb.len() / 3));
    for pixel in view.rgb.chunks_exact(3) {
        let [r, g, b] = [f32::from(pixel[0]), f32::from(pixel[1]), f32::from(pixel[2])];
        let luma = 0.299 * r + 0.587 * g + 0.114 * b;
        planes[0].push(luma);
        planes[1].push(0.564 * (b - luma));
        planes[2].push(0.713 * (r - luma));
    }
    planes
}

fn inner_rect(size: Size) -> Rect {
    let margin = |side: u32| u32::from(side >= 8);
    let (x, y) = (margin(size.width), margin(size.height));
    Rect { x, y, width: size.width - 2 * x, height: size.height - 2 * y }
}

fn mean(plane: &[f32], size: Size, rect: Rect) -> f64 {
    let sum: f64 = pixels(plane, size, rect).map(f64::from).sum();
    sum / rect.area().max(1) as f64
}

fn difference(a: &[f32], b: &[f32], size: Size, rect: Rect) -> Vec<f32> {
    pixels(a, size, rect).zip(pixels(b, size, rect)).map(|(a, b)| a - b).collect()
}

fn pixels(plane: &[f32], size: Size, rect: Rect) -> impl Iterator<Item = f32> + '_ {
    (rect.y..rect.bottom()).flat_map(move |y| {
        let start = y as usize * size.width as usize + rect.x as usize;
        plane[start..start + rect.width as usize].iter().copied()
    })
}

/// Pearson correlation, without its sign: a negative of a face is a face. 0 where either side is flat.
fn correlation(a: &[f32], b: &[f32], min_deviation: f64) -> f64 {
    let count = a.len() as f64;
    let average = |values: &[f32]| values.iter().copied().map(f64::from).sum::<f64>() / count;
    let (mean_a, mean_b) = (average(a), average(b));
    let (mut aa, mut bb, mut ab) = (0.0, 0.0, 0.0);
    for (&a, &b) in a.iter().zip(b) {
        let (a, b) = (f64::from(a) - mean_a, f64::from(b) - mean_b);
        aa += a * a;
        bb += b * b;
        ab += a * b;
    }
    let flat = min_deviation * min_deviation * count;
    if aa < flat || bb < flat { 0.0 } else { (ab / (aa * bb).sqrt()).abs() }
}

#[cfg(test)]
mod tests {
    use super::{
        super::style::{Obscured, Style},
        *,
    };

    const SIZE: Size = Size { width: 48, height: 32 };

    /// Something with edges and texture.
    fn picture() -> RgbView {
        let rgb = (0..SIZE.pixels() as u32)
            .flat_map(|at| {
                let (x, y) = (at % SIZE.width, at / SIZE.width);
                let bars = if (x / 5 + y / 7) % 2 == 0 { 220 } else { 40 };
                [bars, (x * 5) as u8, (y * 7) as u8]
            })
            .collect();
        RgbView { size: SIZE, rgb }
    }

    fn painted(region: &Obscured) -> RgbView {
        let rgb = (0..SIZE.height).flat_map(|y| (0..SIZE.width).flat_map(move |x| region.colour_at(x, y))).collect();
        RgbView { size: SIZE, rgb }
    }

    fn evidence(style: Style) -> Evidence {
        let original = picture();
        let region = Obscured::new(SIZE.rect(), style, 4, &original);
        let intended = painted(&region);
        Evidence { region, original, intended }
    }

    fn changed(view: &RgbView, change: impl Fn(usize, u8) -> f32) -> RgbView {
        let rgb = view.rgb.iter().enumerate().map(|(at, &value)| change(at, value).clamp(0.0, 255.0) as u8).collect();
        RgbView { size: view.size, rgb }
    }

    #[test]
    fn passes_what_was_intended_and_coding_noise() {
        for style in [Style::Blur, Style::Mosaic, Style::Solid] {
            let item = evidence(style);
            check_region(&item, &item.intended).unwrap();
            let noisy = changed(&item.intended, |at, value| f32::from(value) + ((at * 7919) % 7) as f32 - 3.0);
            check_region(&item, &noisy).unwrap();
        }
    }

    #[test]
    fn catches_planted_failures() {
        for style in [Style::Blur, Style::Mosaic, Style::Solid] {
            let item = evidence(style);
            let original = &item.original.rgb;
            let caught = |shown: &RgbView, what: &str| {
                assert!(check_region(&item, shown).is_err(), "{what} passed as {style:?}");
            };
            caught(&item.original, "the clear picture");
            let faint = |share: f32| {
                changed(&item.intended, |at, value| {
                    f32::from(value) + (f32::from(original[at]) - f32::from(value)) * share
                })
            };
            caught(&faint(0.10), "a tenth of the picture");
            caught(&faint(-0.10), "a tenth of its negative");
            let shifted = changed(&item.intended, |at, value| {
                if at / 3 % SIZE.width as usize >= 40 { f32::from(original[at]) } else { f32::from(value) }
            });
            caught(&shifted, "a clear strip at the edge");
            caught(&changed(&item.intended, |_, value| f32::from(value) + 9.0), "another brightness");
            // Only colour left clear: luma of the style, colour of the picture.
            let colour = changed(&item.intended, |at, value| {
                let pixel = at / 3 * 3;
                let luma =
                    |rgb: &[u8]| 0.299 * f32::from(rgb[0]) + 0.587 * f32::from(rgb[1]) + 0.114 * f32::from(rgb[2]);
                f32::from(original[at]) - luma(&original[pixel..pixel + 3])
                    + luma(&item.intended.rgb[pixel..pixel + 3])
                    + 0.0 * f32::from(value)
            });
            caught(&colour, "the picture's colour");
        }
    }
}
