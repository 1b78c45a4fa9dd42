//! The audit log: what a worker did, so that nobody can take back, change or reorder a record without being found out.
//!
//! Each worker has a chain of records: every record holds the SHA-256 of the one before. Records lie in segments, objects
//! that are written once (`_obscura/audit/{worker}/{number}.jsonl`): a record a line, in canonical JSON, and a checkpoint
//! as the last line, signed with Ed25519, that says how many records there are and the hash of the last. A record is on disk
//! before what it tells of counts as done. No record names a person, a tenant, a project, a file or an address; what
//! belongs together is told by hashes.

mod chain;
mod journal;
mod log;
mod record;
mod ship;
mod verify;

pub use self::{
    journal::AuditJournal,
    log::AuditLog,
    record::{Action, scope},
    ship::{CommandLog, put_segment},
    verify::{AuditProblem, AuditReport, Segments, verify_chains},
};

pub(crate) use self::ship::Destination;

/// Where segments lie in a store.
pub const AUDIT_PREFIX: &str = "_obscura/audit";

/// `{prefix}/{worker}/{number}.jsonl`
#[must_use]
pub fn segment_key(worker: &str, segment: u64) -> String {
    format!("{AUDIT_PREFIX}/{worker}/{segment:012}.jsonl")
}
