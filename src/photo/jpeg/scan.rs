//! The entropy-coded data of a scan without byte stuffing and restart markers (T.81 B.1.1.5, F.1.2.3), and back.

use std::ops::Range;

use memchr::memchr;

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
        let mut bytes = Vec::with_capacity(data.len() + PADDING_BYTES);
        let mut intervals = Vec::new();
        let mut start = 0;
        let mut at = 0;
        loop {
            let Some(clear) = memchr(0xFF, &data[at..]) else {
                bytes.extend_from_slice(&data[at..]);
                break;
            };
            let mark = at + clear;
            match data.get(mark + 1) {
                Some(0x00) => {
                    bytes.extend_from_slice(&data[at..=mark]);
                    at = mark + 2;
                }
                Some(marker @ 0xD0..=0xD7) => {
                    bytes.extend_from_slice(&data[at..mark]);
                    if intervals.len() + 1 == wanted {
                        break;
                    }
                    let (expected, found) = (intervals.len() % 8, usize::from(marker - 0xD0));
                    if found != expected {
                        return Err(corrupt(format!("expected restart marker {expected}, found {found}")));
                    }
                    intervals.push(start..bytes.len() as u32);
                    start = bytes.len() as u32;
                    at = mark + 2;
                }
                // Fill bytes (B.1.1.2); any other marker has ended the data before.
                _ => {
                    bytes.extend_from_slice(&data[at..mark]);
                    at = mark + 1;
                }
            }
        }
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
            while let Some(mark) = memchr(0xFF, rest) {
                out.extend_from_slice(&rest[..=mark]);
                out.push(0);
                rest = &rest[mark + 1..];
            }
            out.extend_from_slice(rest);
        }
    }
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
