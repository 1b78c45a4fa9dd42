//! The entropy-coded data of a scan without byte stuffing and restart markers (T.81 B.1.1.5, F.1.2.3), and back.

use std::ops::Range;

use super::bits::PADDING_BYTES;
use crate::{error::PhotoResult, photo::corrupt};

/// Bits of all restart intervals, each beginning with a whole byte.
#[derive(Clone, Debug)]
pub(super) struct Scan {
    /// Ends with zeros, as readers need them.
    pub bytes: Vec<u8>,
    /// Where each interval is, in bytes.
    pub intervals: Vec<Range<u32>>,
}

impl Scan {
    /// From the bytes between the scan's header and the next marker. Intervals beyond the `wanted` ones are left out.
    ///
    /// # Errors
    /// `corrupt_image` if a restart marker is missing, out of order or unexpected.
    pub fn unstuffed(data: &[u8], wanted: usize) -> PhotoResult<Self> {
        let mut bytes = vec![0; data.len() + PADDING_BYTES.max(WORD)];
        let (mut at, mut length) = (0, 0);
        let mut intervals = Vec::new();
        let mut start = 0;
        loop {
            let clear = copy_until_mark(&data[at..], &mut bytes[length..]);
            (at, length) = (at + clear, length + clear);
            if at == data.len() {
                break;
            }
            match data.get(at + 1) {
                Some(0x00) => {
                    bytes[length] = 0xFF;
                    (at, length) = (at + 2, length + 1);
                }
                Some(marker @ 0xD0..=0xD7) => {
                    if intervals.len() + 1 == wanted {
                        break;
                    }
                    let (expected, found) = (intervals.len() % 8, usize::from(marker - 0xD0));
                    if found != expected {
                        return Err(corrupt(format!("expected restart marker {expected}, found {found}")));
                    }
                    intervals.push(start..length as u32);
                    start = length as u32;
                    at += 2;
                }
                // Fill bytes (B.1.1.2); any other marker has ended the data before.
                _ => at += 1,
            }
        }
        bytes.truncate(length);
        intervals.push(start..bytes.len() as u32);
        if intervals.len() < wanted {
            return Err(corrupt(format!("expected {wanted} restart intervals, found {}", intervals.len())));
        }
        bytes.resize(bytes.len() + PADDING_BYTES, 0);
        Ok(Self { bytes, intervals })
    }

    /// Leave out what follows the end of each interval, given in bits, and set the rest of its last byte to ones.
    pub fn cut(&mut self, ends: &[u32]) {
        for (interval, &end) in self.intervals.iter_mut().zip(ends) {
            interval.end = end.div_ceil(8);
            if !end.is_multiple_of(8) {
                self.bytes[interval.end as usize - 1] |= 0xFF >> (end % 8);
            }
        }
    }

    /// Whether every interval holds the same bytes.
    pub fn holds_the_same_as(&self, other: &Self) -> bool {
        let parts = |scan: &Self| {
            let intervals = scan.intervals.clone();
            intervals.into_iter().map(|interval| interval.start as usize..interval.end as usize)
        };
        self.intervals.len() == other.intervals.len()
            && parts(self).zip(parts(other)).all(|(a, b)| self.bytes[a] == other.bytes[b])
    }

    /// Append stuffed bytes and restart markers, as [`Scan::unstuffed`] reads them.
    pub fn stuff_into(&self, out: &mut Vec<u8>) {
        for (number, interval) in self.intervals.iter().enumerate() {
            if number > 0 {
                out.extend([0xFF, 0xD0 + ((number - 1) % 8) as u8]);
            }
            let mut rest = &self.bytes[interval.start as usize..interval.end as usize];
            // Room for as many bytes again; what is not needed is given back.
            while !rest.is_empty() {
                let (before, part) = (out.len(), &rest[..rest.len().min(STUFFED_AT_ONCE)]);
                out.resize(before + 2 * part.len() + WORD, 0);
                let written = stuff(part, &mut out[before..]);
                out.truncate(before + written);
                rest = &rest[part.len()..];
            }
        }
    }
}

/// Bytes that are looked at together.
const WORD: usize = 8;
/// Bytes that are stuffed before room is made for more.
const STUFFED_AT_ONCE: usize = 1 << 15;

/// Copy bytes up to the first 0xFF, or all of them. Returns how many; `to` is [`WORD`] bytes longer than `from` and may be
/// written to behind them.
fn copy_until_mark(from: &[u8], to: &mut [u8]) -> usize {
    let mut at = 0;
    while let (Some(word), Some(place)) = (from[at..].first_chunk::<WORD>(), to[at..].first_chunk_mut::<WORD>()) {
        *place = *word;
        if let Some(mark) = mark_in(*word) {
            return at + mark;
        }
        at += WORD;
    }
    let rest = first_mark(&from[at..]).unwrap_or(from.len() - at);
    to[at..at + rest].copy_from_slice(&from[at..at + rest]);
    at + rest
}

/// The place of the first 0xFF. Coded data has so many that looking at single words beats a search made for rare ones.
pub(super) fn first_mark(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(word) = bytes[at..].first_chunk::<WORD>() {
        if let Some(mark) = mark_in(*word) {
            return Some(at + mark);
        }
        at += WORD;
    }
    bytes[at..].iter().position(|&byte| byte == 0xFF).map(|mark| at + mark)
}

#[inline]
fn mark_in(word: [u8; WORD]) -> Option<usize> {
    // A byte of ones is a byte of zeros turned round, and subtracting 1 from that borrows.
    let turned = !u64::from_le_bytes(word);
    let marks = turned.wrapping_sub(0x0101_0101_0101_0101) & !turned & 0x8080_8080_8080_8080;
    (marks != 0).then(|| marks.trailing_zeros() as usize / 8)
}

/// Copy bytes with a zero behind every 0xFF; `to` has room for twice as many and a [`WORD`]. Returns how many were
/// written.
fn stuff(from: &[u8], to: &mut [u8]) -> usize {
    let (mut at, mut written) = (0, 0);
    while at < from.len() {
        let clear = copy_until_mark(&from[at..], &mut to[written..]);
        (at, written) = (at + clear, written + clear);
        if at < from.len() {
            to[written..written + 2].copy_from_slice(&[0xFF, 0]);
            (at, written) = (at + 1, written + 2);
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn stuffing_is_undone(parts in proptest::collection::vec(proptest::collection::vec(prop_oneof![Just(0xFFu8), Just(0), Just(0xD3), any::<u8>()], 0..40), 1..20)) {
            let (mut bytes, mut intervals) = (Vec::new(), Vec::new());
            for part in &parts {
                intervals.push(bytes.len() as u32..(bytes.len() + part.len()) as u32);
                bytes.extend(part);
            }
            let scan = Scan { bytes: [&bytes[..], &[0; PADDING_BYTES]].concat(), intervals };
            let mut stuffed = Vec::new();
            scan.stuff_into(&mut stuffed);
            let again = Scan::unstuffed(&stuffed, parts.len()).unwrap();
            prop_assert_eq!(again.bytes, scan.bytes);
            prop_assert_eq!(again.intervals, scan.intervals);
        }
    }

    #[test]
    fn restart_markers_out_of_order_are_no_scan() {
        let good = b"a\xFF\xD0b\xFF\xD1c";
        assert_eq!(Scan::unstuffed(good, 3).unwrap().intervals, [0..1, 1..2, 2..3]);
        assert_eq!(Scan::unstuffed(good, 2).unwrap().intervals, [0..1, 1..2], "what follows the last one is left out");
        assert!(Scan::unstuffed(good, 4).is_err());
        assert!(Scan::unstuffed(b"a\xFF\xD1b\xFF\xD0c", 3).is_err());
        assert!(Scan::unstuffed(b"a\xFF\xD0b\xFF\xD0c", 3).is_err());
    }

    #[test]
    fn fill_bytes_are_left_out() {
        assert_eq!(Scan::unstuffed(b"a\xFF\xFF\xFF\xD0b\xFF\xFF\0", 2).unwrap().bytes, b"ab\xFF\0\0\0\0\0\0\0\0");
    }
}
