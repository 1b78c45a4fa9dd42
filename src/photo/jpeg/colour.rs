//! Decoded components, and the picture that they show.

use super::frame::{Colour, Component, Frame};
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
    pub fn put<const N: usize>(&mut self, corner: usize, pixels: &[[u8; N]; N]) {
        for (row, line) in pixels.iter().enumerate() {
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
        let pixels = line.chunks_exact_mut(3).zip(luma).zip(blue).zip(red);
        match frame.colour {
            Colour::Rgb => pixels.for_each(|(((pixel, &r), &g), &b)| pixel.copy_from_slice(&[r, g, b])),
            _ => pixels.for_each(|(((pixel, &y), &cb), &cr)| pixel.copy_from_slice(&ycc_to_rgb(y, cb, cr))),
        }
    }
    RgbView { size, rgb }
}

/// T.871.
#[inline(always)]
fn ycc_to_rgb(y: u8, cb: u8, cr: u8) -> [u8; 3] {
    let (y, cb, cr) = (f32::from(y), f32::from(cb) - 128.0, f32::from(cr) - 128.0);
    [y + 1.402 * cr, y - 0.344_136 * cb - 0.714_136 * cr, y + 1.772 * cb].map(level)
}

/// T.871, without rounding.
pub(super) fn ycc_of(rgb: [u8; 3]) -> [f32; 3] {
    let [r, g, b] = rgb.map(f32::from);
    let luma = 0.299 * r + 0.587 * g + 0.114 * b;
    [luma, 128.0 + (b - luma) / 1.772, 128.0 + (r - luma) / 1.402]
}

#[inline(always)]
fn level(value: f32) -> u8 {
    const ROUND: f32 = 8_388_608.0;
    let above = if value > 0.0 { value } else { 0.0 };
    let within = if above < 255.0 { above } else { 255.0 };
    (within + ROUND).to_bits() as u8
}

/// One fine row of a coarse plane. Halves are interpolated with weights of 3 and 1, other ratios repeated.
fn enlarge_row(coarse: &Plane, y: usize, (across, down): (usize, usize), sums: &mut [u16], fine: &mut [u8]) {
    let row = coarse.row(y / down);
    match (across, down) {
        (1, 1) => fine.copy_from_slice(row),
        (2, 1 | 2) => {
            // Sums of four parts, from the row itself and the nearer of its neighbours.
            let sums = &mut sums[..row.len()];
            if down == 2 {
                let near = if y % 2 == 0 { (y / 2).saturating_sub(1) } else { (y / 2 + 1).min(coarse.height() - 1) };
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
fn double(sums: &[u16], fine: &mut [u8]) {
    let (Some(&first), Some(&last)) = (sums.first(), sums.last()) else { return };
    let count = fine.len();
    fine[0] = ((first * 4 + 8) >> 4) as u8;
    fine[count - 1] = ((last * 4 + 7) >> 4) as u8;
    let pairs = sums.iter().zip(&sums[1..]);
    for (pixels, (&a, &b)) in fine[1..count - 1].chunks_exact_mut(2).zip(pairs) {
        pixels[0] = ((3 * a + b + 7) >> 4) as u8;
        pixels[1] = ((3 * b + a + 8) >> 4) as u8;
    }
}
