//! Bits of entropy-coded data, most significant first (T.81 F.2.2.5), without byte stuffing.

/// Bits are counted in 32: longer data is not spliced.
pub(super) const MAX_BYTES: usize = (u32::MAX / 8) as usize;
/// Zero bytes that must follow the data of a [`BitReader`].
pub(super) const PADDING_BYTES: usize = 8;

/// Reads bits from any place on. Beyond the end it reads zeros: compare [`BitReader::position`] with the end.
#[derive(Clone, Debug)]
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    window: u64,
    /// Bits of the window that are counted; the window may hold some more.
    valid: u32,
    next: usize,
}

impl<'a> BitReader<'a> {
    /// `bytes` end with [`PADDING_BYTES`] of zeros; `position` counts bits.
    #[inline]
    pub fn at(bytes: &'a [u8], position: u32) -> Self {
        let mut reader = Self { bytes, window: 0, valid: 0, next: position as usize >> 3 };
        reader.refill();
        reader.consume(position & 7);
        reader
    }

    /// Have at least 56 bits at hand.
    #[inline(always)]
    pub fn refill(&mut self) {
        let next = self.bytes.get(self.next..).and_then(|rest| rest.first_chunk());
        self.window |= next.map_or(0, |next| u64::from_be_bytes(*next)) >> self.valid;
        self.next += (63 - self.valid as usize) >> 3;
        self.valid |= 0x38;
    }

    /// The next `count` bits (1 to 32) of those at hand.
    #[inline(always)]
    pub fn peek(&self, count: u32) -> u32 {
        (self.window >> (64 - count)) as u32
    }

    #[inline(always)]
    pub fn consume(&mut self, count: u32) {
        self.window <<= count;
        self.valid -= count;
    }

    /// Bits at hand.
    #[inline(always)]
    pub fn at_hand(&self) -> u32 {
        self.valid
    }

    /// How many bits were read since the start of the data.
    #[inline(always)]
    pub fn position(&self) -> u64 {
        self.next as u64 * 8 - u64::from(self.valid)
    }
}

/// Appends bits.
#[derive(Debug, Default)]
pub(super) struct BitWriter {
    bytes: Vec<u8>,
    window: u64,
    held: u32,
}

impl BitWriter {
    pub fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), ..Self::default() }
    }

    pub fn position(&self) -> u64 {
        self.bytes.len() as u64 * 8 + u64::from(self.held)
    }

    /// Whether there are more bits than can be counted.
    pub fn is_too_long(&self) -> bool {
        self.bytes.len() > MAX_BYTES
    }

    /// Append the lowest `count` bits (0 to 32).
    #[inline]
    pub fn put(&mut self, bits: u32, count: u32) {
        self.window = (self.window << count) | (u64::from(bits) & ((1 << count) - 1));
        self.held += count;
        while self.held >= 8 {
            self.held -= 8;
            self.bytes.push((self.window >> self.held) as u8);
        }
    }

    /// Append the bits from `from` to `to` of `source`.
    pub fn copy(&mut self, source: &[u8], from: u64, to: u64) {
        let bit = |at: u64| u32::from(source[(at >> 3) as usize] >> (7 - (at & 7)));
        let mut at = from;
        while at < to && self.held != 0 {
            self.put(bit(at), 1);
            at += 1;
        }
        let (first, whole) = ((at >> 3) as usize, (to.saturating_sub(at) / 8) as usize);
        let shift = (at & 7) as u32;
        if shift == 0 {
            self.bytes.extend_from_slice(&source[first..first + whole]);
        } else if whole > 0 {
            let (high, low) = (&source[first..first + whole], &source[first + 1..=first + whole]);
            self.bytes.extend(high.iter().zip(low).map(|(high, low)| high << shift | low >> (8 - shift)));
        }
        for at in at + whole as u64 * 8..to {
            self.put(bit(at), 1);
        }
    }

    /// Fill the last byte with ones (F.1.2.3).
    pub fn pad(&mut self) {
        if self.held > 0 {
            let missing = 8 - self.held;
            self.put(u32::MAX, missing);
        }
    }

    /// Whole bytes; what does not fill one is lost.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(parts in proptest::collection::vec((any::<u32>(), 1u32..=32), 1..50)) {
            let mut writer = BitWriter::default();
            for &(bits, count) in &parts {
                writer.put(bits, count);
            }
            let written = writer.position();
            writer.pad();
            let mut bytes = writer.into_bytes();
            bytes.extend([0; PADDING_BYTES]);
            let mut reader = BitReader::at(&bytes, 0);
            for (bits, count) in parts {
                reader.refill();
                prop_assert_eq!(reader.peek(count), bits & (u32::MAX >> (32 - count)));
                reader.consume(count);
            }
            prop_assert_eq!(reader.position(), written);
        }

        #[test]
        fn copied_bits_are_the_same(source in proptest::collection::vec(any::<u8>(), 1..60), lead in 0u32..20, a in 0u64..480, b in 0u64..480) {
            let bits = source.len() as u64 * 8;
            let (from, to) = (a.min(b).min(bits), a.max(b).min(bits));
            let mut writer = BitWriter::default();
            writer.put(0, lead);
            writer.copy(&source, from, to);
            prop_assert_eq!(writer.position(), u64::from(lead) + to - from);
            writer.pad();
            let bytes = writer.into_bytes();
            let bit = |bytes: &[u8], at: u64| bytes[(at / 8) as usize] >> (7 - at % 8) & 1;
            for at in 0..to - from {
                prop_assert_eq!(bit(&bytes, at + u64::from(lead)), bit(&source, from + at));
            }
        }
    }

    #[test]
    fn behind_the_end_there_are_zeros_and_the_position_tells() {
        let bytes = [0xFF; 1].into_iter().chain([0; PADDING_BYTES]).collect::<Vec<u8>>();
        let mut reader = BitReader::at(&bytes, 4);
        for _ in 0..40 {
            reader.refill();
            reader.consume(20);
        }
        assert_eq!(reader.position(), 804);
        assert_eq!(reader.peek(8), 0);
    }
}
