//! Dead letters of a real, compacted topic go back, from a time on.

use std::{
    future::ready,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use obscura::{
    error::{ErrorCode, PhotoError, Stage},
    kafka::{DeadLetter, OriginalMessage, Producer, RecordPlace, ReplayOptions, replay_dead_letters},
};

use crate::{connections::config, support::servers::kafka::Kafka};

fn letter(topic: &str, offset: i64) -> DeadLetter {
    let origin = RecordPlace { topic: topic.to_owned(), partition: 0, offset, record: 0, timestamp_ms: None };
    let error = PhotoError::new(Stage::Fetch, ErrorCode::SourceMissing, "not there");
    DeadLetter::new(origin, &error, "pipeline", "eu", None)
}

#[tokio::test]
async fn only_those_since_then_go_back_and_only_once() {
    let kafka = Kafka::shared();
    let uploads = kafka.topic("uploads", 1);
    let dead = Kafka::unique("dead");
    kafka.create_topic(&dead, 2, &[("cleanup.policy", "compact,delete")]);
    let mut config = config(kafka.bootstrap(), &uploads);
    config.dead_letter_topic.clone_from(&dead);
    let producer = Producer::start(&config).unwrap();
    let bury = async |offset| {
        let letter = letter(&uploads, offset);
        let (headers, payload) = (letter.headers(), letter.payload());
        producer.send(&dead, Some(letter.id.as_bytes()), &headers, &payload).await.unwrap();
    };
    for offset in 0..4 {
        bury(offset).await;
    }
    // Times of messages are milliseconds.
    tokio::time::sleep(Duration::from_millis(5)).await;
    let since_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
    for offset in 4..7 {
        bury(offset).await;
    }
    let replay = async |options: ReplayOptions| {
        let original = |letter: DeadLetter| {
            ready(Ok(Some(OriginalMessage {
                topic: letter.origin.topic,
                key: None,
                headers: Vec::new(),
                payload: letter.origin.offset.to_string().into_bytes(),
            })))
        };
        replay_dead_letters(&config, &options, &producer, original).await.unwrap().replayed
    };
    let since = ReplayOptions { since_ms: Some(since_ms), ..ReplayOptions::default() };
    assert_eq!(replay(since.clone()).await, 3);
    assert_eq!(replay(since).await, 0);
    let in_an_hour = ReplayOptions { since_ms: Some(since_ms + 3_600_000), ..ReplayOptions::default() };
    assert_eq!(replay(in_an_hour).await, 0);
    assert_eq!(replay(ReplayOptions::default()).await, 4);
    let mut back: Vec<String> =
        kafka.client().read_all(&uploads).iter().map(|record| record.text().to_owned()).collect();
    back.sort();
    assert_eq!(back, ["0", "1", "2", "3", "4", "5", "6"]);
    // Nobody joined a group for it.
    assert_eq!(kafka.client().group(&config.group).1, 0);
}

#[tokio::test]
async fn a_missing_topic_is_told() {
    let kafka = Kafka::shared();
    let mut config = config(kafka.bootstrap(), "uploads");
    config.dead_letter_topic = Kafka::unique("nowhere");
    let producer = Producer::start(&config).unwrap();
    let original = |_| ready(Ok(None));
    let error = replay_dead_letters(&config, &ReplayOptions::default(), &producer, original).await.unwrap_err();
    assert!(error.message.contains(&config.dead_letter_topic), "{error}");
    // Neither is a message to such a topic sent later: it cannot be.
    let error = producer.send(&config.dead_letter_topic, None, &[], b"x").await.unwrap_err();
    assert!(!error.transient, "{error}");
}
