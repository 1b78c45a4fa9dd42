//! Huffman tables (T.81 annex C, F.1.2, F.2.2): as a file defines them, for decoding, for encoding, and made to measure.

use std::collections::BTreeSet;

/// Bits that one look at [`DecodeTable`] resolves: a symbol together with the value that follows it.
pub(super) const VALUE_BITS: u32 = 10;
/// Bits that one look resolves where values are only passed over: several symbols at once.
pub(super) const SKIP_BITS: u32 = 13;
/// End of block, and a run of sixteen zeros (F.1.2.2.1).
pub(super) const END_OF_BLOCK: u8 = 0x00;
pub(super) const ZERO_RUN: u8 = 0xF0;
/// The run that stands for the end of a block in [`DecodeTable`].
pub(super) const RUN_TO_END: u32 = 64;

/// Whether a table codes DC differences or AC coefficients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    Dc,
    Ac,
}

/// A table as a DHT segment defines it (B.2.4.2): how many codes there are of each length, and their symbols.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HuffmanSpec {
    pub lengths: [u8; 16],
    pub symbols: Vec<u8>,
}

/// A code and its length in bits; 0 for a symbol that has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Code {
    pub bits: u16,
    pub length: u8,
}

impl HuffmanSpec {
    /// The code of each symbol (C.2), or none if there are more codes than bits can tell apart.
    pub fn codes(&self) -> Option<Box<[Code; 256]>> {
        let mut codes = Box::new([Code::default(); 256]);
        let mut symbols = self.symbols.iter();
        let mut next = 0u32;
        for (length, &count) in (1u8..).zip(&self.lengths) {
            for symbol in symbols.by_ref().take(usize::from(count)) {
                codes[usize::from(*symbol)] = Code { bits: u16::try_from(next).ok()?, length };
                next += 1;
            }
            if next > 1 << length {
                return None;
            }
            next <<= 1;
        }
        Some(codes)
    }

    /// The same codes and some more, behind the last one; none if the longest code leaves no room for them.
    pub fn with(&self, missing: &BTreeSet<u8>) -> Option<Self> {
        let longest = self.lengths.iter().rposition(|&count| count > 0)? + 1;
        let behind_last =
            self.lengths.iter().fold(0u32, |next, &count| (next << 1) + u32::from(count)) >> (16 - longest);
        // The code of ones alone stays free (C.2).
        let length = (longest..=16).find(|length| {
            let room = (1u32 << length) - 1;
            (behind_last << (length - longest)) + missing.len() as u32 <= room
        })?;
        let mut lengths = self.lengths;
        lengths[length - 1] = lengths[length - 1].checked_add(u8::try_from(missing.len()).ok()?)?;
        let symbols = self.symbols.iter().chain(missing).copied().collect();
        Some(Self { lengths, symbols })
    }

    /// The shortest codes of at most 16 bits for symbols that occur this often (K.2).
    pub fn for_counts(counts: &[u32; 256]) -> Self {
        // Symbol 256 takes the code of ones alone, which stays free.
        let mut weights: Vec<(u64, Vec<usize>)> = counts
            .iter()
            .enumerate()
            .filter(|(_, count)| **count > 0)
            .map(|(symbol, &count)| (u64::from(count), vec![symbol]))
            .collect();
        weights.push((0, vec![256]));
        let mut depths = [0usize; 257];
        if let [_] = weights[..] {
            return Self { lengths: [0; 16], symbols: Vec::new() };
        }
        while weights.len() > 1 {
            weights.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.len().cmp(&b.1.len())));
            let (Some(a), Some(b)) = (weights.pop(), weights.pop()) else { break };
            let members: Vec<usize> = a.1.into_iter().chain(b.1).collect();
            for &member in &members {
                depths[member] += 1;
            }
            weights.push((a.0 + b.0, members));
        }
        let mut of_length = vec![0usize; depths.iter().max().unwrap_or(&0) + 17];
        depths.iter().filter(|&&depth| depth > 0).for_each(|&depth| of_length[depth] += 1);
        shorten(&mut of_length);
        // The code of ones alone is the last of the longest ones.
        if let Some(longest) = of_length.iter().rposition(|&count| count > 0) {
            of_length[longest] -= 1;
        }
        let mut symbols: Vec<u8> = (0..=255).filter(|&symbol| counts[usize::from(symbol)] > 0).collect();
        symbols.sort_by_key(|&symbol| depths[usize::from(symbol)]);
        Self { lengths: std::array::from_fn(|at| of_length[at + 1] as u8), symbols }
    }
}

/// Move codes of more than 16 bits up, pair by pair (figure K.3).
fn shorten(of_length: &mut [usize]) {
    for length in (17..of_length.len()).rev() {
        while of_length[length] > 0 {
            let Some(shorter) = (1..length - 1).rev().find(|&shorter| of_length[shorter] > 0) else { return };
            of_length[length] -= 2;
            of_length[length - 1] += 1;
            of_length[shorter + 1] += 2;
            of_length[shorter] -= 1;
        }
    }
}

/// A table made for fast decoding.
#[derive(Clone, Debug)]
pub(super) struct DecodeTable {
    /// By the next [`VALUE_BITS`] bits: bits to consume, run of zeros before the value (shifted by 8), the value (by 16).
    /// Where they hold a symbol but not all bits of its value: [`VALUE_FOLLOWS`], and the size of the value in its place.
    /// Where they hold no symbol: [`VALUE_FOLLOWS`] alone.
    pub value: Box<[u32; 1 << VALUE_BITS]>,
    /// By the next [`SKIP_BITS`] bits, for AC: bits to consume, places to advance (shifted by 8), [`SKIP_ENDS_BLOCK`].
    pub skip: Box<[u16; 1 << SKIP_BITS]>,
    /// By code length: the first code that is too large for it, aligned to 16 bits; and what to add to a code to get
    /// the place of its symbol (F.2.2.3).
    limits: [u32; 17],
    offsets: [i32; 17],
    symbols: Vec<u8>,
    class: Class,
}

/// Set in [`DecodeTable::value`] where one look is not enough.
pub(super) const VALUE_FOLLOWS: u32 = 0x80;
/// Set in [`DecodeTable::skip`] where the block ends.
pub(super) const SKIP_ENDS_BLOCK: u16 = 0x8000;

impl DecodeTable {
    /// None if there are more codes than bits can tell apart.
    pub fn new(spec: &HuffmanSpec, class: Class) -> Option<Self> {
        spec.codes()?;
        let (mut limits, mut offsets) = ([0; 17], [0; 17]);
        let (mut next, mut place) = (0u32, 0i32);
        for (length, &count) in (1..).zip(&spec.lengths) {
            offsets[length] = place - next.cast_signed();
            next += u32::from(count);
            place += i32::from(count);
            limits[length] = next << (16 - length);
            next <<= 1;
        }
        let mut table = Self {
            value: Box::new([VALUE_FOLLOWS; 1 << VALUE_BITS]),
            skip: Box::new([0; 1 << SKIP_BITS]),
            limits,
            offsets,
            symbols: spec.symbols.clone(),
            class,
        };
        table.fill_values();
        if class == Class::Ac {
            table.fill_skips();
        }
        Some(table)
    }

    /// The symbol that the 16 bits begin with, and the length of its code; none if no code fits.
    pub fn symbol(&self, bits: u32) -> Option<(u8, u32)> {
        let length = (1..=16).find(|&length| bits < self.limits[length])?;
        let place = (bits >> (16 - length)).cast_signed() + self.offsets[length];
        Some((*self.symbols.get(usize::try_from(place).ok()?)?, length as u32))
    }

    fn fill_values(&mut self) {
        for bits in 0..1u32 << VALUE_BITS {
            let Some((symbol, length)) = self.symbol(bits << (16 - VALUE_BITS)) else { continue };
            let Some((run, size)) = parts(symbol, self.class) else { continue };
            let used = length + size;
            self.value[bits as usize] = if used <= VALUE_BITS {
                let value = extend((bits >> (VALUE_BITS - used)) & ((1 << size) - 1), size);
                used | run << 8 | u32::from(value as u16) << 16
            } else if length <= VALUE_BITS {
                length | VALUE_FOLLOWS | run << 8 | size << 16
            } else {
                VALUE_FOLLOWS
            };
        }
    }

    fn fill_skips(&mut self) {
        for bits in 0..1u32 << SKIP_BITS {
            let (mut used, mut advance, mut end) = (0, 0, 0);
            while used < SKIP_BITS {
                let rest = (bits << used) & ((1 << SKIP_BITS) - 1);
                let Some((taken, run)) = self.first(rest) else { break };
                let step = if run == RUN_TO_END { 0 } else { run + 1 };
                // A block's places are 1 to 63; what leads beyond is left to the careful way.
                if used + taken > SKIP_BITS || advance + step > 63 {
                    break;
                }
                used += taken;
                advance += step;
                if run == RUN_TO_END {
                    end = SKIP_ENDS_BLOCK;
                    break;
                }
            }
            self.skip[bits as usize] = used as u16 | (advance as u16) << 8 | end;
        }
    }

    /// Bits and run of the first symbol of [`SKIP_BITS`] bits.
    fn first(&self, bits: u32) -> Option<(u32, u32)> {
        let known = self.value[(bits >> (SKIP_BITS - VALUE_BITS)) as usize];
        if known != VALUE_FOLLOWS {
            let more = if known & VALUE_FOLLOWS != 0 { known >> 16 } else { 0 };
            return Some(((known & 0x7F) + more, known >> 8 & 0xFF));
        }
        let (symbol, length) = self.symbol(bits << (16 - SKIP_BITS))?;
        let (run, size) = parts(symbol, Class::Ac)?;
        Some((length + size, run))
    }

    pub fn class(&self) -> Class {
        self.class
    }
}

/// The run of zeros before the value and the number of the value's bits; none for what no sequential file holds.
pub(super) fn parts(symbol: u8, class: Class) -> Option<(u32, u32)> {
    let (run, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
    match (class, symbol) {
        (Class::Dc, 0..=15) => Some((0, size)),
        (Class::Ac, END_OF_BLOCK) => Some((RUN_TO_END, 0)),
        (Class::Ac, ZERO_RUN) => Some((15, 0)),
        (Class::Ac, _) if size > 0 => Some((run, size)),
        _ => None,
    }
}

/// The value that `size` bits stand for (F.2.2.1, EXTEND).
#[inline(always)]
pub(super) fn extend(bits: u32, size: u32) -> i32 {
    let half = (1u32 << size) >> 1;
    let below = i32::from(bits < half);
    bits.cast_signed() - (((1i32 << size) - 1) & -below)
}

/// The number of bits of a value and these bits (F.1.2.1).
pub(super) fn magnitude(value: i32) -> (u32, u32) {
    let size = 32 - value.unsigned_abs().leading_zeros();
    let bits = if value < 0 { value - 1 } else { value };
    (size, bits.cast_unsigned() & ((1u32 << size) - 1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counts() -> impl Strategy<Value = [u32; 256]> {
        // Skewed, so that some codes would be longer than 16 bits.
        proptest::collection::btree_map(any::<u8>(), 0u32..30, 1..200).prop_map(|some| {
            let mut counts = [0; 256];
            for (symbol, exponent) in some {
                counts[usize::from(symbol)] = 1 << exponent;
            }
            counts
        })
    }

    proptest! {
        #[test]
        fn codes_made_to_measure_read_back(counts in counts()) {
            let spec = HuffmanSpec::for_counts(&counts);
            let codes = spec.codes().unwrap();
            let table = DecodeTable::new(&spec, Class::Dc).unwrap();
            for symbol in 0..=255u8 {
                let code = codes[usize::from(symbol)];
                prop_assert_eq!(code.length > 0, counts[usize::from(symbol)] > 0);
                if code.length > 0 {
                    prop_assert!(u32::from(code.bits) != (1 << code.length) - 1, "a code of ones alone");
                    let bits = u32::from(code.bits) << (16 - code.length);
                    prop_assert_eq!(table.symbol(bits), Some((symbol, u32::from(code.length))));
                }
            }
        }

        #[test]
        fn more_codes_leave_the_old_ones_as_they_are(counts in counts(), more in proptest::collection::btree_set(any::<u8>(), 1..9)) {
            let spec = HuffmanSpec::for_counts(&counts);
            let missing: BTreeSet<u8> = more.into_iter().filter(|&symbol| counts[usize::from(symbol)] == 0).collect();
            let Some(longer) = spec.with(&missing) else { return Ok(()) };
            let (old, new) = (spec.codes().unwrap(), longer.codes().unwrap());
            for symbol in 0..=255u8 {
                let place = usize::from(symbol);
                if missing.contains(&symbol) {
                    prop_assert!(new[place].length > 0);
                    prop_assert!(u32::from(new[place].bits) != (1 << new[place].length) - 1);
                } else {
                    prop_assert_eq!(old[place], new[place]);
                }
            }
        }

        #[test]
        fn values_read_back(value in -32767i32..=32767) {
            let (size, bits) = magnitude(value);
            prop_assert_eq!(extend(bits, size), value);
        }
    }

    #[test]
    fn more_codes_than_bits_can_tell_apart_are_no_table() {
        let mut lengths = [0; 16];
        lengths[0] = 3;
        let spec = HuffmanSpec { lengths, symbols: vec![0, 1, 2] };
        assert!(spec.codes().is_none());
        assert!(DecodeTable::new(&spec, Class::Ac).is_none());
    }
}
