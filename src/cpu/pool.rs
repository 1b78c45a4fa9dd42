//! Threads for work that computes, called from tasks that wait. Survives panics, and skips work that nobody waits for.

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    runtime::{Builder, Handle, Runtime},
    sync::oneshot,
};

use super::CoreGate;
use crate::error::FatalError;

/// Idle threads are kept for as long as there can be work.
const KEEP_ALIVE: Duration = Duration::from_secs(3600);

/// The pool has ended; only at the end of the process.
#[derive(Clone, Copy, Debug)]
pub struct PoolGone;

/// One thread a core: the blocking threads of a runtime that runs nothing else. They take work in the order in which it
/// came, and sleep without spinning when there is none.
#[derive(Debug)]
pub struct CpuPool {
    runtime: Option<Runtime>,
    threads: Handle,
    gate: Arc<CoreGate>,
    waiting: Arc<AtomicUsize>,
}

impl CpuPool {
    /// # Errors
    /// If the threads cannot be started.
    pub fn start(gate: &Arc<CoreGate>) -> Result<Self, FatalError> {
        let runtime = Builder::new_current_thread()
            .max_blocking_threads(gate.cores())
            .thread_keep_alive(KEEP_ALIVE)
            .thread_name("cpu")
            .build()
            .map_err(|error| FatalError::new(format!("cannot start threads: {error}"), "check the limit of threads"))?;
        let threads = runtime.handle().clone();
        Ok(Self { runtime: Some(runtime), threads, gate: Arc::clone(gate), waiting: Arc::default() })
    }

    /// Run `work` on the pool. If this future is dropped before the work begins, it is never begun. A panic of the work
    /// is passed on to the caller, as if it had called it.
    ///
    /// # Errors
    /// [`PoolGone`].
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, PoolGone> {
        let (sender, receiver) = oneshot::channel();
        self.start_work(move || {
            if !sender.is_closed() {
                let _ = sender.send(catch_unwind(AssertUnwindSafe(work)));
            }
        });
        match receiver.await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(panic)) => resume_unwind(panic),
            Err(_) => Err(PoolGone),
        }
    }

    /// Start work that nobody waits for here. A panic ends it and nothing else.
    pub fn start_work(&self, work: impl FnOnce() + Send + 'static) {
        let (gate, waiting) = (Arc::clone(&self.gate), Arc::clone(&self.waiting));
        waiting.fetch_add(1, Ordering::Relaxed);
        self.threads.spawn_blocking(move || {
            waiting.fetch_sub(1, Ordering::Relaxed);
            let _turn = gate.enter();
            work();
        });
    }

    /// Work that waits for a thread.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

impl Drop for CpuPool {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // The last owner may be a task, which must not wait. Work in progress is nobody's any more.
            runtime.shutdown_background();
        }
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
        let (begin, begun) = oneshot::channel();
        pool.start_work(move || {
            let _ = begin.send(());
            let _ = held.recv();
        });
        begun.await.unwrap();
        let ran = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&ran);
        let given_up = pool.run(move || flag.store(true, Ordering::SeqCst));
        tokio::select! {
            biased;
            _ = given_up => unreachable!("the thread is held"),
            () = tokio::task::yield_now() => {}
        }
        release.send(()).unwrap();
        pool.run(|| ()).await.unwrap();
        assert!(!ran.load(Ordering::SeqCst));
        assert_eq!(pool.waiting(), 0);
    }
}
