//! Everything that talks to Kafka: connection, consumer, producer, replay of dead letters.

mod commit;
mod connection;
mod dead_letter;
mod failure;
mod poll;
mod producer;
mod rebalance;
mod records;
mod replay;
mod source;
mod state;
mod stats;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::fmt;

pub use self::{
    dead_letter::{
        CODE_HEADER, DEAD_LETTER_SCHEMA, DeadLetter, ID_HEADER, Pointer, REPLAYED_HEADER, RecordPlace, replayed_headers,
    },
    producer::{Producer, SendError},
    records::MAX_RECORDS,
    replay::{OriginalMessage, ReplayOptions, ReplayReport, replay_dead_letters},
    source::KafkaSource,
    state::Interpret,
    stats::KafkaStats,
};

/// A message as it came, with its place.
#[derive(Clone, PartialEq, Eq)]
pub struct KafkaMessage {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    /// Milliseconds since 1970.
    pub timestamp_ms: Option<i64>,
    pub key: Option<Vec<u8>>,
    pub headers: Vec<(String, Vec<u8>)>,
    pub payload: Vec<u8>,
}

/// Content and keys are not for logs.
impl fmt::Debug for KafkaMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KafkaMessage({}/{}/{})", self.topic, self.partition, self.offset)
    }
}
