//! Dead letters: what could not be done, why, and where its message can be found.
//!
//! A dead letter on the topic is JSON, without the message and without anything of the photo:
//!
//! ```json
//! {
//!   "schema": "obscura.dead-letter.v1",
//!   "id": "8f14e45fceea167a5a36dedd4bea2543",
//!   "code": "corrupt_image", "stage": "open", "detail": "...", "hint": "...",
//!   "origin": {"topic": "uploads", "partition": 3, "offset": 1042, "record": 0, "timestamp_ms": 1700000000000},
//!   "pipeline": "4f2a...", "region": "eu",
//!   "pointer": {"store": "eu-photos", "key": "acme/shop/dead-letters/8f14e45f....json"},
//!   "failed_at": "2026-01-02T03:04:05Z"
//! }
//! ```
//!
//! Its key is the id, its headers `obscura-code` and `obscura-id` say the same for filters. The id is made from the
//! origin, so a message that is given up twice has one id. A record with the same key and no payload (a tombstone) after
//! it says that it was replayed: a topic that is compacted forgets both.

use chrono::{DateTime, SubsecRound as _, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::KafkaMessage;
use crate::error::PhotoError;

pub const DEAD_LETTER_SCHEMA: &str = "obscura.dead-letter.v1";
/// Header with the error's code.
pub const CODE_HEADER: &str = "obscura-code";
/// Header with the dead letter's id.
pub const ID_HEADER: &str = "obscura-id";
/// Header of a replayed message: how often it was replayed, in decimal digits.
pub const REPLAYED_HEADER: &str = "obscura-replayed";

/// One record of one message that was given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    pub schema: String,
    /// 32 hexadecimal digits, from the origin.
    pub id: String,
    /// A stable [`crate::error::ErrorCode`]; text, because other versions know others.
    pub code: String,
    pub stage: String,
    pub detail: String,
    pub hint: String,
    pub origin: RecordPlace,
    /// Hash of models, thresholds and policy that were in use.
    pub pipeline: String,
    /// The region of the worker that gave it up.
    pub region: String,
    /// Where the message itself lies; none if it could not be kept.
    pub pointer: Option<Pointer>,
    pub failed_at: DateTime<Utc>,
}

/// The place of a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordPlace {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    /// Number of the record in its message, from zero.
    pub record: u32,
    pub timestamp_ms: Option<i64>,
}

/// An object in a store of the worker's region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pointer {
    /// Name of the store in the configuration.
    pub store: String,
    pub key: String,
}

impl RecordPlace {
    #[must_use]
    pub fn new(message: &KafkaMessage, record: u32) -> Self {
        Self {
            topic: message.topic.clone(),
            partition: message.partition,
            offset: message.offset,
            record,
            timestamp_ms: message.timestamp_ms,
        }
    }

    /// The id of what is given up here: the same whenever and by whomever. The time belongs to it, because a topic that
    /// was made anew has the same offsets again.
    #[must_use]
    pub fn dead_letter_id(&self) -> String {
        let Self { topic, partition, offset, record, timestamp_ms } = self;
        let mut hash = Sha256::new();
        hash.update(topic.as_bytes());
        hash.update(format!("\0{partition}\0{offset}\0{record}\0{}", timestamp_ms.unwrap_or(-1)));
        hash.finalize()[..16].iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
    }
}

impl DeadLetter {
    #[must_use]
    pub fn new(
        origin: RecordPlace,
        error: &PhotoError,
        pipeline: &str,
        region: &str,
        pointer: Option<Pointer>,
    ) -> Self {
        Self {
            schema: DEAD_LETTER_SCHEMA.to_owned(),
            id: origin.dead_letter_id(),
            code: error.code.as_str().to_owned(),
            stage: error.stage.as_str().to_owned(),
            detail: error.detail.clone(),
            hint: error.hint.clone(),
            origin,
            pipeline: pipeline.to_owned(),
            region: region.to_owned(),
            pointer,
            failed_at: Utc::now().trunc_subsecs(3),
        }
    }

    /// The headers that go with it.
    #[must_use]
    pub fn headers(&self) -> Vec<(String, Vec<u8>)> {
        vec![(CODE_HEADER.to_owned(), self.code.clone().into()), (ID_HEADER.to_owned(), self.id.clone().into())]
    }

    /// What is sent.
    #[must_use]
    pub fn payload(&self) -> Vec<u8> {
        // Only maps with keys that are not text, and writers, can fail.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// What was sent.
    ///
    /// # Errors
    /// If it is none that this version understands.
    pub fn parse(payload: &[u8]) -> Result<Self, String> {
        let letter: Self = serde_json::from_slice(payload).map_err(|error| error.to_string())?;
        if letter.schema == DEAD_LETTER_SCHEMA { Ok(letter) } else { Err("of another schema".to_owned()) }
    }
}

/// The headers of a message that is put back: its own, and how often that was done.
#[must_use]
pub fn replayed_headers(headers: &[(String, Vec<u8>)]) -> Vec<(String, Vec<u8>)> {
    let count = |value: &[u8]| std::str::from_utf8(value).ok().and_then(|text| text.parse::<u32>().ok());
    let before = headers.iter().filter(|(name, _)| name == REPLAYED_HEADER).filter_map(|(_, value)| count(value)).max();
    let others = headers.iter().filter(|(name, _)| name != REPLAYED_HEADER).cloned();
    let times = before.unwrap_or(0).saturating_add(1).to_string();
    others.chain([(REPLAYED_HEADER.to_owned(), times.into_bytes())]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{ErrorCode, Stage};

    fn origin() -> RecordPlace {
        RecordPlace { topic: "uploads".into(), partition: 3, offset: 1042, record: 0, timestamp_ms: Some(7) }
    }

    #[test]
    fn a_dead_letter_comes_back_as_it_was() {
        let error = PhotoError::new(Stage::Open, ErrorCode::CorruptImage, "cut off");
        let pointer = Pointer { store: "eu".into(), key: "acme/shop/dead-letters/x.json".into() };
        let letter = DeadLetter::new(origin(), &error, "4f2a", "eu", Some(pointer));
        assert_eq!(DeadLetter::parse(&letter.payload()).unwrap(), letter);
        assert_eq!(letter.headers()[0], ("obscura-code".to_owned(), b"corrupt_image".to_vec()));
        let none = DeadLetter { pointer: None, ..letter.clone() };
        assert!(String::from_utf8(none.payload()).unwrap().contains(r#""pointer":null"#));
        let other = DeadLetter { schema: "obscura.dead-letter.v9".into(), ..letter };
        assert!(DeadLetter::parse(&other.payload()).is_err());
        assert!(DeadLetter::parse(b"{}").is_err());
    }

    #[test]
    fn the_id_is_that_of_the_place() {
        let id = origin().dead_letter_id();
        assert_eq!((id.len(), &id), (32, &origin().dead_letter_id()));
        for other in [
            RecordPlace { record: 1, ..origin() },
            RecordPlace { offset: 1043, ..origin() },
            RecordPlace { partition: 31, offset: 42, ..origin() },
            RecordPlace { timestamp_ms: None, ..origin() },
        ] {
            assert_ne!(other.dead_letter_id(), id);
        }
    }

    #[test]
    fn replays_are_counted() {
        let once = replayed_headers(&[("ce_id".to_owned(), b"1".to_vec())]);
        assert_eq!(once, [("ce_id".to_owned(), b"1".to_vec()), ("obscura-replayed".to_owned(), b"1".to_vec())]);
        assert_eq!(replayed_headers(&once)[1].1, b"2");
    }
}
