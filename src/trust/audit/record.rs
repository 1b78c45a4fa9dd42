//! What records say.

use serde_json::{Value, json};

use super::super::canonical;
use crate::{event::Owner, redact::sha256_hex};

pub(super) const RECORD_KIND: &str = "obscura.audit.record";
pub(super) const CHECKPOINT_KIND: &str = "obscura.audit.checkpoint";
pub(super) const SCHEMA: u32 = 1;
/// In place of the hash of the record before the first.
pub(super) const NOTHING_BEFORE: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The worker, or a command, began.
    Started,
    /// The configuration is another than at the last start.
    ConfigChanged,
    /// An original was about to be read.
    OriginalRead,
    Published,
    /// A delivery that came twice was found published.
    AlreadyPublished,
    /// A result took the place of another pipeline's.
    Replaced,
    OriginalRemoved,
    OriginalMoved,
    Refused,
    Forwarded,
    Replayed,
    /// Photos were put into the topic again, so that their results are replaced.
    Reprocessed,
    WipeStarted,
    Wiped,
    WipeLifted,
    Retained,
    /// A legal hold began, or ended.
    Held,
    Released,
    Rewrapped,
    /// The last record of a chain that ended as it should.
    Stopped,
}

impl Action {
    /// The name as it is written in records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::ConfigChanged => "config_changed",
            Self::OriginalRead => "original_read",
            Self::Published => "published",
            Self::AlreadyPublished => "already_published",
            Self::Replaced => "replaced",
            Self::OriginalRemoved => "original_removed",
            Self::OriginalMoved => "original_moved",
            Self::Refused => "refused",
            Self::Forwarded => "forwarded",
            Self::Replayed => "replayed",
            Self::Reprocessed => "reprocessed",
            Self::WipeStarted => "wipe_started",
            Self::Wiped => "wiped",
            Self::WipeLifted => "wipe_lifted",
            Self::Retained => "retained",
            Self::Held => "held",
            Self::Released => "released",
            Self::Rewrapped => "rewrapped",
            Self::Stopped => "stopped",
        }
    }
}

/// Names a tenant's project to those who know both: a hash, so that a log does not list customers.
#[must_use]
pub fn scope(owner: &Owner) -> String {
    sha256_hex(format!("obscura scope 1\0{}\0{}", owner.tenant, owner.project).as_bytes())[..32].to_owned()
}

/// The place of the next record in a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub sequence: u64,
    /// SHA-256 of the last record's line, without its end.
    pub hash: String,
}

impl Head {
    pub fn first() -> Self {
        Self { sequence: 0, hash: NOTHING_BEFORE.to_owned() }
    }

    /// The next record as a line without its end. Moves on.
    pub fn next(&mut self, worker: &str, action: Action, facts: Value) -> Result<Vec<u8>, serde_json::Error> {
        let record = json!({
            "kind": RECORD_KIND,
            "schema": SCHEMA,
            "worker": worker,
            "sequence": self.sequence,
            "previous": self.hash,
            "time": now(),
            "action": action.as_str(),
            "facts": facts,
        });
        let line = canonical(&record)?;
        self.follow(&line);
        Ok(line)
    }

    pub fn follow(&mut self, line: &[u8]) {
        self.sequence += 1;
        self.hash = sha256_hex(line);
    }
}

pub(super) fn now() -> String {
    chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_differ_and_name_nobody() {
        let owner = |tenant: &str, project: &str| Owner { tenant: tenant.into(), project: project.into() };
        assert_ne!(scope(&owner("acme", "street")), scope(&owner("acme", "park")));
        assert_ne!(scope(&owner("a", "b")), scope(&owner("b", "a")));
        assert!(!scope(&owner("acme", "street")).contains("acme"));
    }
}
