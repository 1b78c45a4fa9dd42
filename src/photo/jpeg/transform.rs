//! The discrete cosine transform (T.81 A.3.3) and its inverse at four scales.
//!
//! In floating point: the compiler makes vectors of it, and nothing overflows whatever a hostile file multiplies.

use super::block::PLACES;

/// Lanes of one pass: eight columns, or eight rows.
type Lanes = [f32; 8];

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

/// The nearest level, after T.81's shift by 128.
#[inline(always)]
fn sample(value: f32) -> u8 {
    level(value) as u8
}

/// The same of four values, put together as a word: the compiler does not call a function for it, nor store them one by one.
#[inline(always)]
fn samples(values: Four) -> [u8; 4] {
    let levels: [u32; 4] = std::array::from_fn(|lane| level(values[lane]) & 0xFF);
    (levels[0] | levels[1] << 8 | levels[2] << 16 | levels[3] << 24).to_le_bytes()
}

/// The nearest level in the lowest eight bits.
#[inline(always)]
fn level(value: f32) -> u32 {
    // Adding 2^23 leaves the rounded integer in the lowest bits: the compiler has vectors for it, unlike for a cast.
    const ROUND: f32 = 8_388_608.0;
    let shifted = value + 128.0;
    let above = if shifted > 0.0 { shifted } else { 0.0 };
    let within = if above < 255.0 { above } else { 255.0 };
    (within + ROUND).to_bits()
}

/// Eight by eight pixels.
#[inline(always)]
pub(super) fn inverse_8(coefficients: &[i16; 64], by: &Dequantiser) -> [[u8; 8]; 8] {
    let mut lines: [Lanes; 8] = std::array::from_fn(|line| {
        std::array::from_fn(|lane| f32::from(coefficients[line * 8 + lane]) * by.0[line * 8 + lane])
    });
    inverse_lanes(&mut lines);
    let mut turned: [Lanes; 8] = std::array::from_fn(|line| std::array::from_fn(|lane| lines[lane][line]));
    inverse_lanes(&mut turned);
    turned.map(|line| line.map(sample))
}

/// One dimension of the transform, for all lanes at once.
#[inline(always)]
#[expect(clippy::needless_range_loop, reason = "the same lane of all lines")]
fn inverse_lanes(v: &mut [Lanes; 8]) {
    const ROOT_2: f32 = std::f32::consts::SQRT_2;
    for lane in 0..8 {
        let at = |line: usize| v[line][lane];
        let (sum, difference) = (at(0) + at(4), at(0) - at(4));
        let inner = at(2) + at(6);
        let outer = (at(2) - at(6)) * ROOT_2 - inner;
        let even = [sum + inner, difference + outer, difference - outer, sum - inner];

        let (z13, z10) = (at(5) + at(3), at(5) - at(3));
        let (z11, z12) = (at(1) + at(7), at(1) - at(7));
        let odd_0 = z11 + z13;
        let z5 = (z10 + z12) * 1.847_759_1;
        let odd_1 = z5 - z10 * 2.613_126 - odd_0;
        let odd_2 = (z11 - z13) * ROOT_2 - odd_1;
        let odd_3 = z5 - z12 * 1.082_392_2 - odd_2;
        let odd = [odd_0, odd_1, odd_2, odd_3];
        for line in 0..4 {
            v[line][lane] = even[line] + odd[line];
            v[7 - line][lane] = even[line] - odd[line];
        }
    }
}

/// Four lanes, written so that each operation on them becomes one instruction.
type Four = [f32; 4];

#[inline(always)]
fn add(a: Four, b: Four) -> Four {
    std::array::from_fn(|lane| a[lane] + b[lane])
}

#[inline(always)]
fn subtract(a: Four, b: Four) -> Four {
    std::array::from_fn(|lane| a[lane] - b[lane])
}

/// Four by four pixels from the lowest coefficients.
#[inline(always)]
pub(super) fn inverse_4(coefficients: &[i16; 64], by: &Dequantiser) -> [[u8; 4]; 4] {
    let line = |line: usize| -> Four {
        std::array::from_fn(|lane| f32::from(coefficients[line * 8 + lane]) * by.0[line * 8 + lane])
    };
    let half = inverse_four([line(0), line(1), line(2), line(3)]);
    let [a, b, c, d] = inverse_four(turned_four(half));
    [samples(a), samples(b), samples(c), samples(d)]
}

#[inline(always)]
fn inverse_four([a, b, c, d]: [Four; 4]) -> [Four; 4] {
    /// The tangent of pi / 8.
    const TANGENT: f32 = 0.414_213_57;
    let scaled = |v: Four| v.map(|value| value * TANGENT);
    let (sum, difference) = (add(a, c), subtract(a, c));
    let (outer, inner) = (add(b, scaled(d)), subtract(scaled(b), d));
    [add(sum, outer), add(difference, inner), subtract(difference, inner), subtract(sum, outer)]
}

/// Rows for columns.
#[inline(always)]
fn turned_four([a, b, c, d]: [Four; 4]) -> [Four; 4] {
    let low = |x: Four, y: Four| [x[0], y[0], x[1], y[1]];
    let high = |x: Four, y: Four| [x[2], y[2], x[3], y[3]];
    let (even_low, odd_low, even_high, odd_high) = (low(a, c), low(b, d), high(a, c), high(b, d));
    [low(even_low, odd_low), high(even_low, odd_low), low(even_high, odd_high), high(even_high, odd_high)]
}

/// Two by two pixels.
#[inline(always)]
pub(super) fn inverse_2(coefficients: &[i16; 64], by: &Dequantiser) -> [[u8; 2]; 2] {
    let at = |place: usize| f32::from(coefficients[place]) * by.0[place];
    let (dc, across, down, both) = (at(0), at(8), at(1), at(9));
    let (top, bottom) = (dc + down, dc - down);
    let (top_across, bottom_across) = (across + both, across - both);
    [
        [sample(top + top_across), sample(top - top_across)],
        [sample(bottom + bottom_across), sample(bottom - bottom_across)],
    ]
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

    proptest! {
        #[test]
        fn every_scale_is_what_the_formula_says(block in coefficients(), step in 1u16..20) {
            let steps: [u16; 64] = std::array::from_fn(|k| step + k as u16 % 3);
            let by = |scale| Dequantiser::new(&steps, scale);
            let close = |found: Vec<u8>, scale| {
                by_formula(&block, &steps, scale).iter().zip(found).all(|(a, b)| (a - f64::from(b)).abs() <= 0.51)
            };
            prop_assert!(close(inverse_8(&block, &by(8)).concat(), 8));
            prop_assert!(close(inverse_4(&block, &by(4)).concat(), 4));
            prop_assert!(close(inverse_2(&block, &by(2)).concat(), 2));
            prop_assert!(close(vec![by(1).flat(block[0])], 1));
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
            let mut placed = [0; 64];
            (0..64).for_each(|k| placed[usize::from(PLACES[k])] = zigzag[k]);
            let back = inverse_8(&placed, &Dequantiser::new(&steps, 8)).concat();
            // Each coefficient is off by half a step at most.
            let error: f64 = back.iter().zip(&pixels).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum();
            prop_assert!((error / 64.0).sqrt() <= f64::from(step) / 2.0 + 0.6);
        }
    }

    #[test]
    fn hostile_values_overflow_nothing() {
        let block = [i16::MAX; 64];
        for scale in [1, 2, 4, 8] {
            let by = Dequantiser::new(&[u16::MAX; 64], scale);
            let _ = (inverse_8(&block, &by), inverse_4(&block, &by), inverse_2(&block, &by), by.flat(i16::MIN));
        }
    }
}
