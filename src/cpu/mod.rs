//! The cores. Decoding, painting and inference happen on threads of their own, and never on more at once than there are
//! cores: each takes a turn at the [`CoreGate`] before it computes.

mod pool;

use std::{
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

pub use self::pool::{CpuPool, PoolGone};

/// Lets a fixed number of threads compute at once.
#[derive(Debug)]
pub struct CoreGate {
    cores: usize,
    free: Mutex<usize>,
    freed: Condvar,
    busy_ns: AtomicU64,
}

/// A turn on one core, given back on drop.
#[derive(Debug)]
pub struct CoreTurn<'a> {
    gate: &'a CoreGate,
    since: Instant,
}

impl CoreGate {
    #[must_use]
    pub fn new(cores: usize) -> Arc<Self> {
        let cores = cores.max(1);
        let (free, busy_ns) = (Mutex::new(cores), AtomicU64::new(0));
        Arc::new(Self { cores, free, freed: Condvar::new(), busy_ns })
    }

    #[must_use]
    pub fn cores(&self) -> usize {
        self.cores
    }

    /// Wait for a core.
    pub fn enter(&self) -> CoreTurn<'_> {
        let mut free = self.lock();
        while *free == 0 {
            free = self.freed.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
        *free -= 1;
        CoreTurn { gate: self, since: Instant::now() }
    }

    /// Seconds of all finished turns together.
    #[must_use]
    pub fn busy_seconds(&self) -> f64 {
        self.busy_ns.load(Ordering::Relaxed) as f64 / 1e9
    }

    // The number is right even if a holder panicked: every change is a single step.
    fn lock(&self) -> MutexGuard<'_, usize> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for CoreTurn<'_> {
    fn drop(&mut self) {
        let spent = u64::try_from(self.since.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.gate.busy_ns.fetch_add(spent, Ordering::Relaxed);
        *self.gate.lock() += 1;
        self.gate.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        thread,
    };

    use super::*;

    #[test]
    fn never_more_threads_than_cores() {
        let gate = CoreGate::new(3);
        let (inside, worst) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let _turn = gate.enter();
                        worst.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        thread::yield_now();
                        inside.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert!((1..=3).contains(&worst.load(Ordering::SeqCst)));
        assert_eq!(*gate.lock(), 3);
        assert!(gate.busy_seconds() > 0.0);
    }
}
