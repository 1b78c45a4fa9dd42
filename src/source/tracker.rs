//! How far each partition is done, while deliveries end in any order.
//!
//! The low-water mark is the first offset that is not done: committing it can lose nothing. Each assignment of a
//! partition is an epoch of its own; what ends after its partition was revoked counts for nothing, because somebody else
//! does it again. The idea is that of Jeffail/checkpoint, with epochs and dropped guards added.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use super::{LowWaterMark, NextOffset, Partition};

/// A delivery whose guard was dropped this often is given up.
const MAX_DROPS: u8 = 3;

/// Names one delivery in one epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DeliveryId {
    pub partition: Partition,
    pub offset: i64,
    epoch: u64,
}

/// What to do about a delivery whose guard was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterDrop {
    /// Deliver it again, inside the process.
    Requeue,
    /// It was dropped too often: record it as `abandoned` and complete it.
    Abandon,
    /// It is of an old epoch, or done: nothing.
    Ignore,
}

#[derive(Debug)]
struct Slot {
    offset: i64,
    done: bool,
    drops: u8,
}

#[derive(Debug)]
struct PartitionState {
    epoch: u64,
    /// Ascending offsets, the first one not done.
    slots: VecDeque<Slot>,
    mark: Option<NextOffset>,
    committed: Option<NextOffset>,
    /// When the mark last moved, or work began after there was none.
    moved_at: Instant,
}

/// All partitions that are assigned. Owned by one task.
#[derive(Debug, Default)]
pub struct OffsetTracker {
    partitions: HashMap<Partition, PartitionState>,
    last_epoch: u64,
}

impl OffsetTracker {
    /// A new epoch of `partition`, with nothing in flight.
    pub fn assign(&mut self, partition: Partition) {
        self.last_epoch += 1;
        let state = PartitionState {
            epoch: self.last_epoch,
            slots: VecDeque::new(),
            mark: None,
            committed: None,
            moved_at: Instant::now(),
        };
        self.partitions.insert(partition, state);
    }

    /// End the epoch of `partition`. Returns the last mark that was not committed yet, to be committed before letting go.
    pub fn revoke(&mut self, partition: Partition) -> Option<LowWaterMark> {
        let state = self.partitions.remove(&partition)?;
        let next = state.mark.filter(|_| state.mark != state.committed)?;
        Some(LowWaterMark { partition, next })
    }

    /// Track a delivery. Offsets may have gaps but must ascend: `None` for one that was seen in this epoch already, or
    /// a partition that is not assigned.
    pub fn deliver(&mut self, partition: Partition, offset: i64, now: Instant) -> Option<DeliveryId> {
        let state = self.partitions.get_mut(&partition)?;
        let is_next = match (state.slots.back(), state.mark) {
            (Some(last), _) => offset > last.offset,
            (None, Some(mark)) => offset >= mark.0,
            (None, None) => true,
        };
        if !is_next {
            return None;
        }
        if state.slots.is_empty() {
            state.moved_at = now;
        }
        state.slots.push_back(Slot { offset, done: false, drops: 0 });
        Some(DeliveryId { partition, offset, epoch: state.epoch })
    }

    /// A delivery is done. Returns whether it counted: not if it is of an old epoch or was done before.
    pub fn complete(&mut self, id: DeliveryId, now: Instant) -> bool {
        let Some(state) = self.current(id) else { return false };
        let Some(slot) = slot_of(&mut state.slots, id.offset).filter(|slot| !slot.done) else { return false };
        slot.done = true;
        while let Some(first) = state.slots.front().filter(|slot| slot.done) {
            state.mark = Some(NextOffset(first.offset + 1));
            state.moved_at = now;
            state.slots.pop_front();
        }
        true
    }

    /// A delivery's guard was dropped without an answer.
    pub fn dropped(&mut self, id: DeliveryId) -> AfterDrop {
        let Some(state) = self.current(id) else { return AfterDrop::Ignore };
        let Some(slot) = slot_of(&mut state.slots, id.offset).filter(|slot| !slot.done) else {
            return AfterDrop::Ignore;
        };
        slot.drops = slot.drops.saturating_add(1);
        if slot.drops < MAX_DROPS { AfterDrop::Requeue } else { AfterDrop::Abandon }
    }

    /// The marks that moved since they were last committed.
    #[must_use]
    pub fn uncommitted(&self) -> Vec<LowWaterMark> {
        let mut marks: Vec<_> = self
            .partitions
            .iter()
            .filter(|(_, state)| state.mark != state.committed)
            .filter_map(|(&partition, state)| Some(LowWaterMark { partition, next: state.mark? }))
            .collect();
        marks.sort_by_key(|mark| mark.partition);
        marks
    }

    /// These marks, as [`OffsetTracker::uncommitted`] gave them, are committed.
    pub fn committed(&mut self, marks: &[LowWaterMark]) {
        for mark in marks {
            if let Some(state) = self.partitions.get_mut(&mark.partition) {
                state.committed = Some(mark.next);
            }
        }
    }

    /// Whether this delivery is of the present epoch of its partition.
    #[must_use]
    pub fn is_current(&self, id: DeliveryId) -> bool {
        self.partitions.get(&id.partition).is_some_and(|state| state.epoch == id.epoch)
    }

    /// Deliveries of `partition` that hold its window: all from the mark on, done or not.
    #[must_use]
    pub fn window(&self, partition: Partition) -> usize {
        self.partitions.get(&partition).map_or(0, |state| state.slots.len())
    }

    /// Deliveries of all partitions that hold their windows.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.partitions.values().map(|state| state.slots.len()).sum()
    }

    /// For how long the slowest mark has not moved while work was in flight; none if none is.
    #[must_use]
    pub fn oldest_mark_age(&self, now: Instant) -> Option<Duration> {
        let busy = self.partitions.values().filter(|state| !state.slots.is_empty());
        busy.map(|state| now.saturating_duration_since(state.moved_at)).max()
    }

    /// Forgive the time that passed: nothing could move because a store was out of reach.
    pub fn excuse(&mut self, now: Instant) {
        for state in self.partitions.values_mut() {
            state.moved_at = now;
        }
    }

    fn current(&mut self, id: DeliveryId) -> Option<&mut PartitionState> {
        self.partitions.get_mut(&id.partition).filter(|state| state.epoch == id.epoch)
    }
}

fn slot_of(slots: &mut VecDeque<Slot>, offset: i64) -> Option<&mut Slot> {
    let at = slots.binary_search_by_key(&offset, |slot| slot.offset).ok()?;
    slots.get_mut(at)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    /// The same in the plainest way: everything that was delivered and everything that is done, as sets.
    #[derive(Default)]
    struct Naive {
        assigned: BTreeMap<u32, Epoch>,
        past: Vec<DeliveryId>,
    }

    #[derive(Default)]
    struct Epoch {
        delivered: BTreeSet<i64>,
        done: BTreeSet<i64>,
        drops: BTreeMap<i64, u8>,
        ids: BTreeMap<i64, DeliveryId>,
    }

    impl Epoch {
        fn mark(&self) -> Option<NextOffset> {
            let first_open = self.delivered.difference(&self.done).next();
            let before = self.delivered.iter().take_while(|&offset| first_open.is_none_or(|open| offset < open));
            before.last().map(|&offset| NextOffset(offset + 1))
        }

        fn open_from_mark(&self) -> usize {
            self.delivered.iter().filter(|&&offset| self.mark().is_none_or(|mark| offset >= mark.0)).count()
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Assign(u32),
        Revoke(u32),
        Deliver(u32, i64),
        Complete(prop::sample::Index),
        Drop(prop::sample::Index),
        CompleteOld(prop::sample::Index),
        Commit,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let partition = 0u32..3;
        let one = prop_oneof![
            1 => partition.clone().prop_map(Step::Assign),
            1 => partition.clone().prop_map(Step::Revoke),
            8 => (partition, 1i64..4).prop_map(|(partition, gap)| Step::Deliver(partition, gap)),
            8 => any::<prop::sample::Index>().prop_map(Step::Complete),
            3 => any::<prop::sample::Index>().prop_map(Step::Drop),
            1 => any::<prop::sample::Index>().prop_map(Step::CompleteOld),
            2 => Just(Step::Commit),
        ];
        proptest::collection::vec(one, 0..200)
    }

    /// One of all deliveries of the present epochs, done or not.
    fn pick(naive: &Naive, index: prop::sample::Index) -> Option<DeliveryId> {
        let all: Vec<_> = naive.assigned.values().flat_map(|epoch| epoch.ids.values().copied()).collect();
        (!all.is_empty()).then(|| *index.get(&all))
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

        #[test]
        fn agrees_with_the_naive_model_over_any_interleaving(steps in steps()) {
            let now = Instant::now();
            let mut tracker = OffsetTracker::default();
            let mut naive = Naive::default();
            let mut committed: BTreeMap<u32, Option<NextOffset>> = BTreeMap::new();
            for step in steps {
                match step {
                    Step::Assign(partition) => {
                        tracker.assign(Partition(partition));
                        let old = naive.assigned.insert(partition, Epoch::default());
                        naive.past.extend(old.into_iter().flat_map(|epoch| epoch.ids.into_values()));
                        committed.insert(partition, None);
                    }
                    Step::Revoke(partition) => {
                        let last = tracker.revoke(Partition(partition)).map(|mark| mark.next);
                        let old = naive.assigned.remove(&partition);
                        let expected = old.as_ref().and_then(Epoch::mark);
                        let known = committed.remove(&partition).flatten();
                        prop_assert_eq!(last, expected.filter(|_| expected != known));
                        naive.past.extend(old.into_iter().flat_map(|epoch| epoch.ids.into_values()));
                    }
                    Step::Deliver(partition, gap) => {
                        let Some(epoch) = naive.assigned.get_mut(&partition) else {
                            prop_assert!(tracker.deliver(Partition(partition), gap, now).is_none());
                            continue;
                        };
                        let last = epoch.delivered.last().copied();
                        if let Some(last) = last {
                            prop_assert!(tracker.deliver(Partition(partition), last, now).is_none(), "delivered twice");
                        }
                        let offset = last.unwrap_or(0) + gap;
                        let id = tracker.deliver(Partition(partition), offset, now).unwrap();
                        epoch.delivered.insert(offset);
                        epoch.ids.insert(offset, id);
                    }
                    Step::Complete(index) => {
                        let Some(id) = pick(&naive, index) else { continue };
                        let epoch = naive.assigned.get_mut(&id.partition.0).unwrap();
                        prop_assert_eq!(tracker.complete(id, now), epoch.done.insert(id.offset));
                    }
                    Step::Drop(index) => {
                        let Some(id) = pick(&naive, index) else { continue };
                        let epoch = naive.assigned.get_mut(&id.partition.0).unwrap();
                        let expected = if epoch.done.contains(&id.offset) {
                            AfterDrop::Ignore
                        } else {
                            let drops = epoch.drops.entry(id.offset).or_default();
                            *drops += 1;
                            if *drops < MAX_DROPS { AfterDrop::Requeue } else { AfterDrop::Abandon }
                        };
                        prop_assert_eq!(tracker.dropped(id), expected);
                    }
                    Step::CompleteOld(index) => {
                        if naive.past.is_empty() { continue }
                        let id = *index.get(&naive.past);
                        prop_assert!(!tracker.complete(id, now), "an old epoch counted");
                        prop_assert_eq!(tracker.dropped(id), AfterDrop::Ignore);
                    }
                    Step::Commit => {
                        let marks = tracker.uncommitted();
                        tracker.committed(&marks);
                        prop_assert!(tracker.uncommitted().is_empty());
                        for (partition, epoch) in &naive.assigned {
                            committed.insert(*partition, epoch.mark());
                        }
                    }
                }
                for (&partition, epoch) in &naive.assigned {
                    let moved = tracker.uncommitted().into_iter().find(|mark| mark.partition.0 == partition);
                    let expected = epoch.mark().filter(|_| epoch.mark() != committed[&partition]);
                    prop_assert_eq!(moved.map(|mark| mark.next), expected);
                    prop_assert_eq!(tracker.window(Partition(partition)), epoch.open_from_mark());
                }
            }
        }
    }

    #[test]
    fn a_mark_that_does_not_move_while_work_is_in_flight_grows_old() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut tracker = OffsetTracker::default();
        tracker.assign(Partition::ONLY);
        assert_eq!(tracker.oldest_mark_age(after(100)), None, "nothing in flight is no stall");
        let first = tracker.deliver(Partition::ONLY, 5, after(100)).unwrap();
        let second = tracker.deliver(Partition::ONLY, 9, after(130)).unwrap();
        assert!(tracker.complete(second, after(140)));
        assert_eq!(tracker.oldest_mark_age(after(160)), Some(Duration::from_secs(60)), "the second moved nothing");
        tracker.excuse(after(150));
        assert_eq!(tracker.oldest_mark_age(after(160)), Some(Duration::from_secs(10)));
        assert!(tracker.complete(first, after(170)));
        assert_eq!(tracker.oldest_mark_age(after(500)), None);
        assert_eq!(tracker.uncommitted(), [LowWaterMark { partition: Partition::ONLY, next: NextOffset(10) }]);
    }
}
