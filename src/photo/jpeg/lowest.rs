//! Pictures at 1/4: the two by two lowest coefficients of the blocks of a row of MCUs, transformed sixteen blocks at a time.

use fearless_simd::Simd;

use super::{
    block::Coefficients,
    colour::Plane,
    transform::{Dequantiser, LOWEST, SIXTEEN, inverse_2},
};

/// The zigzag up to the last of them.
pub(super) const LAST: usize = LOWEST[LOWEST.len() - 1];

/// By the place in the zigzag: which of the four it is. All others are put behind them, where nobody looks.
const KINDS: [usize; 64] = {
    let (mut kinds, mut kind) = ([LOWEST.len(); 64], 0);
    while kind < LOWEST.len() {
        kinds[LOWEST[kind]] = kind;
        kind += 1;
    }
    kinds
};

/// The blocks of a row of MCUs, component by component, each row by row.
pub(super) struct LowestRow {
    /// Of all blocks the DC coefficients, then the others.
    values: Vec<i16>,
    blocks: usize,
}

impl LowestRow {
    pub fn new(blocks: usize) -> Self {
        Self { values: vec![0; (LOWEST.len() + 1) * blocks], blocks }
    }

    /// Where the coefficients of a block go.
    #[inline(always)]
    pub fn at(&mut self, block: usize) -> LowestOfBlock<'_> {
        LowestOfBlock { row: self, block }
    }

    /// Blocks in a line beginning with the block `first`, to two rows of pixels. They are zeros afterwards.
    #[inline(always)]
    pub fn transform<S: Simd>(&mut self, simd: S, first: usize, by: &Dequantiser, plane: &mut Plane, row: usize) {
        let (width, count) = (plane.width, plane.width / 2);
        let (top, bottom) = plane.samples[row * width..(row + 2) * width].split_at_mut(width);
        for at in (0..count).step_by(SIXTEEN) {
            let mut sixteen = [[0; SIXTEEN]; LOWEST.len()];
            for (kind, values) in sixteen.iter_mut().enumerate() {
                let line = kind * self.blocks + first;
                take(&mut self.values[line + at..line + count], values);
            }
            let [upper, lower] = inverse_2(simd, &sixteen, by);
            put(&upper, &mut top[2 * at..]);
            put(&lower, &mut bottom[2 * at..]);
        }
    }
}

/// Move as many values as there are, leaving zeros. All sixteen are moved as one vector, and not by a call.
#[inline(always)]
fn take(from: &mut [i16], to: &mut [i16; SIXTEEN]) {
    if let Some(all) = from.first_chunk_mut() {
        *to = std::mem::take(all);
    } else {
        to[..from.len()].copy_from_slice(from);
        from.fill(0);
    }
}

/// Copy as many pixels as there is room for, in the same way.
#[inline(always)]
fn put(from: &[u8; 2 * SIXTEEN], to: &mut [u8]) {
    if let Some(all) = to.first_chunk_mut() {
        *all = *from;
    } else {
        to.copy_from_slice(&from[..to.len()]);
    }
}

pub(super) struct LowestOfBlock<'a> {
    row: &'a mut LowestRow,
    block: usize,
}

impl Coefficients for LowestOfBlock<'_> {
    #[inline(always)]
    fn set(&mut self, k: usize, value: i16) {
        self.row.values[KINDS[k] * self.row.blocks + self.block] = value;
    }
}
