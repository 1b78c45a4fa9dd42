//! Budgets of bytes, shared by all photos in work.
//!
//! A share is taken before the bytes exist and given back when they are gone. What is larger than the whole budget is
//! clamped to it and runs alone. Waiting is first come, first served, so that nothing large starves. A photo takes its
//! shares in the order of its path and never one it has passed; therefore no photos can wait for each other in a circle.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What one permit of the semaphore stands for.
const UNIT_BYTES: u64 = 4096;

/// How much may be in use at once.
#[derive(Debug)]
pub struct Budget {
    free_units: Arc<Semaphore>,
    total_units: u32,
}

/// A share of a [`Budget`], given back on drop.
#[derive(Debug)]
pub struct Permit {
    units: OwnedSemaphorePermit,
}

impl Budget {
    /// A budget of `total_bytes`, rounded up to 4 KiB.
    #[must_use]
    pub fn new(total_bytes: u64) -> Self {
        let most = u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX);
        let total_units = u32::try_from(total_bytes.div_ceil(UNIT_BYTES)).unwrap_or(most).clamp(1, most);
        Self { free_units: Arc::new(Semaphore::new(total_units as usize)), total_units }
    }

    /// Wait until `bytes`, or the whole budget if that is less, are free, and take them.
    ///
    /// # Panics
    /// Never: the semaphore is not closed.
    pub async fn take(&self, bytes: u64) -> Permit {
        let units = u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX).min(self.total_units);
        let taken = Arc::clone(&self.free_units).acquire_many_owned(units).await;
        Permit { units: taken.expect("the semaphore is never closed") }
    }

    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        (u64::from(self.total_units) - self.free_units.available_permits() as u64) * UNIT_BYTES
    }
}

impl Permit {
    /// What is held, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.units.num_permits() as u64 * UNIT_BYTES
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicU64, Ordering},
        time::Duration,
    };

    use proptest::prelude::*;
    use tokio::{task::JoinSet, time::timeout};

    use super::*;

    /// One photo: what it takes of the first budget, then of the second, how long it works, and whether it is dropped
    /// while it waits.
    type Photo = (u64, u64, u64, bool);

    fn photos() -> impl Strategy<Value = Vec<Photo>> {
        proptest::collection::vec((0u64..200, 0u64..200, 0u64..20, prop::bool::weighted(0.2)), 0..40)
    }

    #[derive(Default)]
    struct Gauge {
        now: AtomicU64,
        worst: AtomicU64,
    }

    impl Gauge {
        fn add(&self, units: u64) {
            let now = self.now.fetch_add(units, Ordering::SeqCst) + units;
            self.worst.fetch_max(now, Ordering::SeqCst);
        }
    }

    async fn photo(budgets: Arc<[Budget; 2]>, gauges: Arc<[Gauge; 2]>, (first, second, work_ms, _): Photo) {
        let mut held = Vec::new();
        for (index, wanted) in [first, second].into_iter().enumerate() {
            let permit = budgets[index].take(wanted * UNIT_BYTES).await;
            let units = permit.bytes() / UNIT_BYTES;
            gauges[index].add(units);
            held.push((permit, units));
            tokio::time::sleep(Duration::from_millis(work_ms)).await;
        }
        for (index, (permit, units)) in held.into_iter().enumerate() {
            gauges[index].now.fetch_sub(units, Ordering::SeqCst);
            drop(permit);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

        #[test]
        fn never_overdrawn_never_stuck_and_whole_in_the_end(
            totals in (1u64..100, 1u64..100), photos in photos(),
        ) {
            // With paused time a time-out fires only when no task can go on: it is a detector of deadlocks.
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
            let budgets = Arc::new([Budget::new(totals.0 * UNIT_BYTES), Budget::new(totals.1 * UNIT_BYTES)]);
            let gauges = Arc::new([Gauge::default(), Gauge::default()]);
            let ended = runtime.block_on(async {
                let mut tasks = JoinSet::new();
                for one in photos {
                    let (budgets, gauges) = (Arc::clone(&budgets), Arc::clone(&gauges));
                    if one.3 {
                        // Given up while it waits, or before it began.
                        tasks.spawn(async move {
                            let waiting = budgets[0].take(one.0 * UNIT_BYTES);
                            let _ = timeout(Duration::from_millis(one.2), waiting).await;
                        });
                    } else {
                        tasks.spawn(photo(budgets, gauges, one));
                    }
                }
                timeout(Duration::from_secs(3600), tasks.join_all()).await.is_ok()
            });
            prop_assert!(ended, "some photos wait for ever");
            for (index, total) in [totals.0, totals.1].into_iter().enumerate() {
                prop_assert!(gauges[index].worst.load(Ordering::SeqCst) <= total);
                prop_assert_eq!(budgets[index].used_bytes(), 0);
            }
        }
    }
}
