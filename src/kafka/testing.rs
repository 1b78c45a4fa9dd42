//! What tests of this module share: a small intake, and the other side of the broker.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    message::Headers,
    producer::{BaseProducer, BaseRecord, Producer as _},
};

use super::{KafkaMessage, KafkaSource};
use crate::{
    config::stream::{Assignment, KafkaConfig},
    error::FatalError,
    source::{DeliveryId, OffsetTracker, Partition, Source, SourceEvent, Upload, collect},
};

/// Nothing here takes nearly as long.
pub(super) const DEADLINE: Duration = Duration::from_secs(120);

/// A plain member of the group `workers`, with the time-outs of a quick test.
pub(super) fn config(brokers: &str) -> KafkaConfig {
    KafkaConfig {
        brokers: brokers.to_owned(),
        topics: vec!["uploads".to_owned()],
        group: "workers".to_owned(),
        assignment: Assignment::CooperativeSticky,
        instance_id: None,
        outcome_topic: None,
        dead_letter_topic: "dead".to_owned(),
        session_timeout: Duration::from_secs(6),
        max_poll_interval: Duration::from_secs(30),
        fetch_bytes: 4 * 1024 * 1024,
        max_message_bytes: 1024 * 1024,
        tls: None,
        sasl: None,
    }
}

/// An upload with this name, for each of the names between commas.
pub(super) fn uploads(message: &KafkaMessage) -> Vec<Upload> {
    let manifest = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let any = collect(&[manifest], &std::env::temp_dir(), &[]).unwrap().photos.remove(0);
    let text = String::from_utf8(message.payload.clone()).unwrap();
    let named = |name: &str| {
        let mut upload = any.clone();
        upload.relative = name.into();
        upload
    };
    text.split(',').map(named).collect()
}

/// What a step of the intake saw.
#[derive(Debug)]
pub(super) enum Seen {
    Assigned(Partition),
    Revoked,
    Lost(Partition),
    Delivered(String),
    Failed(FatalError),
}

/// Does what the intake does, one step at a time.
pub(super) struct Worker {
    pub(super) source: KafkaSource,
    pub(super) tracker: OffsetTracker,
    /// Delivered and not done.
    pub(super) open: Vec<(DeliveryId, String)>,
}

impl Worker {
    pub(super) fn start(config: &KafkaConfig) -> Self {
        let source = KafkaSource::start(config, Duration::from_secs(5), Box::new(uploads)).unwrap();
        Self { source, tracker: OffsetTracker::default(), open: Vec::new() }
    }

    pub(super) async fn step(&mut self, wants_uploads: bool) -> Seen {
        match self.source.next(wants_uploads).await {
            SourceEvent::Assigned(partition) => {
                self.tracker.assign(partition);
                Seen::Assigned(partition)
            }
            SourceEvent::Revoked(partition) => {
                let mark = self.tracker.revoke(partition);
                self.source.release(partition, mark);
                Seen::Revoked
            }
            SourceEvent::Lost(partition) => {
                self.tracker.revoke(partition);
                Seen::Lost(partition)
            }
            SourceEvent::Delivered(delivered) => {
                let (partition, offset) = (delivered.partition, delivered.offset);
                let id = self.tracker.deliver(partition, offset, Instant::now());
                let name = delivered.upload.relative.to_string_lossy().into_owned();
                self.open.push((id.unwrap_or_else(|| panic!("{name} at {offset} was delivered before")), name.clone()));
                Seen::Delivered(name)
            }
            SourceEvent::Failed(error) => Seen::Failed(error),
            SourceEvent::End => panic!("the group never ends"),
        }
    }

    /// Take steps until `is_it` says so.
    pub(super) async fn until(&mut self, wants_uploads: bool, mut is_it: impl FnMut(&Seen) -> bool) -> Seen {
        let steps = async {
            loop {
                let seen = self.step(wants_uploads).await;
                if is_it(&seen) {
                    return seen;
                }
            }
        };
        tokio::time::timeout(DEADLINE, steps).await.expect("it never came")
    }

    /// Take `count` uploads in.
    pub(super) async fn take(&mut self, count: usize) -> Vec<String> {
        let mut names = Vec::new();
        while names.len() < count {
            let seen = self.until(true, |seen| matches!(seen, Seen::Delivered(_))).await;
            if let Seen::Delivered(name) = seen {
                names.push(name);
            }
        }
        names
    }

    /// An upload is done. Returns whether it counted.
    pub(super) fn finish(&mut self, name: &str) -> bool {
        let at = self.open.iter().position(|(_, open)| open == name).unwrap_or_else(|| panic!("{name} is not open"));
        let (id, _) = self.open.remove(at);
        self.tracker.complete(id, Instant::now())
    }

    pub(super) fn commit(&mut self) {
        let marks = self.tracker.uncommitted();
        self.source.commit(&marks).unwrap();
        self.tracker.committed(&marks);
    }
}

/// Send texts to partitions of `uploads`.
pub(super) fn produce<T: AsRef<str>>(brokers: &str, texts: impl IntoIterator<Item = (i32, T)>) {
    let producer: BaseProducer = ClientConfig::new().set("bootstrap.servers", brokers).create().unwrap();
    for (partition, text) in texts {
        let record = BaseRecord::<(), str>::to("uploads").partition(partition).payload(text.as_ref());
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(DEADLINE).unwrap();
}

fn reader(brokers: &str) -> BaseConsumer {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("group.id", "workers").set("enable.auto.commit", "false");
    config.create().unwrap()
}

/// The group's committed offsets of `uploads`.
pub(super) fn committed(brokers: &str, partitions: i32) -> Vec<Option<i64>> {
    let reader = reader(brokers);
    let mut list = TopicPartitionList::new();
    list.add_partition_range("uploads", 0, partitions - 1);
    let list = reader.committed_offsets(list, DEADLINE).unwrap();
    let offsets = list.elements().into_iter().map(|element| match element.offset() {
        Offset::Offset(offset) => Some(offset),
        _ => None,
    });
    offsets.collect()
}

/// Wait until the group's committed offsets are these.
pub(super) async fn await_committed(brokers: &str, expected: &[Option<i64>]) {
    let began = Instant::now();
    loop {
        let (brokers, partitions) = (brokers.to_owned(), expected.len() as i32);
        let found = tokio::task::spawn_blocking(move || committed(&brokers, partitions)).await.unwrap();
        if found == expected {
            return;
        }
        assert!(began.elapsed() < DEADLINE, "committed {found:?}, expected {expected:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The first messages of partition 0 of a topic.
pub(super) fn messages(brokers: &str, topic: &str, count: usize) -> Vec<KafkaMessage> {
    let reader = reader(brokers);
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, 0, Offset::Beginning).unwrap();
    reader.assign(&list).unwrap();
    let (began, mut found) = (Instant::now(), Vec::new());
    while found.len() < count {
        assert!(began.elapsed() < DEADLINE, "{} of {count} messages came", found.len());
        let Some(Ok(message)) = reader.poll(Duration::from_millis(50)) else { continue };
        let headers = message.headers().map(|headers| {
            let pair = |header: rdkafka::message::Header<'_, &[u8]>| {
                (header.key.to_owned(), header.value.map(<[u8]>::to_vec).unwrap_or_default())
            };
            headers.iter().map(pair).collect()
        });
        found.push(KafkaMessage {
            topic: message.topic().to_owned(),
            partition: message.partition(),
            offset: message.offset(),
            timestamp_ms: message.timestamp().to_millis(),
            key: message.key().map(<[u8]>::to_vec),
            headers: headers.unwrap_or_default(),
            payload: message.payload().map(<[u8]>::to_vec).unwrap_or_default(),
        });
    }
    found
}
