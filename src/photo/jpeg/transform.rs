//! The discrete cosine transform (T.81 A.3.3) and its inverse at four scales.
//!
//! In floating point: nothing overflows whatever a hostile file multiplies. In the same operations in the same order on every
//! processor, so that the pixels are the same.
//!
//! All is inlined, as vectors of newer processors are used only in what is inlined where they were asked for. A closure is
//! not always, nor is what `map` makes of an array.

use fearless_simd::{Simd, dispatch, f32x4, f32x8, i16x8, i16x16, prelude::*, u8x32, u16x8, u16x16, u32x4, u32x8};

use super::{
    block::{PLACES, placed},
    vectors,
};

/// What dequantises and scales coefficients for one transform, in the order of [`PLACES`].
#[derive(Clone, Debug)]
pub(super) struct Dequantiser(Box<[f32; 64]>);

/// Scale factors of the transform of Arai, Agui and Nakajima: cos(k pi / 16) times the root of 2, and 1 for k = 0.
const AAN: [f64; 8] = [
    1.0,
    1.387_039_845_322_148,
    1.306_562_964_876_377,
    1.175_875_602_419_359,
    1.0,
    0.785_694_958_387_102,
    0.541_196_100_146_197,
    0.275_899_379_282_943,
];
/// The same for four points: the root of 1/8, and half the cosine of pi / 8.
const FOUR: [f64; 4] = [0.353_553_390_593_274, 0.461_939_766_255_643, 0.353_553_390_593_274, 0.461_939_766_255_643];

impl Dequantiser {
    /// For [`inverse`] at `scale` pixels a block side (1, 2, 4 or 8); `steps` in zigzag order.
    pub fn new(steps: &[u16; 64], scale: usize) -> Self {
        let mut factors = Box::new([0.0; 64]);
        for (k, &place) in PLACES.iter().enumerate() {
            let (column, row) = (usize::from(place) / 8, usize::from(place) % 8);
            let shape = match scale {
                8 => AAN[column] * AAN[row] / 8.0,
                4 if column < 4 && row < 4 => FOUR[column] * FOUR[row],
                _ => 0.125,
            };
            factors[usize::from(place)] = (f64::from(steps[k]) * shape) as f32;
        }
        Self(factors)
    }

    /// The one value of a block that has no detail.
    #[inline(always)]
    pub fn flat(&self, dc: i16) -> u8 {
        sample(f32::from(dc) * self.0[0])
    }
}

/// T.81's shift of levels.
const SHIFT: f32 = 128.0;
/// Adding 2^23 leaves the rounded integer in the lowest bits: a cast saturates, for which there is no vector.
const ROUND: f32 = 8_388_608.0;

/// The nearest level.
#[inline(always)]
fn sample(value: f32) -> u8 {
    ((value + SHIFT).clamp(0.0, 255.0) + ROUND).to_bits() as u8
}

/// The nearest levels, in the lowest eight bits of each lane.
#[inline(always)]
fn levels_4<S: Simd>(simd: S, values: f32x4<S>) -> u32x4<S> {
    ((values + SHIFT).max(f32x4::splat(simd, 0.0)).min(f32x4::splat(simd, 255.0)) + ROUND).bitcast()
}

/// The same for eight.
#[inline(always)]
fn levels_8<S: Simd>(simd: S, values: f32x8<S>) -> u32x8<S> {
    ((values + SHIFT).max(f32x8::splat(simd, 0.0)).min(f32x8::splat(simd, 255.0)) + ROUND).bitcast()
}

/// Eight by eight pixels, row by row, of a block in zigzag order.
pub(super) fn inverse(block: &[i16; 64], by: &Dequantiser) -> [u8; 64] {
    dispatch!(vectors(), simd => inverse_8(simd, &placed(block), by))
}

/// Eight by eight pixels, row by row.
#[inline(always)]
pub(super) fn inverse_8<S: Simd>(simd: S, coefficients: &[i16; 64], by: &Dequantiser) -> [u8; 64] {
    let ([a, b], [c, d]) = (two_lines(simd, coefficients, by, 0), two_lines(simd, coefficients, by, 16));
    let ([e, f], [g, h]) = (two_lines(simd, coefficients, by, 32), two_lines(simd, coefficients, by, 48));
    let half = inverse_lanes([a, b, c, d, e, f, g, h]);
    let [a, b, c, d, e, f, g, h] = inverse_lanes(turned_8(simd, half));
    let mut pixels = [0; 64];
    let (top, bottom) = pixels.split_at_mut(32);
    four_rows(simd, [a, b, c, d]).store_slice(top);
    four_rows(simd, [e, f, g, h]).store_slice(bottom);
    pixels
}

/// Two columns of coefficients from place `at` on, dequantised.
#[inline(always)]
fn two_lines<S: Simd>(simd: S, coefficients: &[i16; 64], by: &Dequantiser, at: usize) -> [f32x8<S>; 2] {
    let (first, second) = simd.widen_i16x16(i16x16::from_slice(simd, &coefficients[at..at + 16]));
    let (by_first, by_second) =
        (f32x8::from_slice(simd, &by.0[at..at + 8]), f32x8::from_slice(simd, &by.0[at + 8..at + 16]));
    [simd.cvt_f32_i32x8(first) * by_first, simd.cvt_f32_i32x8(second) * by_second]
}

/// One dimension of the transform, for all lanes at once: eight columns, or eight rows.
#[inline(always)]
fn inverse_lanes<S: Simd>([v0, v1, v2, v3, v4, v5, v6, v7]: [f32x8<S>; 8]) -> [f32x8<S>; 8] {
    const ROOT_2: f32 = std::f32::consts::SQRT_2;
    let (sum, difference) = (v0 + v4, v0 - v4);
    let inner = v2 + v6;
    let outer = (v2 - v6) * ROOT_2 - inner;
    let (e0, e1, e2, e3) = (sum + inner, difference + outer, difference - outer, sum - inner);

    let (z13, z10) = (v5 + v3, v5 - v3);
    let (z11, z12) = (v1 + v7, v1 - v7);
    let o0 = z11 + z13;
    let z5 = (z10 + z12) * 1.847_759_1;
    let o1 = z5 - z10 * 2.613_126 - o0;
    let o2 = (z11 - z13) * ROOT_2 - o1;
    let o3 = z5 - z12 * 1.082_392_2 - o2;
    [e0 + o0, e1 + o1, e2 + o2, e3 + o3, e3 - o3, e2 - o2, e1 - o1, e0 - o0]
}

/// Rows for columns. Interleaving the halves three times turns eight lines round.
#[inline(always)]
fn turned_8<S: Simd>(simd: S, mut lines: [f32x8<S>; 8]) -> [f32x8<S>; 8] {
    for _ in 0..3 {
        let ([a, b, c, d], [e, f, g, h]) =
            ([lines[0], lines[1], lines[2], lines[3]], [lines[4], lines[5], lines[6], lines[7]]);
        let ((a, b), (c, d), (e, f), (g, h)) = (
            simd.interleave_f32x8(a, e),
            simd.interleave_f32x8(b, f),
            simd.interleave_f32x8(c, g),
            simd.interleave_f32x8(d, h),
        );
        lines = [a, b, c, d, e, f, g, h];
    }
    lines
}

/// The pixels of four rows.
#[inline(always)]
fn four_rows<S: Simd>(simd: S, [a, b, c, d]: [f32x8<S>; 4]) -> u8x32<S> {
    let low = u16x16::splat(simd, 0xFF);
    let upper = simd.narrow_u32x8(levels_8(simd, a), levels_8(simd, b)) & low;
    let lower = simd.narrow_u32x8(levels_8(simd, c), levels_8(simd, d)) & low;
    simd.narrow_u16x16(upper, lower)
}

/// Four by four pixels from the lowest coefficients, row by row.
#[inline(always)]
pub(super) fn inverse_4<S: Simd>(simd: S, coefficients: &[i16; 64], by: &Dequantiser) -> [u8; 16] {
    let half = inverse_four([
        half_line(simd, coefficients, by, 0),
        half_line(simd, coefficients, by, 8),
        half_line(simd, coefficients, by, 16),
        half_line(simd, coefficients, by, 24),
    ]);
    let [a, b, c, d] = inverse_four(turned_4(simd, half));
    let low = u16x8::splat(simd, 0xFF);
    let upper = simd.narrow_u32x4(levels_4(simd, a), levels_4(simd, b)) & low;
    let lower = simd.narrow_u32x4(levels_4(simd, c), levels_4(simd, d)) & low;
    simd.narrow_u16x8(upper, lower).into()
}

/// The lower half of the column of coefficients at place `at`, dequantised.
#[inline(always)]
fn half_line<S: Simd>(simd: S, coefficients: &[i16; 64], by: &Dequantiser, at: usize) -> f32x4<S> {
    let (half, _) = simd.widen_i16x8(i16x8::from_slice(simd, &coefficients[at..at + 8]));
    simd.cvt_f32_i32x4(half) * f32x4::from_slice(simd, &by.0[at..at + 4])
}

#[inline(always)]
fn inverse_four<S: Simd>([a, b, c, d]: [f32x4<S>; 4]) -> [f32x4<S>; 4] {
    /// The tangent of pi / 8.
    const TANGENT: f32 = 0.414_213_57;
    let (sum, difference) = (a + c, a - c);
    let (outer, inner) = (b + d * TANGENT, b * TANGENT - d);
    [sum + outer, difference + inner, difference - inner, sum - outer]
}

/// Rows for columns, as [`turned_8`] does it.
#[inline(always)]
fn turned_4<S: Simd>(simd: S, mut lines: [f32x4<S>; 4]) -> [f32x4<S>; 4] {
    for _ in 0..2 {
        let ((a, b), (c, d)) = (simd.interleave_f32x4(lines[0], lines[2]), simd.interleave_f32x4(lines[1], lines[3]));
        lines = [a, b, c, d];
    }
    lines
}

/// Blocks that [`inverse_2`] transforms at once.
pub(super) const SIXTEEN: usize = 16;

/// Where the two by two lowest coefficients are in the zigzag: DC, across, down, both.
pub(super) const LOWEST: [usize; 4] = [0, 1, 2, 4];

/// Two by two pixels for each block, an upper and a lower row of all of them. Coefficients are those of [`LOWEST`].
#[inline(always)]
pub(super) fn inverse_2<S: Simd>(simd: S, lowest: &[[i16; SIXTEEN]; 4], by: &Dequantiser) -> [[u8; 2 * SIXTEEN]; 2] {
    let (dc_0, dc_1) = eight_and_eight(simd, lowest, by, 0);
    let (across_0, across_1) = eight_and_eight(simd, lowest, by, 1);
    let (down_0, down_1) = eight_and_eight(simd, lowest, by, 2);
    let (both_0, both_1) = eight_and_eight(simd, lowest, by, 3);
    let upper = [pairs(simd, dc_0 + down_0, across_0 + both_0), pairs(simd, dc_1 + down_1, across_1 + both_1)];
    let lower = [pairs(simd, dc_0 - down_0, across_0 - both_0), pairs(simd, dc_1 - down_1, across_1 - both_1)];
    [row_of_pairs(simd, upper), row_of_pairs(simd, lower)]
}

/// One of the coefficients of sixteen blocks, dequantised.
#[inline(always)]
fn eight_and_eight<S: Simd>(
    simd: S,
    lowest: &[[i16; SIXTEEN]; 4],
    by: &Dequantiser,
    kind: usize,
) -> (f32x8<S>, f32x8<S>) {
    let (first, second) = simd.widen_i16x16(i16x16::from_slice(simd, &lowest[kind]));
    let by = by.0[usize::from(PLACES[LOWEST[kind]])];
    (simd.cvt_f32_i32x8(first) * by, simd.cvt_f32_i32x8(second) * by)
}

/// Two pixels of each block in its lowest bits.
#[inline(always)]
fn pairs<S: Simd>(simd: S, flat: f32x8<S>, across: f32x8<S>) -> u32x8<S> {
    let (left, right) = (levels_8(simd, flat + across), levels_8(simd, flat - across));
    (left & 0xFF) | (right << 8)
}

#[inline(always)]
fn row_of_pairs<S: Simd>(simd: S, [first, second]: [u32x8<S>; 2]) -> [u8; 2 * SIXTEEN] {
    let pairs: u8x32<S> = simd.narrow_u32x8(first, second).bitcast();
    pairs.into()
}

/// Quantised coefficients of a block, in zigzag order; `pixels` row by row, less 128.
pub(super) fn forward(pixels: &[[f32; 8]; 8], steps: &[u16; 64]) -> [i16; 64] {
    let basis = &*BASIS;
    // Columns first, then rows: `out[v][u]` = sum of basis[v][y] basis[u][x] pixels[y][x].
    let mut columns = [[0.0f32; 8]; 8];
    for (line, of_basis) in columns.iter_mut().zip(basis) {
        for (row, factor) in pixels.iter().zip(of_basis) {
            line.iter_mut().zip(row).for_each(|(sum, value)| *sum += factor * value);
        }
    }
    std::array::from_fn(|k| {
        let (v, u) = (super::ZIGZAG[k] / 8, super::ZIGZAG[k] % 8);
        let value: f32 = columns[v].iter().zip(&basis[u]).map(|(a, b)| a * b).sum();
        quantised(value, steps[k])
    })
}

/// The nearest multiple of a step, within what 8-bit samples can give.
pub(super) fn quantised(value: f32, step: u16) -> i16 {
    (value / f32::from(step)).round().clamp(-1023.0, 1023.0) as i16
}

/// `BASIS[k][n]`: the orthonormal basis of eight points.
static BASIS: std::sync::LazyLock<[[f32; 8]; 8]> = std::sync::LazyLock::new(|| {
    std::array::from_fn(|k| {
        let scale = if k == 0 { 0.125f64.sqrt() } else { 0.5 };
        std::array::from_fn(|n| (scale * ((2 * n + 1) as f64 * k as f64 * std::f64::consts::PI / 16.0).cos()) as f32)
    })
});

#[cfg(test)]
mod tests {
    use fearless_simd::Level;
    use proptest::prelude::*;

    use super::*;

    /// By the formula of A.3.3, at any scale: the low coefficients at the centres of larger pixels.
    fn by_formula(coefficients: &[i16; 64], steps: &[u16; 64], scale: usize) -> Vec<f64> {
        let cosine =
            |n: usize, k: usize| ((2 * n + 1) as f64 * k as f64 * std::f64::consts::PI / (2 * scale) as f64).cos();
        let norm = |k: usize| if k == 0 { 0.5f64.sqrt() } else { 1.0 };
        let mut out = Vec::new();
        for y in 0..scale {
            for x in 0..scale {
                let mut sum = 128.0;
                for k in 0..64 {
                    let (v, u) = (super::super::ZIGZAG[k] / 8, super::super::ZIGZAG[k] % 8);
                    if v < scale && u < scale {
                        let value = f64::from(coefficients[usize::from(PLACES[k])]) * f64::from(steps[k]);
                        sum += 0.25 * norm(u) * norm(v) * value * cosine(x, u) * cosine(y, v);
                    }
                }
                out.push(sum.clamp(0.0, 255.0));
            }
        }
        out
    }

    fn coefficients() -> impl Strategy<Value = [i16; 64]> {
        proptest::collection::vec((0usize..64, -60i16..60), 0..20).prop_map(|some| {
            let mut block = [0; 64];
            for (place, value) in some {
                block[place] = value;
            }
            block
        })
    }

    /// As one of sixteen blocks, the others of which are turned round in sign.
    fn lowest<S: Simd>(simd: S, block: &[i16; 64], by: &Dequantiser) -> Vec<u8> {
        const AT: usize = 11;
        let sixteen = LOWEST.map(|k| {
            let value = block[usize::from(PLACES[k])];
            std::array::from_fn(|at| if at == AT { value } else { value.saturating_neg() })
        });
        inverse_2(simd, &sixteen, by).concat().chunks_exact(2).skip(AT).step_by(SIXTEEN).flatten().copied().collect()
    }

    fn at_all_scales<S: Simd>(simd: S, block: &[i16; 64], by: &[Dequantiser; 3]) -> [Vec<u8>; 3] {
        [lowest(simd, block, &by[0]), inverse_4(simd, block, &by[1]).to_vec(), inverse_8(simd, block, &by[2]).to_vec()]
    }

    /// Pixels at 2, 4 and 8 a block, which are the same with whatever vectors this processor has.
    fn on_every_processor(block: &[i16; 64], by: &[Dequantiser; 3]) -> [Vec<u8>; 3] {
        let found = dispatch!(Level::new(), simd => at_all_scales(simd, block, by));
        assert_eq!(dispatch!(Level::baseline(), simd => at_all_scales(simd, block, by)), found);
        #[cfg(target_arch = "x86_64")]
        {
            let level = Level::new();
            let others = [
                level.as_sse4_2().map(|simd| at_all_scales(simd, block, by)),
                level.as_avx2().map(|simd| at_all_scales(simd, block, by)),
            ];
            others.into_iter().flatten().for_each(|other| assert_eq!(other, found));
        }
        found
    }

    proptest! {
        #[test]
        fn every_scale_is_what_the_formula_says(block in coefficients(), step in 1u16..20) {
            let steps: [u16; 64] = std::array::from_fn(|k| step + k as u16 % 3);
            let by = |scale| Dequantiser::new(&steps, scale);
            let close = |found: &[u8], scale| {
                by_formula(&block, &steps, scale).iter().zip(found).all(|(a, &b)| (a - f64::from(b)).abs() <= 0.51)
            };
            let [two, four, eight] = on_every_processor(&block, &[by(2), by(4), by(8)]);
            prop_assert!(close(&two, 2) && close(&four, 4) && close(&eight, 8));
            prop_assert!(close(&[by(1).flat(block[0])], 1));
            let flat: [i16; 64] = std::array::from_fn(|place| if place == 0 { block[0] } else { 0 });
            for scale in [2, 4, 8] {
                prop_assert!((by_formula(&flat, &steps, scale)[0] - f64::from(by(scale).flat(block[0]))).abs() <= 0.51);
            }
        }

        #[test]
        fn the_transform_is_undone(pixels in proptest::collection::vec(0u8..=255, 64), step in 1u16..4) {
            let steps = [step; 64];
            let shifted: [[f32; 8]; 8] = std::array::from_fn(|y| std::array::from_fn(|x| f32::from(pixels[y * 8 + x]) - 128.0));
            let zigzag = forward(&shifted, &steps);
            let back = inverse(&zigzag, &Dequantiser::new(&steps, 8));
            // Each coefficient is off by half a step at most.
            let error: f64 = back.iter().zip(&pixels).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum();
            prop_assert!((error / 64.0).sqrt() <= f64::from(step) / 2.0 + 0.6);
        }
    }

    #[test]
    fn hostile_values_overflow_nothing() {
        for block in
            [[i16::MAX; 64], [i16::MIN; 64], std::array::from_fn(|at| if at % 2 == 0 { i16::MIN } else { i16::MAX })]
        {
            let by = [2, 4, 8].map(|scale| Dequantiser::new(&[u16::MAX; 64], scale));
            on_every_processor(&block, &by);
            assert_eq!(by[0].flat(i16::MIN), 0);
        }
    }
}
