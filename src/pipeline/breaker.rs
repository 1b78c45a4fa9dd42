//! Trying again, and knowing when that is pointless: while a whole store is out of reach, photos wait instead of failing
//! one after the other.
//!
//! A failure that may pass raises the suspicion that the store is down, and a probe of the store itself decides. Only a
//! failing probe opens the breaker: a photo that cannot be stored for reasons of its own uses up its attempts and goes
//! to quarantine, while the others go on.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use backon::{BackoffBuilder, ExponentialBuilder};
use futures::future::BoxFuture;
use tokio::{
    sync::{Mutex, watch},
    time::{Instant, sleep},
};

use crate::{
    error::{PhotoResult, Stage},
    telemetry::Metrics,
};

/// Whether the store can take a file of this many bytes now, or be read if there are none.
pub type Probe = Box<dyn Fn(u64) -> BoxFuture<'static, bool> + Send + Sync>;

/// Opens while a store is out of reach.
pub struct Breaker {
    /// Of the store, for the log.
    name: String,
    probe: Probe,
    pause: Duration,
    open: watch::Sender<bool>,
    /// One photo at a time finds out.
    turn: Mutex<()>,
    outages: AtomicU64,
}

impl Breaker {
    /// `pause` is the time between probes while it is open.
    #[must_use]
    pub fn new(name: impl Into<String>, probe: Probe, pause: Duration) -> Self {
        let (open, _) = watch::channel(false);
        Self { name: name.into(), probe, pause, open, turn: Mutex::new(()), outages: AtomicU64::new(0) }
    }

    #[must_use]
    pub fn is_open(&self) -> bool {
        *self.open.borrow()
    }

    async fn closed(&self) {
        let mut open = self.open.subscribe();
        // The sender lives as long as this.
        let _ = open.wait_for(|open| !open).await;
    }

    /// A write of this many bytes failed. Returns when the store can be written, and whether it could not meanwhile.
    async fn wait_out(&self, bytes: u64) -> bool {
        let outages = self.outages.load(Ordering::Acquire);
        let _turn = self.turn.lock().await;
        let mut was_out = self.outages.load(Ordering::Acquire) != outages;
        while !(self.probe)(bytes).await {
            if !self.open.send_replace(true) {
                tracing::error!(store = self.name, "out of reach; what needs it waits until it is back");
                self.outages.fetch_add(1, Ordering::AcqRel);
            }
            was_out = true;
            sleep(self.pause).await;
        }
        if self.open.send_replace(false) {
            tracing::info!(store = self.name, "in reach again");
        }
        was_out
    }
}

/// The breakers of all stores of a worker.
#[derive(Clone, Default)]
pub struct Breakers(Vec<Arc<Breaker>>);

impl Breakers {
    #[must_use]
    pub fn new(breakers: Vec<Arc<Breaker>>) -> Self {
        Self(breakers)
    }

    /// Nothing moves because of a store.
    #[must_use]
    pub fn any_open(&self) -> bool {
        self.0.iter().any(|breaker| breaker.is_open())
    }

    /// There is no use in taking anything in. While only some are out of reach, the window bounds what waits for them.
    #[must_use]
    pub fn all_open(&self) -> bool {
        !self.0.is_empty() && self.0.iter().all(|breaker| breaker.is_open())
    }
}

/// How often, and how patiently, something is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts in all.
    pub attempts: usize,
    pub first_pause: Duration,
    pub longest_pause: Duration,
    /// However many attempts were made: not given up before this has passed.
    pub patience: Duration,
}

impl RetryPolicy {
    fn pauses(&self) -> impl Iterator<Item = Duration> + use<> {
        ExponentialBuilder::default()
            .with_min_delay(self.first_pause)
            .with_max_delay(self.longest_pause)
            .with_max_times(self.attempts.saturating_sub(1))
            .with_jitter()
            .build()
    }
}

/// Do `attempt` until it succeeds, fails for good, or has been tried often enough; with a breaker, an outage of the
/// store counts for nothing. `bytes` is how much is to be written.
///
/// # Errors
/// The last failure.
pub async fn retrying<T, F: Future<Output = PhotoResult<T>>>(
    stage: Stage,
    policy: RetryPolicy,
    breaker: Option<(&Breaker, u64)>,
    metrics: &Metrics,
    mut attempt: impl FnMut() -> F,
) -> PhotoResult<T> {
    let mut pauses = policy.pauses();
    let mut since = Instant::now();
    loop {
        if let Some((breaker, _)) = breaker {
            breaker.closed().await;
        }
        let error = match attempt().await {
            Ok(value) => return Ok(value),
            Err(error) if !error.is_transient() => return Err(error),
            Err(error) => error,
        };
        if let Some((breaker, bytes)) = breaker
            && breaker.wait_out(bytes).await
        {
            pauses = policy.pauses();
            since = Instant::now();
        }
        let pause = match pauses.next() {
            Some(pause) => pause,
            None if since.elapsed() < policy.patience => policy.longest_pause,
            None => return Err(error),
        };
        metrics.failed(&error);
        metrics.retried(stage);
        sleep(pause).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize};

    use super::*;
    use crate::error::{ErrorCode, PhotoError};

    const POLICY: RetryPolicy = RetryPolicy {
        attempts: 4,
        first_pause: Duration::from_millis(100),
        longest_pause: Duration::from_secs(10),
        patience: Duration::ZERO,
    };

    fn failure(transient: bool) -> PhotoError {
        PhotoError::new(Stage::Publish, ErrorCode::StoreFailed, "planted").retry_if(transient)
    }

    #[tokio::test(start_paused = true)]
    async fn patience_outlasts_the_number_of_attempts() {
        let metrics = Metrics::new(&[]);
        let policy = RetryPolicy { patience: Duration::from_secs(300), ..POLICY };
        let started = Instant::now();
        let failing = retrying(Stage::Publish, policy, None, &metrics, || async { Err::<(), _>(failure(true)) });
        assert!(failing.await.is_err());
        let lasted = started.elapsed();
        assert!(lasted >= policy.patience && lasted < policy.patience * 2, "{lasted:?}");
    }

    async fn attempts_of(fails: usize, transient: bool) -> (PhotoResult<usize>, usize) {
        let calls = AtomicUsize::new(0);
        let metrics = Metrics::new(&[]);
        let result = retrying(Stage::Publish, POLICY, None, &metrics, || async {
            let call = calls.fetch_add(1, Ordering::SeqCst);
            if call < fails { Err(failure(transient)) } else { Ok(call) }
        });
        (result.await, calls.load(Ordering::SeqCst))
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_may_pass_is_tried_again_and_not_for_ever() {
        assert!(matches!(attempts_of(0, true).await, (Ok(0), 1)));
        assert!(matches!(attempts_of(3, true).await, (Ok(3), 4)));
        assert!(matches!(attempts_of(9, true).await, (Err(_), 4)));
        assert!(matches!(attempts_of(9, false).await, (Err(_), 1)));
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_makes_photos_wait_and_costs_none_of_their_attempts() {
        let up = Arc::new(AtomicBool::new(false));
        let probe_up = Arc::clone(&up);
        let probe: Probe = Box::new(move |_| Box::pin(std::future::ready(probe_up.load(Ordering::SeqCst))));
        let breaker = Arc::new(Breaker::new("test", probe, Duration::from_secs(5)));
        let metrics = Arc::new(Metrics::new(&[]));
        let mut photos = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let (breaker, metrics, up) = (Arc::clone(&breaker), Arc::clone(&metrics), Arc::clone(&up));
            photos.spawn(async move {
                retrying(Stage::Publish, POLICY, Some((&breaker, 1)), &metrics, || async {
                    if up.load(Ordering::SeqCst) { Ok(()) } else { Err(failure(true)) }
                })
                .await
            });
        }
        // Far longer than all attempts would take.
        sleep(Duration::from_secs(3600)).await;
        assert!(breaker.is_open());
        assert!(photos.try_join_next().is_none(), "a photo failed while the store was down");
        up.store(true, Ordering::SeqCst);
        assert!(photos.join_all().await.into_iter().all(|result| result.is_ok()));
        assert!(!breaker.is_open());
    }

    #[tokio::test(start_paused = true)]
    async fn a_photo_that_alone_cannot_be_stored_fails_and_opens_nothing() {
        let breaker = Breaker::new("test", Box::new(|_| Box::pin(std::future::ready(true))), Duration::from_secs(5));
        let metrics = Metrics::new(&[]);
        let attempt = || async { Err::<(), _>(failure(true)) };
        let result = retrying(Stage::Publish, POLICY, Some((&breaker, 1)), &metrics, attempt).await;
        assert!(result.is_err() && !breaker.is_open());
    }
}
