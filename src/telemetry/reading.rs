//! What the status page shows: numbers, names of stages and codes. Nothing of a photo, a file or whose it is.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::error::{ErrorCode, Stage};

/// All that is counted and measured, at one moment.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    pub published: u64,
    pub given_up: u64,
    pub megapixels: f64,
    /// Of photos that were read, and of what was published.
    pub bytes_in: u64,
    pub bytes_out: u64,
    /// Photos that left a stage, and the seconds that they spent in it, waiting included.
    pub stages: Vec<StageReading>,
    /// What waits: photos before fetch and open, views before a detector.
    pub waiting: Vec<(Stage, i64)>,
    pub encoded_bytes: u64,
    pub decoded_bytes: u64,
    pub busy_seconds: f64,
    pub cores: usize,
    pub in_flight: i64,
    pub mark_age_seconds: f64,
    pub lag: i64,
    pub partitions: i64,
    pub store_down: bool,
    /// The last first.
    pub failures: Vec<Failure>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StageReading {
    pub stage: Stage,
    pub photos: u64,
    pub seconds: f64,
}

/// One kind of failure, those that were tried again included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    pub stage: Stage,
    pub code: ErrorCode,
    pub count: u64,
    pub last: Instant,
}

/// Remembers of each kind of failure how often and when it last happened.
#[derive(Debug, Default)]
pub(super) struct Failures {
    by_kind: Mutex<HashMap<(Stage, ErrorCode), Failure>>,
}

impl Failures {
    pub(super) fn note(&self, stage: Stage, code: ErrorCode) {
        let mut by_kind = self.by_kind.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let failure = by_kind.entry((stage, code)).or_insert(Failure { stage, code, count: 0, last: now });
        failure.count += 1;
        failure.last = now;
    }

    pub(super) fn latest_first(&self) -> Vec<Failure> {
        let by_kind = self.by_kind.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found: Vec<Failure> = by_kind.values().copied().collect();
        found.sort_by_key(|failure| std::cmp::Reverse(failure.last));
        found
    }
}

impl Failure {
    #[must_use]
    pub fn ago(&self) -> Duration {
        self.last.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_counted_by_kind_and_the_last_comes_first() {
        let failures = Failures::default();
        failures.note(Stage::Open, ErrorCode::CorruptImage);
        failures.note(Stage::Fetch, ErrorCode::SourceMissing);
        failures.note(Stage::Open, ErrorCode::CorruptImage);
        let found = failures.latest_first();
        let kinds: Vec<_> = found.iter().map(|failure| (failure.stage, failure.code, failure.count)).collect();
        assert_eq!(kinds, [(Stage::Open, ErrorCode::CorruptImage, 2), (Stage::Fetch, ErrorCode::SourceMissing, 1)]);
    }
}
