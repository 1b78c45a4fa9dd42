//! Running one stage of a photo's path: timed, shielded against panics, with a fail point on each edge.

use std::{
    any::Any,
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Instant,
};

use crate::{
    error::{ErrorCode, PhotoError, PhotoResult, Stage},
    failpoint::{self, Edge},
};

/// Wall time by stage of one photo.
#[derive(Debug, Default)]
pub struct StageClock {
    spent_ms: Vec<(Stage, f64)>,
}

impl StageClock {
    /// Run a stage's work. A panic becomes `internal_error` at this stage.
    ///
    /// # Errors
    /// Those of `work`.
    pub fn run<T>(&mut self, stage: Stage, work: impl FnOnce() -> PhotoResult<T>) -> PhotoResult<T> {
        let started = Instant::now();
        let result = catch_unwind(AssertUnwindSafe(|| {
            failpoint::hit(stage, Edge::Enter)?;
            let value = work()?;
            failpoint::hit(stage, Edge::Leave)?;
            Ok(value)
        }));
        self.spent_ms.push((stage, started.elapsed().as_secs_f64() * 1000.0));
        result.unwrap_or_else(|panic| Err(PhotoError::new(stage, ErrorCode::InternalError, panic_text(panic.as_ref()))))
    }

    /// Milliseconds by stage, rounded to a hundredth.
    #[must_use]
    pub fn timings_ms(&self) -> BTreeMap<String, f64> {
        let mut timings = BTreeMap::new();
        for (stage, ms) in &self.spent_ms {
            let entry: &mut f64 = timings.entry(stage.to_string()).or_default();
            *entry = ((*entry + ms) * 100.0).round() / 100.0;
        }
        timings
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panicked: {}", text.unwrap_or("without a message"))
}
