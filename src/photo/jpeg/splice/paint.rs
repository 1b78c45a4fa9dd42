//! What stands in the MCUs that regions touch.
//!
//! It is a function of the regions' cells, the frame and its quantisation tables. The photo's own coefficients are not
//! known here, so nothing of them can come through.

use crate::{
    geometry::{Rect, Size},
    photo::{
        Orientation,
        jpeg::{
            colour::{Plane, ycc_of},
            frame::{Colour, Frame},
            transform::{Dequantiser, forward, inverse, quantised},
        },
    },
    redact::Obscured,
};

/// Quantised coefficients of the blocks of an MCU, each in zigzag order.
pub(super) type McuBlocks = Vec<[i16; 64]>;

/// Regions, in painting order, and the MCUs that they touch.
pub(super) struct Painter<'a> {
    frame: &'a Frame,
    orientation: Orientation,
    /// Each region with its MCUs, in columns and rows of MCUs.
    regions: Vec<(&'a Obscured, Rect)>,
}

impl<'a> Painter<'a> {
    /// The regions lie inside the upright photo.
    pub fn new(frame: &'a Frame, orientation: Orientation, regions: &'a [Obscured]) -> Self {
        let upright = orientation.turn_size(frame.size);
        let mcus_of = |region: &Obscured| frame.mcus_of(orientation.stored_rect(upright, region.rect));
        let regions = regions.iter().map(|region| (region, mcus_of(region))).collect();
        Self { frame, orientation, regions }
    }

    /// The touched MCUs, by number.
    pub fn touched(&self) -> Vec<usize> {
        let mut is_touched = vec![false; self.frame.mcus()];
        for (_, mcus) in &self.regions {
            for row in mcus.y..mcus.bottom() {
                let first = row as usize * self.frame.columns + mcus.x as usize;
                is_touched[first..first + mcus.width as usize].fill(true);
            }
        }
        (0..is_touched.len()).filter(|&mcu| is_touched[mcu]).collect()
    }

    /// The blocks of a touched MCU.
    pub fn blocks(&self, mcu: usize) -> McuBlocks {
        match self.colours(mcu) {
            Shown::Flat(colour) => self.flat_blocks(colour),
            Shown::Pixels(pixels) => self.detailed_blocks(&pixels),
        }
    }

    /// The planes that some MCUs will show, if all of them are touched.
    pub fn planes(&self, mcus: Rect) -> Vec<Plane> {
        let mut planes = Plane::all(self.frame, 8, mcus.width as usize, mcus.height as usize);
        let components = &self.frame.components;
        let dequantisers: Vec<_> = components.iter().map(|one| Dequantiser::new(&one.quantisation, 8)).collect();
        for (y, row) in (mcus.y..mcus.bottom()).enumerate() {
            for (x, column) in (mcus.x..mcus.right()).enumerate() {
                let blocks = self.blocks(row as usize * self.frame.columns + column as usize);
                let mut blocks = blocks.iter();
                for ((component, plane), by) in components.iter().zip(&mut planes).zip(&dequantisers) {
                    for (place, block) in (0..component.blocks()).zip(&mut blocks) {
                        let (column, row) = (place % component.across, place / component.across);
                        let corner = (y * component.down + row) * 8 * plane.width + (x * component.across + column) * 8;
                        plane.put::<8>(corner, &inverse(block, by));
                    }
                }
            }
        }
        planes
    }

    /// The colours of an MCU. Beyond the photo's edges its outermost pixels go on, so that nothing is left there. What no
    /// region covers is black; there is none of it where regions are aligned.
    fn colours(&self, mcu: usize) -> Shown {
        let (column, row) = ((mcu % self.frame.columns) as u32, (mcu / self.frame.columns) as u32);
        let here = Rect { x: column, y: row, width: 1, height: 1 };
        let size = self.frame.mcu_size();
        let (x, y) = (column * size.width, row * size.height);
        let stored = Rect {
            x,
            y,
            width: size.width.min(self.frame.size.width - x),
            height: size.height.min(self.frame.size.height - y),
        };
        let upright = self.orientation.upright_rect(self.frame.size, stored);
        let mut colours = vec![[0; 3]; upright.area() as usize];
        for (index, (region, _)) in self.regions.iter().enumerate().filter(|(_, (_, mcus))| mcus.contains(here)) {
            let hides_all = region.rect.contains(upright);
            let is_last = self.regions[index + 1..].iter().all(|(_, mcus)| !mcus.contains(here));
            if hides_all
                && is_last
                && let Some(colour) = region.flat_colour(upright)
            {
                return Shown::Flat(colour);
            }
            region.paint(upright, &mut colours);
        }
        let pixel = |x: u32, y: u32| {
            let (x, y) = (stored.x + x.min(stored.width - 1), stored.y + y.min(stored.height - 1));
            let at = self.orientation.inverse().stored_pixel(self.frame.size, x, y);
            colours[((at.1 - upright.y) * upright.width + at.0 - upright.x) as usize]
        };
        let pixels = (0..size.height).flat_map(|y| (0..size.width).map(move |x| (x, y)));
        Shown::Pixels(Pixels { size, colours: pixels.map(|(x, y)| pixel(x, y)).collect() })
    }

    /// One colour takes no coefficient but DC.
    fn flat_blocks(&self, colour: [u8; 3]) -> McuBlocks {
        let values = self.component_values(colour);
        let of_component = self.frame.components.iter().zip(values).flat_map(|(component, value)| {
            let mut block = [0; 64];
            block[0] = quantised(8.0 * (value - 128.0), component.quantisation[0]);
            std::iter::repeat_n(block, component.blocks())
        });
        of_component.collect()
    }

    fn detailed_blocks(&self, pixels: &Pixels) -> McuBlocks {
        let values: Vec<[f32; 3]> = pixels.colours.iter().map(|&colour| self.component_values(colour)).collect();
        let width = pixels.size.width as usize;
        let mut blocks = Vec::with_capacity(self.frame.blocks_per_mcu());
        for (index, component) in self.frame.components.iter().enumerate() {
            let (wide, high) = (self.frame.mcu_across / component.across, self.frame.mcu_down / component.down);
            let average = |x: usize, y: usize| {
                let rows = (y * high..(y + 1) * high).flat_map(|y| &values[y * width + x * wide..][..wide]);
                rows.map(|value| value[index]).sum::<f32>() / (wide * high) as f32
            };
            for place in 0..component.blocks() {
                let (left, top) = (place % component.across * 8, place / component.across * 8);
                let block = std::array::from_fn(|y| std::array::from_fn(|x| average(left + x, top + y) - 128.0));
                blocks.push(forward(&block, &component.quantisation));
            }
        }
        blocks
    }

    /// A colour in the frame's components.
    fn component_values(&self, colour: [u8; 3]) -> [f32; 3] {
        match self.frame.colour {
            Colour::Rgb => colour.map(f32::from),
            Colour::Grey | Colour::Ycc => ycc_of(colour),
        }
    }
}

/// The colours of an MCU.
enum Shown {
    Flat([u8; 3]),
    Pixels(Pixels),
}

struct Pixels {
    size: Size,
    colours: Vec<[u8; 3]>,
}
