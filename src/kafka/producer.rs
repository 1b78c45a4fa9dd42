//! Sending messages: told as sent only when all in-sync replicas have them.

use std::{
    error::Error,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rdkafka::{
    ClientContext, Statistics,
    client::OAuthToken,
    config::RDKafkaLogLevel,
    error::KafkaError,
    message::{Header, OwnedHeaders},
    producer::{FutureProducer, FutureRecord, Producer as _},
    types::RDKafkaErrorCode,
};

use super::{
    connection::{self, DELIVERY_TIMEOUT, not_created, producer_config},
    failure::may_be_sent_later,
};
use crate::{
    config::stream::{KafkaConfig, SaslConfig},
    error::FatalError,
};

/// How long a broker may take to answer a question.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// Why a message was not sent. Holds nothing of the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendError {
    /// Whether sending it again, as it is, may help. It may have arrived after all.
    pub transient: bool,
    pub detail: String,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the message could not be sent: {}", self.detail)
    }
}

impl Error for SendError {}

impl SendError {
    fn new(error: &KafkaError, topic: &str) -> Self {
        let detail = match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::MessageSizeTooLarge) => {
                format!("it is larger than `kafka.max_message_kib` or topic `{topic}` allows")
            }
            Some(
                RDKafkaErrorCode::UnknownTopic
                | RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::UnknownPartition,
            ) => format!("there is no topic `{topic}`; create it"),
            Some(RDKafkaErrorCode::TopicAuthorizationFailed) => {
                format!("this worker may not write to topic `{topic}`; allow it")
            }
            Some(RDKafkaErrorCode::MessageTimedOut) => {
                format!("no acknowledgement within {} s", DELIVERY_TIMEOUT.as_secs())
            }
            _ => error.to_string(),
        };
        Self { transient: may_be_sent_later(error), detail }
    }
}

struct SenderContext {
    sasl: Option<SaslConfig>,
}

impl ClientContext for SenderContext {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        connection::log(level, facility, message);
    }

    fn stats(&self, _: Statistics) {}

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "obscura::kafka", %error, reason, "the producer reports an error");
    }

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        connection::token(self.sasl.as_ref())
    }
}

type Client = FutureProducer<SenderContext>;

/// Sends to any topic. Cheap to clone.
#[derive(Clone)]
pub struct Producer {
    config: Arc<KafkaConfig>,
    client: Arc<Mutex<Arc<Client>>>,
}

impl Producer {
    /// Make a producer. A broker that cannot be reached is waited for, by each message up to 30 s.
    ///
    /// # Errors
    /// If a file of the configuration cannot be read, or the client does not take it.
    pub fn start(config: &KafkaConfig) -> Result<Self, FatalError> {
        let client = Arc::new(Mutex::new(Arc::new(connect(config)?)));
        Ok(Self { config: Arc::new(config.clone()), client })
    }

    /// Send, and wait until it is acknowledged. Dropping the future does not take the message back.
    ///
    /// # Errors
    /// Why it was not acknowledged, and whether it may be sent again.
    pub async fn send(
        &self,
        topic: &str,
        key: Option<&[u8]>,
        headers: &[(String, Vec<u8>)],
        payload: &[u8],
    ) -> Result<(), SendError> {
        self.send_to(topic, None, key, headers, Some(payload)).await
    }

    /// As [`Producer::send`], with a partition chosen by the caller, and perhaps without payload: a tombstone.
    ///
    /// # Errors
    /// As [`Producer::send`].
    pub async fn send_to(
        &self,
        topic: &str,
        partition: Option<i32>,
        key: Option<&[u8]>,
        headers: &[(String, Vec<u8>)],
        payload: Option<&[u8]>,
    ) -> Result<(), SendError> {
        let client = Arc::clone(&self.client.lock().unwrap_or_else(PoisonError::into_inner));
        let mut all = OwnedHeaders::new_with_capacity(headers.len());
        for (name, value) in headers {
            if name.contains('\0') {
                return Err(SendError { transient: false, detail: "a header's name holds a zero byte".to_owned() });
            }
            all = all.insert(Header { key: name, value: Some(value) });
        }
        let record = FutureRecord { topic, partition, payload, key, timestamp: None, headers: Some(all) };
        match client.send(record, DELIVERY_TIMEOUT).await {
            Ok(_) => Ok(()),
            Err((error, _)) => {
                let is_dead = client.client().fatal_error().is_some();
                let error = SendError::new(&error, topic);
                if is_dead {
                    self.replace(&client);
                    // The next client can do what this one could not, unless the message itself is at fault.
                    return Err(SendError { transient: true, ..error });
                }
                Err(error)
            }
        }
    }

    /// See that a topic is there, if a broker answers.
    ///
    /// # Errors
    /// If the broker says that there is none, or that this worker may not know of it.
    pub async fn check_topic(&self, topic: &str) -> Result<(), FatalError> {
        let client = Arc::clone(&self.client.lock().unwrap_or_else(PoisonError::into_inner));
        let name = topic.to_owned();
        let asking = move || {
            let metadata = client.client().fetch_metadata(Some(&name), ANSWER_LIMIT).ok()?;
            metadata.topics().iter().find(|found| found.name() == name)?.error().map(RDKafkaErrorCode::from)
        };
        match tokio::task::spawn_blocking(asking).await.ok().flatten() {
            Some(
                problem @ (RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::UnknownTopic
                | RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::InvalidTopic),
            ) => Err(FatalError::new(
                format!("expected the topic `{topic}`, found none that this worker may use: {problem}"),
                "create it, or allow this worker to write there; see `kafka.outcome_topic`, `kafka.dead_letter_topic`",
            )),
            _ => Ok(()),
        }
    }

    /// Whether a broker answers now.
    pub async fn is_reachable(&self) -> bool {
        let client = Arc::clone(&self.client.lock().unwrap_or_else(PoisonError::into_inner));
        let topic = self.config.dead_letter_topic.clone();
        let asking = move || client.client().fetch_metadata(Some(&topic), ANSWER_LIMIT).is_ok();
        tokio::task::spawn_blocking(asking).await.unwrap_or(false)
    }

    /// Wait until everything that is under way is acknowledged or given up, for at most `limit`.
    ///
    /// # Errors
    /// If messages are still under way.
    pub async fn flush(&self, limit: Duration) -> Result<(), SendError> {
        let client = Arc::clone(&self.client.lock().unwrap_or_else(PoisonError::into_inner));
        let problem = match tokio::task::spawn_blocking(move || client.flush(limit)).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        Err(SendError { transient: true, detail: problem })
    }

    /// An idempotent client that can no longer vouch for the order of its messages does nothing more. Each of our
    /// messages stands for itself and was answered to its sender, so a new client may go on.
    fn replace(&self, dead: &Arc<Client>) {
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&client, dead) {
            return;
        }
        match connect(&self.config) {
            Ok(fresh) => {
                tracing::warn!("the Kafka producer could not go on and was replaced");
                *client = Arc::new(fresh);
            }
            Err(error) => tracing::warn!(%error, "the Kafka producer could not be replaced"),
        }
    }
}

fn connect(config: &KafkaConfig) -> Result<Client, FatalError> {
    let context = SenderContext { sasl: config.sasl.clone() };
    producer_config(config)?.create_with_context(context).map_err(|error| not_created(&error))
}

#[cfg(test)]
mod tests {
    use rdkafka::{mocking::MockCluster, types::RDKafkaApiKey, types::RDKafkaRespErr as E};

    use super::*;
    use crate::kafka::testing::{DEADLINE, config, messages};

    #[tokio::test]
    async fn a_message_is_sent_when_it_is_acknowledged() {
        let mock = MockCluster::new(1).unwrap();
        mock.create_topic("out", 1, 1).unwrap();
        let producer = Producer::start(&config(&mock.bootstrap_servers())).unwrap();
        // Errors that pass by themselves are overcome inside the client, without a second copy.
        let errors = [E::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, E::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS];
        mock.request_errors(RDKafkaApiKey::Produce, &errors);
        let headers = [("a".to_owned(), b"1".to_vec()), ("a".to_owned(), Vec::new())];
        producer.send("out", Some(b"key"), &headers, b"payload").await.unwrap();
        producer.send_to("out", Some(0), Some(b"key"), &[], None).await.unwrap();
        producer.flush(Duration::from_secs(10)).await.unwrap();
        let sent = messages(&mock.bootstrap_servers(), "out", 2);
        assert_eq!((sent[0].key.as_deref(), sent[0].payload.as_slice()), (Some(&b"key"[..]), &b"payload"[..]));
        assert_eq!(sent[0].headers, headers);
    }

    #[tokio::test]
    async fn what_no_time_can_mend_is_told_apart() {
        let mock = MockCluster::new(1).unwrap();
        mock.create_topic("out", 1, 1).unwrap();
        let producer = Producer::start(&config(&mock.bootstrap_servers())).unwrap();
        let error = producer.send("out", None, &[], &vec![0; 2 * 1024 * 1024]).await.unwrap_err();
        assert!(!error.transient && error.detail.contains("max_message_kib"), "{error}");
        mock.request_errors(RDKafkaApiKey::Produce, &[E::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED]);
        let error = producer.send("out", None, &[], b"x").await.unwrap_err();
        assert!(!error.transient && error.detail.contains("may not write"), "{error}");
        // The client asks again for itself whether it may.
        let began = std::time::Instant::now();
        while let Err(error) = producer.send("out", None, &[], b"y").await {
            assert!(began.elapsed() < DEADLINE, "{error}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    #[tokio::test]
    async fn a_client_that_cannot_go_on_is_replaced() {
        let mock = MockCluster::new(1).unwrap();
        mock.create_topic("out", 1, 1).unwrap();
        let producer = Producer::start(&config(&mock.bootstrap_servers())).unwrap();
        producer.send("out", None, &[], b"first").await.unwrap();
        mock.request_errors(RDKafkaApiKey::Produce, &[E::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER]);
        let mut result = producer.send("out", None, &[], b"second").await;
        if let Err(error) = &result {
            assert!(error.transient, "{error}");
            result = producer.send("out", None, &[], b"second").await;
        }
        result.unwrap();
    }
}
