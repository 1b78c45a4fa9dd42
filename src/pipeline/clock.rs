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

/// Time by stage of one photo: wall time, unless it is made to measure otherwise.
#[derive(Debug)]
pub struct StageClock {
    started: DateTime<Utc>,
    spent: Vec<(Stage, Duration)>,
    measure: Measure,
}

#[derive(Clone, Copy, Debug)]
enum Measure {
    Wall,
    ProcessCpu,
}

/// When a stage began.
enum Begin {
    At(Instant),
    Cpu(Duration),
}

impl Measure {
    fn begin(self) -> Begin {
        match self {
            Self::Wall => Begin::At(Instant::now()),
            Self::ProcessCpu => Begin::Cpu(process_cpu()),
        }
    }
}

impl Begin {
    fn elapsed(&self) -> Duration {
        match self {
            Self::At(instant) => instant.elapsed(),
            Self::Cpu(before) => process_cpu().saturating_sub(*before),
        }
    }
}

/// CPU time of all threads of the process so far.
#[must_use]
pub fn process_cpu() -> Duration {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(spent).unwrap_or_default()
}

impl Default for StageClock {
    fn default() -> Self {
        Self { started: Utc::now(), spent: Vec::new(), measure: Measure::Wall }
    }
}

impl StageClock {
    /// Measures the CPU time of the whole process instead: of a stage only where nothing else is in work.
    #[must_use]
    pub fn of_process_cpu() -> Self {
        Self { measure: Measure::ProcessCpu, ..Self::default() }
    }

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
        let started = self.measure.begin();
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
        let started = self.measure.begin();
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
