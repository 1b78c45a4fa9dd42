//! A budget of bytes for decoded pixels, shared by all workers.
//!
//! It is taken from a photo's header, before its pixels are decoded, and given back when the photo is done. A photo
//! larger than the whole budget is clamped to it and runs alone.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// How much may be in use at once.
#[derive(Debug)]
pub struct Budget {
    total_bytes: u64,
    free_bytes: Mutex<u64>,
    returned: Condvar,
}

/// A share of a [`Budget`], given back on drop.
#[derive(Debug)]
pub struct Permit<'a> {
    budget: &'a Budget,
    bytes: u64,
}

impl Budget {
    #[must_use]
    pub fn new(total_bytes: u64) -> Self {
        Self { total_bytes, free_bytes: Mutex::new(total_bytes), returned: Condvar::new() }
    }

    /// Wait until `bytes`, or the whole budget if that is less, are free, and take them.
    pub fn take(&self, bytes: u64) -> Permit<'_> {
        let bytes = bytes.min(self.total_bytes);
        let mut free = self.lock();
        while *free < bytes {
            free = self.returned.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
        *free -= bytes;
        Permit { budget: self, bytes }
    }

    // The number behind the lock is right even if a holder panicked: every change is a single addition.
    fn lock(&self) -> MutexGuard<'_, u64> {
        self.free_bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        *self.budget.lock() += self.bytes;
        self.budget.returned.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicU64, Ordering},
        thread,
    };

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

        #[test]
        fn never_overdrawn_never_stuck_and_whole_in_the_end(
            total in 1u64..100,
            wants in proptest::collection::vec(proptest::collection::vec(0u64..200, 0..20), 1..5),
        ) {
            let budget = Budget::new(total);
            let in_use = AtomicU64::new(0);
            let worst = AtomicU64::new(0);
            thread::scope(|scope| {
                for wants in &wants {
                    let (budget, in_use, worst) = (&budget, &in_use, &worst);
                    scope.spawn(move || {
                        for &bytes in wants {
                            let permit = budget.take(bytes);
                            let now = in_use.fetch_add(permit.bytes, Ordering::SeqCst) + permit.bytes;
                            worst.fetch_max(now, Ordering::SeqCst);
                            thread::yield_now();
                            in_use.fetch_sub(permit.bytes, Ordering::SeqCst);
                        }
                    });
                }
            });
            prop_assert!(worst.load(Ordering::SeqCst) <= total);
            prop_assert_eq!(*budget.lock(), total);
        }
    }
}
