//! What is put in a region's place: at most K x K cells of colour, each the average of the pixels under it, quantised; or
//! one cell, of the colour of the region's frame.
//!
//! A blur or a fine mosaic can be undone by rendering guesses and comparing (Hill et al., "On the (In)effectiveness of
//! Mosaicing and Blurring as Tools for Document Redaction", PoPETs 2016). Only the number of cells bounds what an
//! attacker can learn, whatever the cells look like, so all styles share it. The average of a whole plate still tells how
//! much of it is inked, which many photos make exact (docs/irreversibility.md); its frame, which enlarging puts around the
//! plate, tells nothing of the number.

use serde::{Deserialize, Serialize};

use crate::{geometry::Rect, photo::RgbView};

/// How the cells of a region look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Style {
    /// Cells smoothly blended: looks like a strong blur, carries no more than the mosaic.
    Blur,
    /// Cells as squares.
    Mosaic,
    /// One colour.
    #[default]
    Solid,
}

/// Distance of the levels that a cell's colour is rounded to, for regions of several cells and of one.
const QUANTISATION_STEP: u32 = 16;
const SOLID_QUANTISATION_STEP: u32 = 32;
/// The frame of a region is this part of its shorter side thick, and at least a pixel.
const FRAME_PART: u32 = 16;

/// A region and what will stand there, in upright pixels.
#[derive(Clone, Debug, PartialEq)]
pub struct Obscured {
    pub rect: Rect,
    pub style: Style,
    columns: u32,
    rows: u32,
    /// Side of a cell in pixels; the last column and row may be narrower.
    cell_px: u32,
    /// Row by row, `columns * rows` colours.
    colours: Vec<[u8; 3]>,
}

impl Obscured {
    /// Cells for `rect` from what stands there now; `original` has the size of `rect`. The longer side gets at most
    /// `cells` cells.
    #[must_use]
    pub fn new(rect: Rect, style: Style, cells: u32, original: &RgbView) -> Self {
        Self::in_steps(rect, style, cells, 1, original)
    }

    /// The same, with the cells of a mosaic no smaller than that and whole multiples of `cell_step` pixels.
    #[must_use]
    pub fn in_steps(rect: Rect, style: Style, cells: u32, cell_step: u32, original: &RgbView) -> Self {
        let cells = if style == Style::Solid { 1 } else { cells.max(1) };
        let even = rect.width.max(rect.height).div_ceil(cells).max(1);
        let cell_px = if style == Style::Mosaic { even.next_multiple_of(cell_step) } else { even };
        let (columns, rows) = (rect.width.div_ceil(cell_px), rect.height.div_ceil(cell_px));
        let mut grid = Self { rect, style, columns, rows, cell_px, colours: Vec::new() };
        grid.colours = if columns * rows == 1 {
            vec![frame_average(original).map(|mean| quantise(mean, SOLID_QUANTISATION_STEP))]
        } else {
            let colour = |cell| average(original, cell).map(|mean| quantise(mean, QUANTISATION_STEP));
            grid.cell_rects().map(colour).collect()
        };
        grid
    }

    /// The cells, in coordinates of the region, row by row.
    pub fn cell_rects(&self) -> impl Iterator<Item = Rect> + use<> {
        let (columns, rows, cell_px, rect) = (self.columns, self.rows, self.cell_px, self.rect);
        (0..rows * columns).map(move |index| {
            let (x, y) = (index % columns * cell_px, index / columns * cell_px);
            Rect { x, y, width: cell_px.min(rect.width - x), height: cell_px.min(rect.height - y) }
        })
    }

    /// The cells' colours, row by row. A blur shows blends of them too.
    #[must_use]
    pub fn colours(&self) -> &[[u8; 3]] {
        &self.colours
    }

    /// The colour at (`x`, `y`), counted from the region's corner.
    #[must_use]
    pub fn colour_at(&self, x: u32, y: u32) -> [u8; 3] {
        match self.style {
            Style::Solid | Style::Mosaic => self.cell(x / self.cell_px, y / self.cell_px),
            Style::Blur => self.blended(x, y),
        }
    }

    /// The colour of a part of the photo, if it lies in the region and in a cell that is shown as it is.
    #[must_use]
    pub fn flat_colour(&self, part: Rect) -> Option<[u8; 3]> {
        if self.style == Style::Blur || !self.rect.contains(part) {
            return None;
        }
        let cell = |x: u32, y: u32| ((x - self.rect.x) / self.cell_px, (y - self.rect.y) / self.cell_px);
        let first = cell(part.x, part.y);
        (first == cell(part.right() - 1, part.bottom() - 1)).then(|| self.cell(first.0, first.1))
    }

    /// Paint a part of the photo, given row by row, where the region covers it. What it does not cover keeps its colour.
    pub fn paint(&self, part: Rect, colours: &mut [[u8; 3]]) {
        let (left, right) = (part.x.max(self.rect.x), part.right().min(self.rect.right()));
        let (top, bottom) = (part.y.max(self.rect.y), part.bottom().min(self.rect.bottom()));
        if left >= right {
            return;
        }
        let width = (right - left) as usize;
        for y in top..bottom {
            let first = (y - part.y) as usize * part.width as usize + (left - part.x) as usize;
            self.paint_row(left - self.rect.x, y - self.rect.y, &mut colours[first..first + width]);
        }
    }

    /// A row of pixels from (`x`, `y`) on, counted from the region's corner.
    fn paint_row(&self, x: u32, y: u32, row: &mut [[u8; 3]]) {
        if self.style != Style::Blur {
            for (x, colour) in (x..).zip(row) {
                *colour = self.cell(x / self.cell_px, y / self.cell_px);
            }
            return;
        }
        // As in `blended`, with what a row has in common done once.
        let unit = 2 * u64::from(self.cell_px);
        let (top, bottom, fy) = neighbours(y, self.cell_px, self.rows);
        let mixed = |column: u32| {
            let (above, below) = (self.cell(column, top), self.cell(column, bottom));
            std::array::from_fn(|channel| u64::from(above[channel]) * (unit - fy) + u64::from(below[channel]) * fy)
        };
        let columns: Vec<[u64; 3]> = (0..self.columns).map(mixed).collect();
        let (half, share) = (unit * unit / 2, 1.0 / (unit * unit) as f64);
        for (x, colour) in (x..).zip(row) {
            let (left, right, fx) = neighbours(x, self.cell_px, self.columns);
            let (left, right) = (&columns[left as usize], &columns[right as usize]);
            *colour = std::array::from_fn(|channel| {
                let sum = left[channel] * (unit - fx) + right[channel] * fx + half;
                // A little more than the quotient, which the rounding of its factors may have taken away.
                (sum as f64 * share + 1e-6) as u8
            });
        }
    }

    fn cell(&self, column: u32, row: u32) -> [u8; 3] {
        self.colours[(row * self.columns + column) as usize]
    }

    /// Bilinear between the centres of the four nearest cells.
    fn blended(&self, x: u32, y: u32) -> [u8; 3] {
        let (left, right, fx) = neighbours(x, self.cell_px, self.columns);
        let (top, bottom, fy) = neighbours(y, self.cell_px, self.rows);
        let corners = [self.cell(left, top), self.cell(right, top), self.cell(left, bottom), self.cell(right, bottom)];
        let unit = 2 * u64::from(self.cell_px);
        let weights = [(unit - fx) * (unit - fy), fx * (unit - fy), (unit - fx) * fy, fx * fy];
        std::array::from_fn(|channel| {
            let sum: u64 =
                corners.iter().zip(weights).map(|(corner, weight)| u64::from(corner[channel]) * weight).sum();
            ((sum + unit * unit / 2) / (unit * unit)) as u8
        })
    }
}

/// The cells before and after a place, and how far it lies between their centres, in half pixels out of two cells.
fn neighbours(at: u32, cell_px: u32, count: u32) -> (u32, u32, u64) {
    let position = 2 * at + 1;
    let before = (position + cell_px) / (2 * cell_px);
    match before {
        0 => (0, 0, 0),
        _ if before >= count => (count - 1, count - 1, 0),
        _ => (before - 1, before, u64::from(position + cell_px - before * 2 * cell_px)),
    }
}

fn average(view: &RgbView, cell: Rect) -> [u32; 3] {
    sums(view, cell).map(|sum| (sum / cell.area().max(1)) as u32)
}

/// The average of the pixels along the edges, or of all where there are no others.
fn frame_average(view: &RgbView) -> [u32; 3] {
    let (width, height) = (view.size.width, view.size.height);
    let thick = (width.min(height) / FRAME_PART).max(1);
    let whole = Rect { x: 0, y: 0, width, height };
    let inner =
        Rect { x: thick, y: thick, width: width.saturating_sub(2 * thick), height: height.saturating_sub(2 * thick) };
    if inner.area() == 0 {
        return average(view, whole);
    }
    let (all, inside) = (sums(view, whole), sums(view, inner));
    std::array::from_fn(|channel| ((all[channel] - inside[channel]) / (whole.area() - inner.area())) as u32)
}

fn sums(view: &RgbView, part: Rect) -> [u64; 3] {
    let mut sums = [0u64; 3];
    for y in part.y..part.bottom() {
        let start = (y as usize * view.size.width as usize + part.x as usize) * 3;
        for pixel in view.rgb[start..start + part.width as usize * 3].chunks_exact(3) {
            for (sum, &value) in sums.iter_mut().zip(pixel) {
                *sum += u64::from(value);
            }
        }
    }
    sums
}

fn quantise(mean: u32, step: u32) -> u8 {
    (mean / step * step + step / 2).min(255) as u8
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::geometry::Size;

    fn noise(size: Size) -> RgbView {
        let rgb = (0..size.pixels() * 3).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        RgbView { size, rgb }
    }

    fn styles() -> impl Strategy<Value = Style> {
        prop_oneof![Just(Style::Blur), Just(Style::Mosaic), Just(Style::Solid)]
    }

    proptest! {
        #[test]
        fn no_style_carries_more_than_its_cells(style in styles(), w in 1u32..80, h in 1u32..80, cells in 1u32..9) {
            let rect = Rect { x: 3, y: 5, width: w, height: h };
            let obscured = Obscured::new(rect, style, cells, &noise(rect.size()));
            let allowed = if style == Style::Solid { 1 } else { cells };
            prop_assert!(obscured.columns <= allowed && obscured.rows <= allowed);
            prop_assert_eq!(obscured.colours.len() as u32, obscured.columns * obscured.rows);
            let area: u64 = obscured.cell_rects().map(Rect::area).sum();
            prop_assert_eq!(area, rect.area());
            for y in 0..h {
                for x in 0..w {
                    let colour = obscured.colour_at(x, y);
                    // Blending stays within the cells' colours.
                    for channel in 0..3 {
                        let values = obscured.colours.iter().map(|cell| cell[channel]);
                        prop_assert!(values.clone().min() <= Some(colour[channel]));
                        prop_assert!(values.max() >= Some(colour[channel]));
                    }
                }
            }
        }
    }

    proptest! {
        #[test]
        fn painting_a_part_shows_the_same_colours(
            style in styles(), w in 1u32..80, h in 1u32..80, cells in 1u32..9, px in 0u32..60, py in 0u32..60, pw in 1u32..40, ph in 1u32..40,
        ) {
            let rect = Rect { x: 9, y: 7, width: w, height: h };
            let obscured = Obscured::new(rect, style, cells, &noise(rect.size()));
            let part = Rect { x: px, y: py, width: pw, height: ph };
            let clear = [1, 2, 3];
            let mut painted = vec![clear; part.area() as usize];
            obscured.paint(part, &mut painted);
            for (at, colour) in painted.iter().enumerate() {
                let (x, y) = (px + at as u32 % pw, py + at as u32 / pw);
                let is_inside = rect.contains(Rect { x, y, width: 1, height: 1 });
                let expected = if is_inside { obscured.colour_at(x - rect.x, y - rect.y) } else { clear };
                prop_assert_eq!(*colour, expected);
            }
            if let Some(flat) = obscured.flat_colour(part) {
                prop_assert!(painted.iter().all(|&colour| colour == flat));
            }
        }

        #[test]
        fn cells_of_whole_steps_are_not_smaller(w in 1u32..200, h in 1u32..200, cells in 1u32..9) {
            let rect = Rect { x: 0, y: 0, width: w, height: h };
            let (even, stepped) = (
                Obscured::new(rect, Style::Mosaic, cells, &noise(rect.size())),
                Obscured::in_steps(rect, Style::Mosaic, cells, 16, &noise(rect.size())),
            );
            prop_assert!(stepped.cell_px.is_multiple_of(16) && stepped.cell_px >= even.cell_px);
            prop_assert!(stepped.colours.len() <= even.colours.len());
        }
    }

    proptest! {
        #[test]
        fn one_cell_tells_nothing_of_what_its_frame_holds(
            style in styles(), w in 3u32..200, h in 3u32..200, inside in any::<[u8; 3]>(),
        ) {
            let rect = Rect { x: 0, y: 0, width: w, height: h };
            let clear = noise(rect.size());
            let mut other = clear.clone();
            let thick = (w.min(h) / FRAME_PART).max(1);
            for (at, pixel) in other.rgb.chunks_exact_mut(3).enumerate() {
                let (x, y) = (at as u32 % w, at as u32 / w);
                if (thick..w - thick).contains(&x) && (thick..h - thick).contains(&y) {
                    pixel.copy_from_slice(&inside);
                }
            }
            let colours = |view: &RgbView| Obscured::new(rect, style, 1, view).colours().to_vec();
            prop_assert_eq!(colours(&clear), colours(&other));
        }
    }

    #[test]
    fn the_colour_of_one_cell_is_that_of_the_frame() {
        let rect = Rect { x: 0, y: 0, width: 40, height: 32 };
        let rgb = (0..rect.area() as u32)
            .flat_map(|at| {
                let (x, y) = (at % 40, at / 40);
                if (2..38).contains(&x) && (2..30).contains(&y) { [250, 250, 250] } else { [70, 10, 130] }
            })
            .collect();
        let obscured = Obscured::new(rect, Style::Solid, 1, &RgbView { size: rect.size(), rgb });
        assert_eq!(obscured.colours(), [[80, 16, 144]]);
    }

    #[test]
    fn a_blur_passes_through_the_colours_at_cell_centres() {
        let rect = Rect { x: 0, y: 0, width: 36, height: 36 };
        let obscured = Obscured::new(rect, Style::Blur, 4, &noise(rect.size()));
        for row in 0..4 {
            for column in 0..4 {
                assert_eq!(obscured.colour_at(column * 9 + 4, row * 9 + 4), obscured.cell(column, row));
            }
        }
    }
}
