//! Partitions that come and go, and how much of each is in work.
//!
//! A partition that is revoked comes to rest first: nothing of it is begun any more, what has begun may end, then its
//! last mark is committed and only then it is let go of. After a while that does not wait any longer; what ends later
//! counts for nothing, because somebody else does it again.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use super::{DeliveryId, Intake, Outcome, Partition, Source};

/// What is in work of one partition.
#[derive(Debug, Default)]
pub(super) struct PartitionWork {
    /// Photos of the present epoch.
    pub(super) running: usize,
    /// The source was told to deliver nothing of it.
    pub(super) is_held: bool,
    /// Asked by photos that have not begun.
    pub(super) leave: Arc<AtomicBool>,
    /// Until when a revoked partition may come to rest.
    leave_by: Option<Instant>,
}

impl PartitionWork {
    pub(super) fn is_leaving(&self) -> bool {
        self.leave_by.is_some()
    }
}

impl<S: Source, R: FnMut(Outcome)> Intake<S, R> {
    pub(super) fn enter_partition(&mut self, partition: Partition) {
        self.tracker.assign(partition);
        self.partitions.insert(partition, PartitionWork::default());
    }

    /// Tell the source whether there is room. A suspect that is held holds the low-water mark too, and must not keep
    /// those from coming for whom it waits.
    pub(super) fn update_hold(&mut self, partition: Partition) {
        let lonely = self.lonely.iter().filter(|(id, _)| id.partition == partition).count();
        let taken = if lonely == 0 {
            self.tracker.window(partition)
        } else {
            self.uploads.keys().filter(|id| id.partition == partition).count() - lonely
        };
        let is_full = taken >= self.options.window;
        let Some(state) = self.partitions.get_mut(&partition) else { return };
        if state.is_held != is_full {
            state.is_held = is_full;
            self.source.hold(partition, is_full);
        }
    }

    pub(super) fn is_leaving(&self, partition: Partition) -> bool {
        self.partitions.get(&partition).is_none_or(PartitionWork::is_leaving)
    }

    /// Begin nothing more of this partition. It is let go of once what has begun has ended.
    pub(super) fn begin_to_leave(&mut self, partition: Partition) {
        let Some(state) = self.partitions.get_mut(&partition) else { return };
        state.leave.store(true, Ordering::Release);
        state.leave_by = Some(Instant::now() + self.options.revoke);
        let is_of = |id: &DeliveryId| id.partition == partition;
        let waiting: Vec<DeliveryId> = self
            .names
            .values_mut()
            .flat_map(|queue| {
                let (gone, kept): (Vec<_>, Vec<_>) = queue.drain(..).partition(is_of);
                queue.extend(kept);
                gone
            })
            .chain(self.lonely.iter().map(|(id, _)| *id).filter(is_of))
            .collect();
        for id in waiting {
            self.uploads.remove(&id);
        }
        self.lonely.retain(|(id, _)| !is_of(id));
        self.leave_if_at_rest(partition);
    }

    fn leave_if_at_rest(&mut self, partition: Partition) {
        if self.partitions.get(&partition).is_some_and(|state| state.is_leaving() && state.running == 0) {
            self.leave_partition(partition);
        }
    }

    /// End the epoch, and hand the last mark over to be committed.
    pub(super) fn leave_partition(&mut self, partition: Partition) {
        if self.partitions.remove(&partition).is_some() {
            let last = self.tracker.revoke(partition);
            self.source.release(partition, last);
        }
    }

    /// Whoever takes too long is not waited for.
    pub(super) fn leave_in_time(&mut self, now: Instant) {
        let is_due = |state: &PartitionWork| state.leave_by.is_some_and(|leave_by| now >= leave_by);
        let due: Vec<_> =
            self.partitions.iter().filter(|(_, state)| is_due(state)).map(|(&partition, _)| partition).collect();
        for partition in due {
            self.leave_partition(partition);
        }
    }

    /// After something of this partition ended.
    pub(super) fn settle(&mut self, id: DeliveryId) {
        self.update_hold(id.partition);
        self.leave_if_at_rest(id.partition);
    }
}
