//! Decoded components, and the picture that they show.

use fearless_simd::dispatch;

use super::{
    frame::{Colour, Component, Frame},
    vectors,
};
use crate::{
    geometry::{Rect, Size},
    photo::RgbView,
};

/// The samples of one component of some MCUs.
#[derive(Clone, Debug)]
pub(super) struct Plane {
    pub width: usize,
    pub samples: Vec<u8>,
}

impl Plane {
    /// A plane for every component, for so many MCUs across and down at `scale` pixels a block.
    pub fn all(frame: &Frame, scale: usize, across: usize, down: usize) -> Vec<Self> {
        let plane = |component: &Component| {
            let width = across * component.across * scale;
            Self { width, samples: vec![0; width * down * component.down * scale] }
        };
        frame.components.iter().map(plane).collect()
    }

    #[inline(always)]
    pub fn put<const N: usize>(&mut self, corner: usize, pixels: &[u8]) {
        for (row, line) in pixels.as_chunks::<N>().0.iter().enumerate() {
            let at = corner + row * self.width;
            self.samples[at..at + N].copy_from_slice(line);
        }
    }

    #[inline(always)]
    pub fn fill<const N: usize>(&mut self, corner: usize, value: u8) {
        for row in 0..N {
            let at = corner + row * self.width;
            self.samples[at..at + N].fill(value);
        }
    }

    fn row(&self, y: usize) -> &[u8] {
        &self.samples[y * self.width..(y + 1) * self.width]
    }

    fn height(&self) -> usize {
        self.samples.len() / self.width.max(1)
    }
}

/// The picture of the planes inside `part`, which counts their own pixels. Colour that is coded more coarsely is
/// interpolated as libjpeg does it, but not with what lies outside the planes.
pub(super) fn to_rgb(frame: &Frame, planes: &[Plane], part: Rect) -> RgbView {
    dispatch!(vectors(), _ => to_rgb_inlined(frame, planes, part))
}

#[inline(always)]
fn to_rgb_inlined(frame: &Frame, planes: &[Plane], part: Rect) -> RgbView {
    let size = Size::new(part.width, part.height);
    let mut rgb = vec![0; part.area() as usize * 3];
    let columns = part.x as usize..part.right() as usize;
    let row_bytes = part.width as usize * 3;
    let [luma, colours @ ..] = planes else { return RgbView { size, rgb } };
    let ratio = match frame.components.get(1) {
        Some(coarse) => (frame.mcu_across / coarse.across, frame.mcu_down / coarse.down),
        None => (1, 1),
    };
    let mut fine = [vec![0; luma.width], vec![0; luma.width]];
    let mut sums = vec![0; luma.width];
    let mut channels = [vec![0; part.width as usize], vec![0; part.width as usize], vec![0; part.width as usize]];
    for (line, y) in rgb.chunks_exact_mut(row_bytes).zip(part.y as usize..) {
        let luma = &luma.row(y)[columns.clone()];
        let [blue, red] = colours else {
            line.chunks_exact_mut(3).zip(luma).for_each(|(pixel, &grey)| pixel.fill(grey));
            continue;
        };
        for (coarse, fine) in [blue, red].into_iter().zip(&mut fine) {
            enlarge_row(coarse, y, ratio, &mut sums, fine);
        }
        let (blue, red) = (&fine[0][columns.clone()], &fine[1][columns.clone()]);
        if frame.colour == Colour::Rgb {
            interleave([luma, blue, red], line);
        } else {
            ycc_row(luma, blue, red, &mut channels);
            interleave([&channels[0], &channels[1], &channels[2]], line);
        }
    }
    RgbView { size, rgb }
}

/// Pixels of a row in three rows, from which [`interleave`] makes pixels: the compiler has vectors for either, but not for
/// both at once.
#[inline(always)]
fn ycc_row(luma: &[u8], blue: &[u8], red: &[u8], [r, g, b]: &mut [Vec<u8>; 3]) {
    let count = luma.len();
    let (blue, red) = (&blue[..count], &red[..count]);
    let (r, g, b) = (&mut r[..count], &mut g[..count], &mut b[..count]);
    for x in 0..count {
        [r[x], g[x], b[x]] = ycc_to_rgb(luma[x], blue[x], red[x]);
    }
}

/// Three samples a pixel.
#[inline(always)]
fn interleave([r, g, b]: [&[u8]; 3], line: &mut [u8]) {
    let (pixels, _) = line.as_chunks_mut::<3>();
    let samples = r.iter().zip(g).zip(b);
    pixels.iter_mut().zip(samples).for_each(|(pixel, ((&r, &g), &b))| *pixel = [r, g, b]);
}

/// T.871, in 16-bit numbers with half a level of precision: within one level of the formula.
#[inline(always)]
fn ycc_to_rgb(y: u8, cb: u8, cr: u8) -> [u8; 3] {
    // Twice the product with `factor` parts of 2^14. The compiler has one instruction for eight of these.
    let twice = |colour: i16, factor: i16| ((i32::from(colour << 3) * i32::from(factor)) >> 16) as i16;
    let (y, cb, cr) = (i16::from(y), i16::from(cb) - 128, i16::from(cr) - 128);
    let red = y + ((twice(cr, 22_970) + 1) >> 1);
    let green = y - ((twice(cb, 5_638) + twice(cr, 11_700) + 1) >> 1);
    let blue = y + ((twice(cb, 29_032) + 1) >> 1);
    [red, green, blue].map(|value| value.clamp(0, 255) as u8)
}

/// T.871, without rounding.
pub(super) fn ycc_of(rgb: [u8; 3]) -> [f32; 3] {
    let [r, g, b] = rgb.map(f32::from);
    let luma = 0.299 * r + 0.587 * g + 0.114 * b;
    [luma, 128.0 + (b - luma) / 1.772, 128.0 + (r - luma) / 1.402]
}

/// One fine row of a coarse plane. Halves are interpolated with weights of 3 and 1, other ratios repeated.
#[inline(always)]
fn enlarge_row(coarse: &Plane, y: usize, (across, down): (usize, usize), sums: &mut [u16], fine: &mut [u8]) {
    let row = coarse.row(y / down);
    match (across, down) {
        (1, 1) => fine.copy_from_slice(row),
        (2, 1 | 2) => {
            // Sums of four parts, from the row itself and the nearer of its neighbours.
            let sums = &mut sums[..row.len()];
            if down == 2 {
                let near =
                    if y.is_multiple_of(2) { (y / 2).saturating_sub(1) } else { (y / 2 + 1).min(coarse.height() - 1) };
                let pairs = row.iter().zip(coarse.row(near));
                sums.iter_mut().zip(pairs).for_each(|(sum, (&a, &b))| *sum = 3 * u16::from(a) + u16::from(b));
            } else {
                sums.iter_mut().zip(row).for_each(|(sum, &a)| *sum = 4 * u16::from(a));
            }
            double(sums, fine);
        }
        _ => fine.chunks_mut(across).zip(row).for_each(|(pixels, &value)| pixels.fill(value)),
    }
}

/// Twice as many samples as there are sums of four.
#[inline(always)]
fn double(sums: &[u16], fine: &mut [u8]) {
    let (Some(&first), Some(&last)) = (sums.first(), sums.last()) else { return };
    let count = fine.len();
    fine[0] = ((first * 4 + 8) >> 4) as u8;
    fine[count - 1] = ((last * 4 + 7) >> 4) as u8;
    let pairs = sums.iter().zip(&sums[1..]);
    for (pixels, (&a, &b)) in fine[1..count - 1].as_chunks_mut::<2>().0.iter_mut().zip(pairs) {
        // As a word, which the compiler has vectors for.
        *pixels = ((3 * a + b + 7) >> 4 | ((3 * b + a + 8) >> 4) << 8).to_le_bytes();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_within_a_level_of_the_formula() {
        for at in 0..64u32 * 64 * 64 {
            let [y, cb, cr] = [at % 64 * 4 + 1, at / 64 % 64 * 4 + 2, at / 4096 * 4 + 3].map(|value| value as u8);
            let (luma, blue, red) = (f32::from(y), f32::from(cb) - 128.0, f32::from(cr) - 128.0);
            let exact = [luma + 1.402 * red, luma - 0.344_136 * blue - 0.714_136 * red, luma + 1.772 * blue];
            for (found, exact) in ycc_to_rgb(y, cb, cr).into_iter().zip(exact) {
                assert!((f32::from(found) - exact.clamp(0.0, 255.0)).abs() <= 1.01, "{y} {cb} {cr}");
            }
        }
    }

    #[test]
    fn coarse_colour_is_interpolated_as_libjpeg_does() {
        let plane = Plane { width: 3, samples: vec![0, 100, 200, 40, 40, 40] };
        let mut fine = [0; 6];
        enlarge_row(&plane, 0, (2, 1), &mut [0; 6], &mut fine);
        assert_eq!(fine, [0, 25, 75, 125, 175, 200]);
        // Three parts of the first row, one of itself above and of the second below.
        enlarge_row(&plane, 0, (2, 2), &mut [0; 6], &mut fine);
        assert_eq!(fine, [0, 25, 75, 125, 175, 200]);
        enlarge_row(&plane, 1, (2, 2), &mut [0; 6], &mut fine);
        assert_eq!(fine, [10, 29, 66, 104, 141, 160]);
        enlarge_row(&plane, 3, (1, 2), &mut [0; 6], &mut fine[..3]);
        assert_eq!(fine[..3], [40; 3]);
    }
}
