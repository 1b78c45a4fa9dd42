//! One block of coefficients in its coded form (T.81 F.1.2, F.2.2).

use std::collections::BTreeSet;

use super::{
    bits::{BitReader, BitWriter},
    frame::Table,
    huffman::{
        Class, Code, DecodeTable, END_OF_BLOCK, RUN_TO_END, SKIP_BITS, SKIP_ENDS_BLOCK, VALUE_BITS, VALUE_FOLLOWS,
        ZERO_RUN, extend, magnitude, parts,
    },
};

/// Coefficients as a transform wants them: `PLACES[k]` is where the k-th of the zigzag goes, column by column.
pub(super) const PLACES: [u8; 64] = {
    let mut places = [0; 64];
    let mut k = 0;
    while k < 64 {
        let row_order = super::ZIGZAG[k];
        places[k] = (row_order % 8 * 8 + row_order / 8) as u8;
        k += 1;
    }
    places
};

/// A block in zigzag order as a transform wants it.
pub(super) fn placed(block: &[i16; 64]) -> [i16; 64] {
    let mut placed = [0; 64];
    PLACES.iter().zip(block).for_each(|(&place, &value)| placed[usize::from(place)] = value);
    placed
}

/// Takes what is read of a block: the `k`-th coefficient of the zigzag.
pub(super) trait Coefficients {
    fn set(&mut self, k: usize, value: i16);
}

/// All, in the order of [`PLACES`].
impl Coefficients for [i16; 64] {
    #[inline(always)]
    fn set(&mut self, k: usize, value: i16) {
        self[usize::from(PLACES[k])] = value;
    }
}

/// DC coefficients beyond this are no picture; twice as much still fits the 15 bits that a difference may have.
const MAX_DC: i32 = 16_383;

/// Coded data that means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Damage(pub &'static str);

/// Looks at [`DecodeTable`] that the bits of one refill are enough for.
const LOOKS: usize = 5;
const _: () = assert!(LOOKS * VALUE_BITS as usize <= 56);

impl BitReader<'_> {
    /// A run of zeros and the value behind it, from a window with at least [`VALUE_BITS`] at hand.
    #[inline(always)]
    fn look(&mut self, table: &DecodeTable) -> Result<(u32, i32), Damage> {
        let found = table.value[self.peek(VALUE_BITS) as usize];
        if found & VALUE_FOLLOWS == 0 {
            self.consume(found & 0xFF);
            return Ok((found >> 8 & 0xFF, found.cast_signed() >> 16));
        }
        if found == VALUE_FOLLOWS {
            return self.long_code(table);
        }
        // Leaves the window as full as a refill does.
        self.refill();
        self.consume(found & 0x7F);
        let size = found >> 16;
        let value = extend(self.peek(size), size);
        self.consume(size);
        self.refill();
        Ok((found >> 8 & 0xFF, value))
    }

    /// The same, for codes of more bits than one look has. Leaves the window as full as a refill does.
    #[cold]
    #[inline(never)]
    fn long_code(&mut self, table: &DecodeTable) -> Result<(u32, i32), Damage> {
        let symbol = self.symbol(table)?;
        self.refill();
        Ok((symbol.run, symbol.value()))
    }

    /// Read a block. Its coefficients up to the `LAST` of the zigzag that are not zeros are set; some behind may be, as well.
    /// Returns false only if all of them but DC are zeros.
    #[inline(always)]
    pub fn block<const LAST: usize>(
        &mut self,
        dc: &DecodeTable,
        ac: &DecodeTable,
        predictor: &mut i32,
        coefficients: &mut impl Coefficients,
    ) -> Result<bool, Damage> {
        self.refill();
        let (_, difference) = self.look(dc)?;
        *predictor += difference;
        if predictor.unsigned_abs() > MAX_DC.unsigned_abs() {
            return Err(Damage("a DC coefficient beyond any picture"));
        }
        coefficients.set(0, *predictor as i16);
        let (mut k, mut any, mut looks) = (1, false, 1);
        while k <= LAST {
            // One refill is enough for all looks of a short block.
            if LAST >= LOOKS && looks == LOOKS {
                self.refill();
                looks = 0;
            }
            looks += 1;
            let (run, value) = self.look(ac)?;
            k += run as usize;
            if k > 63 {
                return if run == RUN_TO_END { Ok(any) } else { Err(Damage("a run beyond the end of a block")) };
            }
            any |= k <= LAST;
            coefficients.set(k, value as i16);
            k += 1;
        }
        if LAST < 63 {
            self.skip(ac, k)?;
        }
        Ok(any)
    }

    /// Pass over the rest of a block, from the `k`-th coefficient on.
    #[inline(always)]
    pub fn skip(&mut self, ac: &DecodeTable, mut k: usize) -> Result<(), Damage> {
        while k < 64 {
            self.refill();
            // Several looks for each refill.
            loop {
                let found = ac.skip[self.peek(SKIP_BITS) as usize];
                let target = k + usize::from(found >> 8 & 0x7F);
                let ends = found & SKIP_ENDS_BLOCK != 0;
                if found == 0 || target > 64 || (ends && target > 63) {
                    self.refill();
                    let (run, _) = self.look(ac)?;
                    k += run as usize;
                    if k > 63 {
                        return if run == RUN_TO_END { Ok(()) } else { Err(Damage("a run beyond the end of a block")) };
                    }
                    k += 1;
                    break;
                }
                self.consume(u32::from(found & 0xFF));
                k = target;
                if ends || k == 64 {
                    return Ok(());
                }
                if self.at_hand() < 32 {
                    break;
                }
            }
        }
        Ok(())
    }

    /// The next symbol of a block and the bits behind it, as they stand: what is needed to code it otherwise.
    pub fn symbol(&mut self, table: &DecodeTable) -> Result<Symbol, Damage> {
        self.refill();
        let (symbol, length) = table.symbol(self.peek(16)).ok_or(Damage("a code that is in no table"))?;
        let (run, size) = parts(symbol, table.class()).ok_or(Damage("a symbol that sequential files do not have"))?;
        self.consume(length);
        let bits = if size > 0 { self.peek(size) } else { 0 };
        self.consume(size);
        Ok(Symbol { name: symbol, run, size, bits })
    }

    /// All symbols of a block, in order.
    pub fn symbols(
        &mut self,
        dc: &DecodeTable,
        ac: &DecodeTable,
        mut each: impl FnMut(Class, Symbol),
    ) -> Result<(), Damage> {
        each(Class::Dc, self.symbol(dc)?);
        let mut k = 1;
        while k < 64 {
            let found = self.symbol(ac)?;
            each(Class::Ac, found);
            k += found.run as usize + 1;
        }
        Ok(())
    }
}

/// A symbol and the bits of its value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Symbol {
    /// As it stands in the table.
    pub name: u8,
    pub run: u32,
    pub size: u32,
    pub bits: u32,
}

impl Symbol {
    /// The value that the bits stand for.
    pub fn value(self) -> i32 {
        extend(self.bits, self.size)
    }
}

impl BitWriter {
    /// Append a symbol and the bits of its value, or note that the table has no code for it.
    #[inline]
    pub fn symbol(&mut self, codes: &[Code; 256], symbol: u8, bits: u32, size: u32, missing: &mut BTreeSet<u8>) {
        let code = codes[usize::from(symbol)];
        if code.length == 0 {
            missing.insert(symbol);
        }
        self.put(u32::from(code.bits), u32::from(code.length));
        self.put(bits, size);
    }

    /// Append a DC difference.
    pub fn dc(&mut self, table: &Table, difference: i32, missing: &mut BTreeSet<u8>) {
        let (size, bits) = magnitude(difference);
        self.symbol(&table.codes, size as u8, bits, size, missing);
    }

    /// Append the AC coefficients of a block in zigzag order.
    pub fn ac(&mut self, table: &Table, block: &[i16; 64], missing: &mut BTreeSet<u8>) {
        let mut run = 0;
        for &value in &block[1..] {
            if value == 0 {
                run += 1;
                continue;
            }
            while run > 15 {
                self.symbol(&table.codes, ZERO_RUN, 0, 0, missing);
                run -= 16;
            }
            let (size, bits) = magnitude(i32::from(value));
            self.symbol(&table.codes, (run as u8) << 4 | size as u8, bits, size, missing);
            run = 0;
        }
        if run > 0 {
            self.symbol(&table.codes, END_OF_BLOCK, 0, 0, missing);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::huffman::HuffmanSpec, *};
    use crate::photo::jpeg::bits::PADDING_BYTES;

    /// Tables with a code for every symbol that sequential files have.
    fn tables() -> (Table, Table) {
        let mut counts = [[0; 256]; 2];
        (0..16).for_each(|size| counts[0][size] = 1 + 100 / (size as u32 + 1));
        (0..=255u8).for_each(|symbol| {
            counts[1][usize::from(symbol)] =
                u32::from(parts(symbol, Class::Ac).is_some()) * (1 + 5000 / (u32::from(symbol) + 1));
        });
        let table = |counts, class| Table::new(HuffmanSpec::for_counts(counts), class).unwrap();
        (table(&counts[0], Class::Dc), table(&counts[1], Class::Ac))
    }

    fn block() -> impl Strategy<Value = [i16; 64]> {
        proptest::collection::vec((0usize..64, -1023i16..=1023), 0..30).prop_map(|some| {
            let mut block = [0; 64];
            for (k, value) in some {
                block[k] = value >> (k % 7);
            }
            block
        })
    }

    proptest! {
        #[test]
        fn blocks_read_back_in_every_way(blocks in proptest::collection::vec(block(), 1..20)) {
            let (dc, ac) = tables();
            let mut writer = BitWriter::default();
            let mut predictor = 0;
            for block in &blocks {
                let mut missing = BTreeSet::new();
                writer.dc(&dc, i32::from(block[0]) - predictor, &mut missing);
                writer.ac(&ac, block, &mut missing);
                prop_assert!(missing.is_empty());
                predictor = i32::from(block[0]);
            }
            let end = writer.position();
            writer.pad();
            let mut bytes = writer.into_bytes();
            bytes.extend([0; PADDING_BYTES]);
            let (mut whole, mut quarter, mut dc_only) = (BitReader::at(&bytes, 0), BitReader::at(&bytes, 0), BitReader::at(&bytes, 0));
            let (mut p, mut q, mut r) = (0, 0, 0);
            for block in &blocks {
                let mut found = [0; 64];
                whole.block::<63>(&dc.decode, &ac.decode, &mut p, &mut found).unwrap();
                let expected = std::array::from_fn(|place| block[PLACES.iter().position(|&p| usize::from(p) == place).unwrap()]);
                prop_assert_eq!(found, expected);
                let mut low = [0; 64];
                let any = quarter.block::<24>(&dc.decode, &ac.decode, &mut q, &mut low).unwrap();
                prop_assert!(any || block[1..=24].iter().all(|&value| value == 0));
                (0..=24).for_each(|k| assert_eq!(low[usize::from(PLACES[k])], block[k]));
                dc_only.block::<0>(&dc.decode, &ac.decode, &mut r, &mut [0; 64]).unwrap();
                prop_assert_eq!((quarter.position(), dc_only.position()), (whole.position(), whole.position()));
            }
            prop_assert_eq!(whole.position(), end);
        }

        #[test]
        fn any_bits_are_read_or_refused_alike(bytes in proptest::collection::vec(any::<u8>(), 1..400)) {
            let (dc, ac) = tables();
            let bytes = [&bytes[..], &[0; PADDING_BYTES]].concat();
            let (mut whole, mut skipped) = (BitReader::at(&bytes, 0), BitReader::at(&bytes, 0));
            let (mut p, mut q) = (0, 0);
            while whole.position() < bytes.len() as u64 * 8 {
                let a = whole.block::<63>(&dc.decode, &ac.decode, &mut p, &mut [0; 64]).map(|_| ());
                let b = skipped.block::<0>(&dc.decode, &ac.decode, &mut q, &mut [0; 64]).map(|_| ());
                prop_assert_eq!(a, b);
                if a.is_err() { break }
                prop_assert_eq!(whole.position(), skipped.position());
            }
        }
    }
}
