//! What the last column and row of MCUs hold beyond the photo's edge (T.81 A.2.4): samples that no viewer shows.
//!
//! Encoders repeat the photo's last pixels there, or write flat blocks. A lossless crop leaves what was cut off, and
//! anything may be planted. Up to 15 columns and rows are left where they repeat, and taken out where they show something.

use std::collections::BTreeMap;

use super::{edit::table, paint::McuBlocks};
use crate::photo::jpeg::{
    bits::BitReader,
    block::{Damage, PLACES},
    frame::{Component, Frame, Tables},
    scan::Scan,
    transform::{Dequantiser, forward, inverse},
    walk::Index,
};

/// How far hidden samples may be, mean square, from being a repetition, in multiples of the mean square that
/// quantisation would put there if it hit all coefficients (a twelfth of the step's square each). Twice comes from two
/// samples being compared; of noise, coded with steps of any size, one block in millions reaches this.
const NOISE_RATIO: f32 = 12.0;

/// Rounding to whole levels, of both samples.
const ROUNDING: f32 = 2.0;

/// The MCUs that show something beyond the edge, by number, and what takes their place: blocks that no pixel of the
/// photo needs become flat, as libjpeg writes them, without a change to what is seen. Where a block is seen in part,
/// its last seen samples go on, and it is quantised anew with the same steps.
///
/// # Errors
/// [`Damage`] if the MCUs are not what was indexed.
pub(super) fn mended(
    scan: &Scan,
    index: &Index,
    frame: &Frame,
    tables: &Tables,
) -> Result<BTreeMap<usize, McuBlocks>, Damage> {
    let edges: Vec<_> = frame.components.iter().map(|component| Edge::of(frame, component)).collect();
    let mut mended = BTreeMap::new();
    for mcu in hiding(frame) {
        let blocks = read(scan, index, frame, tables, mcu)?;
        let (is_last_column, is_last_row) =
            (mcu % frame.columns == frame.columns - 1, mcu / frame.columns == frame.rows - 1);
        let mut rest = &blocks[..];
        let parts: Vec<_> = frame
            .components
            .iter()
            .zip(&edges)
            .map(|(component, edge)| {
                let (own, others) = rest.split_at(component.blocks());
                rest = others;
                edge.part(component, own, is_last_column, is_last_row)
            })
            .collect();
        if parts.iter().any(Part::shows_something) {
            mended.insert(mcu, parts.iter().flat_map(Part::clean).collect());
        }
    }
    Ok(mended)
}

/// The MCUs that reach beyond the photo's edge.
fn hiding(frame: &Frame) -> impl Iterator<Item = usize> {
    let mcu = frame.mcu_size();
    let (columns, rows) = (frame.columns, frame.rows);
    let right = !frame.size.width.is_multiple_of(mcu.width);
    let bottom = !frame.size.height.is_multiple_of(mcu.height);
    let above = (0..rows - 1).filter(move |_| right).map(move |row| (row + 1) * columns - 1);
    let last_row = if bottom { 0 } else { columns - 1 }..if bottom || right { columns } else { columns - 1 };
    above.chain(last_row.map(move |column| (rows - 1) * columns + column))
}

/// An MCU's coefficients, in the order of the zigzag, block by block as the scan has them.
pub(super) fn read(
    scan: &Scan,
    index: &Index,
    frame: &Frame,
    tables: &Tables,
    mcu: usize,
) -> Result<McuBlocks, Damage> {
    let mut reader = BitReader::at(&scan.bytes, index.starts[mcu]);
    let mut predictors = index.predictors[mcu].map(i32::from);
    let mut blocks = Vec::with_capacity(frame.blocks_per_mcu());
    for (component, predictor) in frame.components.iter().zip(&mut predictors) {
        let (dc, ac) = (table(&tables.dc, component.dc_table), table(&tables.ac, component.ac_table));
        for _ in 0..component.blocks() {
            let mut found = [0; 64];
            reader.block::<63>(&dc.decode, &ac.decode, predictor, &mut found)?;
            blocks.push(PLACES.map(|place| found[usize::from(place)]));
        }
    }
    Ok(blocks)
}

/// Where a component's samples end in the MCUs at the edges, and how far they may be off.
struct Edge {
    by: Dequantiser,
    /// Samples of the last column and row of MCUs that belong to the photo.
    seen: (usize, usize),
    /// Whether a sample is more than one pixel, so that the last one seen may be half of something else.
    is_coarse: (bool, bool),
    noise: f32,
}

impl Edge {
    fn of(frame: &Frame, component: &Component) -> Self {
        let seen = |pixels: u32, mcus: usize, blocks: usize, of_mcu: usize| {
            (pixels as usize * blocks).div_ceil(of_mcu) - (mcus - 1) * 8 * blocks
        };
        let squares: f32 = component.quantisation.iter().map(|&step| f32::from(step).powi(2)).sum();
        Self {
            by: Dequantiser::new(&component.quantisation, 8),
            seen: (
                seen(frame.size.width, frame.columns, component.across, frame.mcu_across),
                seen(frame.size.height, frame.rows, component.down, frame.mcu_down),
            ),
            is_coarse: (component.across < frame.mcu_across, component.down < frame.mcu_down),
            noise: NOISE_RATIO * squares / 12.0 / 64.0 + ROUNDING,
        }
    }

    /// The component's blocks of an MCU at an edge.
    fn part<'a>(&self, component: &'a Component, blocks: &'a [[i16; 64]], right: bool, bottom: bool) -> Part<'a> {
        let seen = (
            if right { self.seen.0 } else { component.across * 8 },
            if bottom { self.seen.1 } else { component.down * 8 },
        );
        let samples = blocks.iter().map(|block| inverse(block, &self.by));
        Part { component, blocks, samples: samples.collect(), seen, is_coarse: self.is_coarse, noise: self.noise }
    }
}

/// The blocks of one component in an MCU.
struct Part<'a> {
    component: &'a Component,
    blocks: &'a [[i16; 64]],
    samples: Vec<[u8; 64]>,
    seen: (usize, usize),
    is_coarse: (bool, bool),
    noise: f32,
}

impl Part<'_> {
    fn sample(&self, x: usize, y: usize) -> f32 {
        f32::from(self.samples[y / 8 * self.component.across + x / 8][y % 8 * 8 + x % 8])
    }

    fn corner(&self, place: usize) -> (usize, usize) {
        (place % self.component.across * 8, place / self.component.across * 8)
    }

    /// Whether what is hidden is more than what is seen going on.
    fn shows_something(&self) -> bool {
        let last = (self.seen.0 - usize::from(!self.is_coarse.0), self.seen.1 - usize::from(!self.is_coarse.1));
        (0..self.blocks.len()).any(|place| {
            let (left, top) = self.corner(place);
            let own = (0..64).map(|at| (left + at % 8, top + at / 8));
            let hidden = own.filter(|&(x, y)| x >= self.seen.0 || y >= self.seen.1);
            let squares = hidden.map(|(x, y)| (self.sample(x, y) - self.sample(x.min(last.0), y.min(last.1))).powi(2));
            let (count, sum) = squares.fold((0u8, 0.0), |(count, sum), square| (count + 1, sum + square));
            sum > f32::from(count) * self.noise && !self.is_flat(place)
        })
    }

    /// Whether a block is one that libjpeg fills up MCUs with: no detail, and as bright as the block before.
    fn is_flat(&self, place: usize) -> bool {
        let dc = |place: usize| self.blocks[place][0];
        self.blocks[place][1..].iter().all(|&value| value == 0) && place > 0 && dc(place) == dc(place - 1)
    }

    fn clean(&self) -> McuBlocks {
        let mut clean = self.blocks.to_vec();
        for place in 0..clean.len() {
            let (left, top) = self.corner(place);
            if left >= self.seen.0 || top >= self.seen.1 {
                // Never the first block: something of it is seen.
                clean[place] = std::array::from_fn(|k| if k == 0 { clean[place - 1][0] } else { 0 });
            } else if left + 8 > self.seen.0 || top + 8 > self.seen.1 {
                let going_on = |x: usize, y: usize| self.sample(x.min(self.seen.0 - 1), y.min(self.seen.1 - 1));
                let pixels = std::array::from_fn(|y| std::array::from_fn(|x| going_on(left + x, top + y) - 128.0));
                clean[place] = forward(&pixels, &self.component.quantisation);
            }
        }
        clean
    }
}
