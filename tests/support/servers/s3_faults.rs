//! Faults of a store by a script: what goes wrong, for which requests, and how often or how long.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

/// What goes wrong. Nothing was done for a request that fails, but for [`Fault::LostAnswer`] and what the answer gets wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// An error with this status and code, such as 500 `InternalError` or 400 `BadDigest`.
    Error(u16, &'static str),
    /// 503 `SlowDown`.
    SlowDown,
    /// The request is done, after a while.
    Delay(Duration),
    /// No answer ever comes; the connection stays open.
    Hang,
    /// The connection is reset before anything is done.
    Reset,
    /// The request is done, and then the connection is reset instead of an answer.
    LostAnswer,
    /// The connection is reset in the middle of the answer's body.
    CutOff,
    /// The first byte of the answer's body is another; its length, tag and checksums are those of the real one.
    WrongBody,
    /// Tag and checksums of the answer are those of something else.
    WrongChecksum,
}

impl Fault {
    pub const INTERNAL_ERROR: Self = Self::Error(500, "InternalError");
}

/// Which requests a fault is for: all, until narrowed.
#[derive(Debug, Clone)]
pub struct Rule {
    fault: Fault,
    method: Option<String>,
    bucket: Option<String>,
    key: Option<String>,
    query: Option<String>,
    skip: u32,
    times: u32,
    every: u32,
    duration: Duration,
}

impl Rule {
    pub fn new(fault: Fault) -> Self {
        let (method, bucket, key, query) = (None, None, None, None);
        Self { fault, method, bucket, key, query, skip: 0, times: u32::MAX, every: 1, duration: Duration::MAX }
    }

    /// Such as `PUT`.
    pub fn method(self, method: &str) -> Self {
        Self { method: Some(method.to_owned()), ..self }
    }

    pub fn bucket(self, bucket: &str) -> Self {
        Self { bucket: Some(bucket.to_owned()), ..self }
    }

    /// Keys that contain this.
    pub fn key(self, part: &str) -> Self {
        Self { key: Some(part.to_owned()), ..self }
    }

    /// Queries that contain this.
    pub fn query(self, part: &str) -> Self {
        Self { query: Some(part.to_owned()), ..self }
    }

    /// Let this many matching requests through before the first fault.
    pub fn after(self, skip: u32) -> Self {
        Self { skip, ..self }
    }

    /// This many faults, then no more.
    pub fn times(self, times: u32) -> Self {
        Self { times, ..self }
    }

    /// Only each `every`-th matching request.
    pub fn every(self, every: u32) -> Self {
        Self { every, ..self }
    }

    /// For this long from when it is injected.
    pub fn during(self, duration: Duration) -> Self {
        Self { duration, ..self }
    }

    fn concerns(&self, method: &str, bucket: &str, key: &str, query: &str) -> bool {
        let is = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
        let contains = |part: &Option<String>, found: &str| part.as_deref().is_none_or(|part| found.contains(part));
        is(&self.method, method) && is(&self.bucket, bucket) && contains(&self.key, key) && contains(&self.query, query)
    }
}

/// A rule in force.
pub struct Injected {
    rule: Rule,
    since: Instant,
    seen: AtomicU32,
    hits: AtomicU32,
}

impl Injected {
    /// How many requests had this fault.
    pub fn hits(&self) -> u32 {
        self.hits.load(Ordering::SeqCst)
    }

    fn fault(&self, method: &str, bucket: &str, key: &str, query: &str) -> Option<Fault> {
        if !self.rule.concerns(method, bucket, key, query) || self.since.elapsed() >= self.rule.duration {
            return None;
        }
        let number = self.seen.fetch_add(1, Ordering::SeqCst).checked_sub(self.rule.skip)?;
        if number % self.rule.every != 0 || number / self.rule.every >= self.rule.times {
            return None;
        }
        self.hits.fetch_add(1, Ordering::SeqCst);
        Some(self.rule.fault)
    }
}

/// The rules in force; the first that concerns a request decides.
#[derive(Default)]
pub struct Faults(Mutex<Vec<Arc<Injected>>>);

impl Faults {
    pub fn inject(&self, rule: Rule) -> Arc<Injected> {
        let (seen, hits) = (AtomicU32::new(0), AtomicU32::new(0));
        let injected = Arc::new(Injected { rule, since: Instant::now(), seen, hits });
        self.0.lock().unwrap().push(Arc::clone(&injected));
        injected
    }

    pub fn clear(&self) {
        self.0.lock().unwrap().clear();
    }

    pub fn of(&self, method: &str, bucket: &str, key: &str, query: &str) -> Option<Fault> {
        self.0.lock().unwrap().iter().find_map(|injected| injected.fault(method, bucket, key, query))
    }
}
