//! What the consumer has to show, readable from anywhere without waiting.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Counts of one consumer. All may be a moment old.
#[derive(Debug, Default)]
pub struct KafkaStats {
    rebalances: AtomicU64,
    assigned: AtomicU64,
    joined: AtomicBool,
    lag: AtomicU64,
}

impl KafkaStats {
    /// How often the group has shared out its partitions anew, or this member has lost its own.
    #[must_use]
    pub fn rebalances_total(&self) -> u64 {
        self.rebalances.load(Ordering::Relaxed)
    }

    /// Partitions that are this member's.
    #[must_use]
    pub fn assigned_partitions(&self) -> u64 {
        self.assigned.load(Ordering::Relaxed)
    }

    /// Whether this member takes part in the group. It may do so without a partition, when there are more members than
    /// partitions; so this is what readiness asks for.
    #[must_use]
    pub fn has_joined(&self) -> bool {
        self.joined.load(Ordering::Relaxed)
    }

    /// Messages of this member's partitions after the committed offset, as the client last counted them (every 5 s).
    #[must_use]
    pub fn consumer_lag(&self) -> u64 {
        self.lag.load(Ordering::Relaxed)
    }

    pub(super) fn rebalanced(&self, joined: bool) {
        self.rebalances.fetch_add(1, Ordering::Relaxed);
        self.joined.store(joined, Ordering::Relaxed);
    }

    pub(super) fn left(&self) {
        self.joined.store(false, Ordering::Relaxed);
    }

    pub(super) fn set_assigned(&self, count: usize) {
        self.assigned.store(count as u64, Ordering::Relaxed);
    }

    pub(super) fn set_lag(&self, lag: u64) {
        self.lag.store(lag, Ordering::Relaxed);
    }
}
