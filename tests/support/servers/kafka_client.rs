//! What tests ask of a broker. Every call waits for its answer and panics if none comes.

use std::time::{Duration, Instant};

use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, CommitMode, Consumer},
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
    message::{BorrowedMessage, Headers, OwnedHeaders},
    metadata::MetadataPartition,
    producer::{FutureProducer, FutureRecord},
    util::Timeout,
};

use super::{child::PATIENCE, wait};

/// The name of no group: librdkafka makes no consumer without one.
const ONLOOKER: &str = "onlooker";

/// For one question of many.
const ATTEMPT: Duration = Duration::from_secs(5);

/// A record as it lies in a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub partition: i32,
    pub offset: i64,
    pub key: Option<Vec<u8>>,
    pub headers: Vec<(String, Vec<u8>)>,
    pub payload: Vec<u8>,
    pub timestamp_ms: Option<i64>,
}

impl Record {
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| &value[..])
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.payload).unwrap()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.payload).unwrap()
    }
}

pub struct KafkaClient {
    config: ClientConfig,
}

impl KafkaClient {
    pub fn new(config: ClientConfig) -> Self {
        Self { config }
    }

    fn producer(&self) -> FutureProducer {
        let mut config = self.config.clone();
        config.set("linger.ms", "0").set("message.timeout.ms", PATIENCE.as_millis().to_string());
        config.set("enable.idempotence", "true");
        config.create().unwrap()
    }

    fn consumer(&self, group: &str) -> BaseConsumer {
        let mut config = self.config.clone();
        config.set("group.id", group).set("enable.auto.commit", "false").set("enable.partition.eof", "true");
        config.create().unwrap()
    }

    /// Whether the broker lets this client in, within `limit`: how many brokers it names, or why not.
    pub fn try_connect(&self, limit: Duration) -> KafkaResult<usize> {
        let consumer = self.consumer(ONLOOKER);
        let started = Instant::now();
        loop {
            match consumer.fetch_metadata(None, Duration::from_millis(200)) {
                Ok(metadata) => return Ok(metadata.brokers().len()),
                Err(error) if started.elapsed() > limit => return Err(error),
                Err(_) => {}
            }
            // Metadata that does not come never says why.
            while let Some(event) = consumer.poll(Duration::ZERO) {
                let error = event.map(drop).unwrap_err();
                let code = error.rdkafka_error_code();
                if matches!(code, Some(RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SSL)) {
                    return Err(error);
                }
            }
        }
    }

    pub fn create_topic(&self, name: &str, partitions: i32, configs: &[(&str, &str)]) {
        let admin: AdminClient<DefaultClientContext> = self.config.create().unwrap();
        let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
        for (key, value) in configs {
            topic = topic.set(key, value);
        }
        let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
        let results = wait(async { admin.create_topics([&topic], &options).await }).unwrap();
        for result in results {
            result.unwrap();
        }
    }

    /// Send one record and wait until the broker has it: its partition and offset.
    pub fn send(
        &self,
        topic: &str,
        partition: Option<i32>,
        key: Option<&[u8]>,
        headers: &[(&str, &[u8])],
        payload: &[u8],
    ) -> (i32, i64) {
        let producer = self.producer();
        wait(async { send(&producer, topic, partition, key, headers, payload).await })
    }

    /// Send records of keys and payloads, in order.
    pub fn send_all(&self, topic: &str, records: &[(Vec<u8>, Vec<u8>)]) {
        let producer = self.producer();
        wait(async {
            let mut acknowledged = Vec::new();
            for (key, payload) in records {
                let record = FutureRecord::to(topic).key(key).payload(payload);
                acknowledged.push(producer.send_result(record).map_err(|(error, _)| error).unwrap());
                // Far below what its queue holds.
                if acknowledged.len() == 1000 {
                    for answer in acknowledged.drain(..) {
                        answer.await.unwrap().map_err(|(error, _)| error).unwrap();
                    }
                }
            }
            for answer in acknowledged {
                answer.await.unwrap().map_err(|(error, _)| error).unwrap();
            }
        });
    }

    pub fn partitions(&self, topic: &str) -> Vec<i32> {
        let consumer = self.consumer(ONLOOKER);
        let metadata = patiently(|| consumer.fetch_metadata(Some(topic), ATTEMPT));
        let mut partitions: Vec<i32> = metadata.topics()[0].partitions().iter().map(MetadataPartition::id).collect();
        partitions.sort_unstable();
        partitions
    }

    /// Start and end offset of each partition.
    pub fn ends(&self, topic: &str) -> Vec<(i64, i64)> {
        let consumer = self.consumer(ONLOOKER);
        let ends_of = |partition| patiently(|| consumer.fetch_watermarks(topic, partition, ATTEMPT));
        self.partitions(topic).into_iter().map(ends_of).collect()
    }

    /// Every committed record from the start to the end that the topic has now, by partition and offset.
    pub fn read_all(&self, topic: &str) -> Vec<Record> {
        let consumer = self.consumer(ONLOOKER);
        let mut unread = self.partitions(topic);
        let mut assignment = TopicPartitionList::new();
        for &partition in &unread {
            assignment.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
        }
        consumer.assign(&assignment).unwrap();
        let started = Instant::now();
        let mut records = Vec::new();
        while !unread.is_empty() {
            assert!(started.elapsed() < PATIENCE, "never: the end of {topic}, partitions {unread:?}");
            match consumer.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => records.push(owned(&message)),
                Some(Err(KafkaError::PartitionEOF(partition))) => unread.retain(|&other| other != partition),
                // The broker may be away for a while.
                Some(Err(_)) | None => {}
            }
        }
        records.sort_by_key(|record| (record.partition, record.offset));
        records
    }

    /// Read until there are `count` records.
    pub fn wait_for(&self, topic: &str, count: usize) -> Vec<Record> {
        let started = Instant::now();
        loop {
            let records = self.read_all(topic);
            if records.len() >= count {
                return records;
            }
            assert!(started.elapsed() < PATIENCE, "never: {count} records in {topic}, only {}", records.len());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The offset that `group` committed of each partition.
    pub fn committed(&self, group: &str, topic: &str) -> Vec<Option<i64>> {
        let mut asked = TopicPartitionList::new();
        for partition in self.partitions(topic) {
            asked.add_partition(topic, partition);
        }
        let consumer = self.consumer(group);
        let told = patiently(|| consumer.committed_offsets(asked.clone(), ATTEMPT));
        told.elements_for_topic(topic)
            .iter()
            .map(|element| match element.offset() {
                Offset::Offset(offset) => Some(offset),
                _ => None,
            })
            .collect()
    }

    /// Commit an offset for a group that has no members.
    pub fn commit(&self, group: &str, topic: &str, partition: i32, offset: i64) {
        let consumer = self.consumer(group);
        let mut offsets = TopicPartitionList::new();
        offsets.add_partition_offset(topic, partition, Offset::Offset(offset)).unwrap();
        patiently(|| consumer.commit(&offsets, CommitMode::Sync));
    }

    /// How many records `group` has not committed yet.
    pub fn lag(&self, group: &str, topic: &str) -> i64 {
        let committed = self.committed(group, topic);
        self.ends(topic).iter().zip(committed).map(|((start, end), committed)| end - committed.unwrap_or(*start)).sum()
    }

    /// State of a group, such as `Stable`, and the number of its members.
    pub fn group(&self, group: &str) -> (String, usize) {
        let consumer = self.consumer(ONLOOKER);
        let groups = patiently(|| consumer.fetch_group_list(Some(group), ATTEMPT));
        groups
            .groups()
            .first()
            .map_or_else(|| ("Unknown".to_owned(), 0), |group| (group.state().to_owned(), group.members().len()))
    }
}

/// A broker that has just started answers some questions with an error for a while.
fn patiently<T>(mut ask: impl FnMut() -> KafkaResult<T>) -> T {
    let started = Instant::now();
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(error) => assert!(started.elapsed() < PATIENCE, "no answer: {error}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

async fn send(
    producer: &FutureProducer,
    topic: &str,
    partition: Option<i32>,
    key: Option<&[u8]>,
    headers: &[(&str, &[u8])],
    payload: &[u8],
) -> (i32, i64) {
    let mut record = FutureRecord::<[u8], [u8]>::to(topic).payload(payload);
    record.partition = partition;
    record.key = key;
    if !headers.is_empty() {
        let all = headers.iter().fold(OwnedHeaders::new(), |all, (key, value)| {
            all.insert(rdkafka::message::Header { key, value: Some(*value) })
        });
        record = record.headers(all);
    }
    let delivery = producer.send(record, Timeout::After(PATIENCE)).await.map_err(|(error, _)| error).unwrap();
    (delivery.partition, delivery.offset)
}

fn owned(message: &BorrowedMessage) -> Record {
    let headers = message.headers().map(|headers| {
        headers.iter().map(|header| (header.key.to_owned(), header.value.unwrap_or_default().to_vec())).collect()
    });
    Record {
        partition: message.partition(),
        offset: message.offset(),
        key: message.key().map(<[u8]>::to_vec),
        headers: headers.unwrap_or_default(),
        payload: message.payload().unwrap_or_default().to_vec(),
        timestamp_ms: message.timestamp().to_millis(),
    }
}
