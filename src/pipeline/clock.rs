//! Running one stage of a photo's path: timed, shielded against panics, with a fail point on each edge.

use std::{
    any::Any,
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};

use crate::{
    error::{ErrorCode, PhotoError, PhotoResult, Stage},
    failpoint::{self, Edge},
};

/// Wall time by stage of one photo.
#[derive(Debug)]
pub struct StageClock {
    started: DateTime<Utc>,
    spent: Vec<(Stage, Duration)>,
}

impl Default for StageClock {
    fn default() -> Self {
        Self { started: Utc::now(), spent: Vec::new() }
    }
}

impl StageClock {
    /// When the photo was taken up.
    #[must_use]
    pub fn started(&self) -> DateTime<Utc> {
        self.started
    }

    /// Run a stage's work. A panic becomes `internal_error` at this stage.
    ///
    /// # Errors
    /// Those of `work`.
    pub fn run<T>(&mut self, stage: Stage, work: impl FnOnce() -> PhotoResult<T>) -> PhotoResult<T> {
        let started = Instant::now();
        let result = guarded(stage, || {
            failpoint::hit(stage, Edge::Enter)?;
            let value = work()?;
            failpoint::hit(stage, Edge::Leave)?;
            Ok(value)
        });
        self.spent.push((stage, started.elapsed()));
        result
    }

    /// Follow a stage's work that waits, for no longer than `limit`.
    ///
    /// # Errors
    /// Those of `work`, or `timed_out`.
    pub async fn follow<T>(
        &mut self,
        stage: Stage,
        limit: Duration,
        work: impl Future<Output = PhotoResult<T>>,
    ) -> PhotoResult<T> {
        let started = Instant::now();
        let result = async {
            guarded(stage, || failpoint::hit(stage, Edge::Enter))?;
            let value = tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
                let detail = format!("expected an end within {} s, found none", limit.as_secs());
                Err(PhotoError::new(stage, ErrorCode::TimedOut, detail))
            })?;
            guarded(stage, || failpoint::hit(stage, Edge::Leave))?;
            Ok(value)
        };
        let result = result.await;
        self.spent.push((stage, started.elapsed()));
        result
    }

    /// Every stretch of time that was spent, in order.
    #[must_use]
    pub fn spent(&self) -> &[(Stage, Duration)] {
        &self.spent
    }

    /// Milliseconds by stage, rounded to a hundredth.
    #[must_use]
    pub fn timings_ms(&self) -> BTreeMap<String, f64> {
        let mut timings = BTreeMap::new();
        for (stage, spent) in &self.spent {
            let entry: &mut f64 = timings.entry(stage.to_string()).or_default();
            *entry = ((*entry + spent.as_secs_f64() * 1000.0) * 100.0).round() / 100.0;
        }
        timings
    }
}

fn guarded<T>(stage: Stage, work: impl FnOnce() -> PhotoResult<T>) -> PhotoResult<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(panicked(stage, panic.as_ref())))
}

fn panicked(stage: Stage, panic: &(dyn Any + Send)) -> PhotoError {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let detail = format!("panicked: {}", text.unwrap_or("without a message"));
    PhotoError::new(stage, ErrorCode::InternalError, detail)
}
