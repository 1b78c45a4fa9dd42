//! Offsets of records: a message may hold several uploads, and each of them is tracked for itself.
//!
//! A record's offset is the message's, shifted, and its number. The last record of a message has the highest number
//! there is, so that when all are done the mark (the last offset plus one) is the next message, and when only some are
//! done it is the message itself, which then comes again as a whole.

/// Bits for the number of a record.
const BITS: u32 = 16;
const LAST: i64 = (1 << BITS) - 1;
/// Most records that a message can hold.
pub const MAX_RECORDS: usize = 1 << BITS;

/// The offset under which record `index` of `count` is tracked. `None` if the message holds more than can be told apart,
/// or its offset is beyond 2^47.
pub(super) fn record_offset(message_offset: i64, index: usize, count: usize) -> Option<i64> {
    if index >= count || count > MAX_RECORDS || !(0..1 << (i64::BITS - 1 - BITS)).contains(&message_offset) {
        return None;
    }
    let number = if index + 1 == count { LAST } else { i64::try_from(index).ok()? };
    Some((message_offset << BITS) | number)
}

/// The first message that is not wholly done, for a mark among record offsets.
pub(super) fn message_offset(mark: i64) -> i64 {
    mark >> BITS
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use proptest::prelude::*;

    use super::*;
    use crate::source::{OffsetTracker, Partition};

    #[test]
    fn only_a_whole_message_moves_the_mark() {
        let offsets: Vec<_> = (0..3).map(|index| record_offset(7, index, 3).unwrap()).collect();
        assert_eq!(offsets, [7 << 16, (7 << 16) + 1, (7 << 16) + 0xFFFF]);
        assert_eq!(message_offset(offsets[0] + 1), 7);
        assert_eq!(message_offset(offsets[1] + 1), 7);
        assert_eq!(message_offset(offsets[2] + 1), 8);
        assert_eq!(message_offset(record_offset(7, 0, 1).unwrap() + 1), 8);
    }

    #[test]
    fn what_cannot_be_told_apart_is_refused() {
        assert!(record_offset(0, 0, MAX_RECORDS + 1).is_none());
        assert!(record_offset(0, MAX_RECORDS - 1, MAX_RECORDS).is_some());
        assert!(record_offset(1 << 47, 0, 1).is_none());
        assert!(record_offset((1 << 47) - 1, 0, 1).is_some());
        assert!(record_offset(-1, 0, 1).is_none());
    }

    proptest! {
        /// Messages with gaps between them, any number of records, done in any order: what would be committed is always
        /// the first message of which something is open.
        #[test]
        fn the_committed_offset_is_the_first_message_that_is_not_wholly_done(
            messages in proptest::collection::vec((1i64..5, 1usize..6), 1..20),
            order in proptest::collection::vec(any::<prop::sample::Index>(), 0..80),
        ) {
            let now = Instant::now();
            let mut tracker = OffsetTracker::default();
            tracker.assign(Partition::ONLY);
            let (mut open, mut offset) = (Vec::new(), 0);
            for (gap, count) in messages {
                offset += gap;
                for index in 0..count {
                    let place = record_offset(offset, index, count).unwrap();
                    open.push((offset, tracker.deliver(Partition::ONLY, place, now).unwrap()));
                }
            }
            let first = open[0].0;
            for pick in order {
                if open.is_empty() {
                    break;
                }
                let (_, id) = open.remove(pick.index(open.len()));
                prop_assert!(tracker.complete(id, now));
                let mark = tracker.uncommitted().first().map(|mark| message_offset(mark.next.0));
                let first_open = open.iter().map(|(message, _)| *message).min();
                // Without an open message everything is done; in between, offsets that do not exist make no difference.
                let mark = mark.unwrap_or(first);
                prop_assert!(first_open.is_none_or(|open| mark <= open), "{mark} skips {first_open:?}");
                if first_open.is_none() {
                    prop_assert_eq!(mark, offset + 1);
                }
            }
        }
    }
}
