//! Everything that talks to Kafka: connection, consumer, producer, replay of dead letters.

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

pub use self::{
    dead_letter::{
        CODE_HEADER, DEAD_LETTER_SCHEMA, DeadLetter, ID_HEADER, Origin, Pointer, REPLAYED_HEADER, replayed_headers,
    },
    producer::{Producer, SendError},
    records::MAX_RECORDS,
    replay::{OriginalMessage, ReplayOptions, ReplayReport, replay_dead_letters},
    source::KafkaSource,
    stats::KafkaStats,
};

/// A message as it came, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
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
