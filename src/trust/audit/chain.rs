//! A chain in memory: records, and how they become a segment.

use serde_json::{Value, json};

use super::{
    super::{SigningKey, canonical, sign},
    record::{Action, CHECKPOINT_KIND, Head, SCHEMA, now},
};

/// Records since the last segment of one chain.
#[derive(Debug)]
pub(super) struct Chain {
    pub worker: String,
    /// Number of the next segment.
    pub segment: u64,
    /// Of the first record of the next segment.
    pub first: u64,
    pub head: Head,
    /// Lines without their ends.
    pub lines: Vec<Vec<u8>>,
    /// How often a segment is made at least, in seconds: who checks knows when one is missing.
    pub interval_s: u64,
}

/// A segment and the number under which it is to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sealed {
    pub segment: u64,
    pub bytes: Vec<u8>,
}

impl Chain {
    pub fn new(worker: String, interval_s: u64) -> Self {
        Self { worker, segment: 0, first: 0, head: Head::first(), lines: Vec::new(), interval_s }
    }

    pub fn push(&mut self, action: Action, facts: Value) -> Result<(), serde_json::Error> {
        let line = self.head.next(&self.worker, action, facts)?;
        self.lines.push(line);
        Ok(())
    }

    /// The segment of what was recorded. Changes nothing.
    pub fn seal(&self, key: &SigningKey) -> Result<Sealed, serde_json::Error> {
        let checkpoint = json!({
            "kind": CHECKPOINT_KIND,
            "schema": SCHEMA,
            "worker": self.worker,
            "segment": self.segment,
            "first": self.first,
            "count": self.lines.len(),
            "head": self.head.hash,
            "interval_s": self.interval_s,
            "time": now(),
        });
        let checkpoint = canonical(&sign(checkpoint, key)?)?;
        let mut bytes = Vec::new();
        for line in self.lines.iter().chain([&checkpoint]) {
            bytes.extend_from_slice(line);
            bytes.push(b'\n');
        }
        Ok(Sealed { segment: self.segment, bytes })
    }

    /// The segment was kept.
    pub fn go_on(&mut self) {
        self.segment += 1;
        self.first = self.head.sequence;
        self.lines.clear();
    }
}
