//! Pictures at 1/4: the two by two lowest coefficients of the blocks of a row of MCUs, transformed sixteen blocks at a time.

use fearless_simd::Simd;

use super::{
    block::Coefficients,
    colour::Plane,
    transform::{Dequantiser, SIXTEEN, inverse_2},
};

/// Where they are in the zigzag: DC, across, down, both.
const ZIGZAG: [usize; 4] = [0, 1, 2, 4];
/// The zigzag up to the last of them.
pub(super) const LAST: usize = 4;

/// By the place in the zigzag: which of the four it is. All others are put behind them, where nobody looks.
const KINDS: [usize; 64] = {
    let (mut kinds, mut kind) = ([ZIGZAG.len(); 64], 0);
    while kind < ZIGZAG.len() {
        kinds[ZIGZAG[kind]] = kind;
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
        Self { values: vec![0; (ZIGZAG.len() + 1) * blocks], blocks }
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
        let mut at = 0;
        while at < count {
            let here = SIXTEEN.min(count - at);
            let mut sixteen = [[0; SIXTEEN]; ZIGZAG.len()];
            for (kind, values) in sixteen.iter_mut().enumerate() {
                let from = kind * self.blocks + first + at;
                values[..here].copy_from_slice(&self.values[from..from + here]);
                self.values[from..from + here].fill(0);
            }
            let [upper, lower] = inverse_2(simd, &sixteen, by);
            top[2 * at..2 * (at + here)].copy_from_slice(&upper[..2 * here]);
            bottom[2 * at..2 * (at + here)].copy_from_slice(&lower[..2 * here]);
            at += here;
        }
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
