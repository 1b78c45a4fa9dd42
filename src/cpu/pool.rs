//! Threads for work that computes, called from tasks that wait. Survives panics, and skips work that nobody waits for.

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use rayon::{ThreadPool, ThreadPoolBuilder};
use tokio::sync::oneshot;

use super::CoreGate;
use crate::error::FatalError;

/// The pool has ended; only at the end of the process.
#[derive(Clone, Copy, Debug)]
pub struct PoolGone;

/// One thread a core.
#[derive(Debug)]
pub struct CpuPool {
    threads: ThreadPool,
    gate: Arc<CoreGate>,
    waiting: Arc<AtomicUsize>,
}

impl CpuPool {
    /// # Errors
    /// If the threads cannot be started.
    pub fn start(gate: &Arc<CoreGate>) -> Result<Self, FatalError> {
        let threads = ThreadPoolBuilder::new()
            .num_threads(gate.cores())
            .thread_name(|index| format!("cpu-{index}"))
            .build()
            .map_err(|error| FatalError::new(format!("cannot start threads: {error}"), "check the limit of threads"))?;
        Ok(Self { threads, gate: Arc::clone(gate), waiting: Arc::default() })
    }

    /// Run `work` on the pool. If this future is dropped before the work begins, it is never begun. A panic of the work
    /// is passed on to the caller, as if it had called it.
    ///
    /// # Errors
    /// [`PoolGone`].
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, PoolGone> {
        let (sender, receiver) = oneshot::channel();
        let (gate, waiting) = (Arc::clone(&self.gate), Arc::clone(&self.waiting));
        waiting.fetch_add(1, Ordering::Relaxed);
        self.threads.spawn_fifo(move || {
            waiting.fetch_sub(1, Ordering::Relaxed);
            if sender.is_closed() {
                return;
            }
            let turn = gate.enter();
            let result = catch_unwind(AssertUnwindSafe(work));
            drop(turn);
            let _ = sender.send(result);
        });
        match receiver.await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(panic)) => resume_unwind(panic),
            Err(_) => Err(PoolGone),
        }
    }

    /// Work that waits for a thread.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    #[tokio::test]
    async fn answers_survives_panics_and_skips_what_nobody_waits_for() {
        let pool = Arc::new(CpuPool::start(&CoreGate::new(1)).unwrap());
        assert_eq!(pool.run(|| 7).await.unwrap(), 7);
        let panicking = tokio::spawn({
            let pool = Arc::clone(&pool);
            async move { pool.run(|| -> u8 { panic!("planted") }).await.unwrap() }
        });
        assert!(panicking.await.unwrap_err().is_panic());
        assert_eq!(pool.run(|| 8).await.unwrap(), 8, "the thread is still there");

        // The only thread is held; what is given up meanwhile must not run.
        let (release, held) = std::sync::mpsc::channel::<()>();
        let holding = pool.run(move || held.recv());
        let ran = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&ran);
        let given_up = pool.run(move || flag.store(true, Ordering::SeqCst));
        tokio::select! {
            biased;
            _ = async { tokio::join!(holding, given_up) } => unreachable!("the thread is held"),
            () = tokio::task::yield_now() => {}
        }
        release.send(()).unwrap();
        pool.run(|| ()).await.unwrap();
        assert!(!ran.load(Ordering::SeqCst));
        assert_eq!(pool.waiting(), 0);
    }
}
