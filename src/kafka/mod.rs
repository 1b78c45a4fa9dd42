//! Everything that talks to Kafka: connection, consumer, producer, replay of dead letters.

use std::fmt;

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
