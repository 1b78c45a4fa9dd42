//! Dead letters go back once, whatever filters and limits are asked for.

use std::sync::Mutex;

use rdkafka::mocking::MockCluster;

use crate::{
    error::{ErrorCode, PhotoError, Stage},
    kafka::{
        DeadLetter, OriginalMessage, Producer, RecordPlace, ReplayOptions, ReplayReport, replay_dead_letters,
        testing::{config, messages},
    },
};

fn letter(offset: i64, code: ErrorCode) -> DeadLetter {
    let origin = RecordPlace { topic: "uploads".into(), partition: 0, offset, record: 0, timestamp_ms: Some(offset) };
    DeadLetter::new(origin, &PhotoError::new(Stage::Open, code, "why"), "pipeline", "eu", None)
}

struct Place {
    mock: MockCluster<'static, rdkafka::producer::DefaultProducerContext>,
    producer: Producer,
    /// Offsets of the originals that were asked for.
    asked: Mutex<Vec<i64>>,
}

impl Place {
    fn new() -> Self {
        let mock = MockCluster::new(1).unwrap();
        mock.create_topic("dead", 3, 1).unwrap();
        mock.create_topic("uploads", 1, 1).unwrap();
        let producer = Producer::start(&config(&mock.bootstrap_servers())).unwrap();
        Self { mock, producer, asked: Mutex::default() }
    }

    async fn bury(&self, letter: &DeadLetter) {
        let (headers, payload) = (letter.headers(), letter.payload());
        self.producer.send("dead", Some(letter.id.as_bytes()), &headers, &payload).await.unwrap();
    }

    /// Offset 99 has no original, 98 a broken store.
    async fn replay(&self, options: &ReplayOptions) -> ReplayReport {
        let original = |letter: DeadLetter| {
            self.asked.lock().unwrap().push(letter.origin.offset);
            std::future::ready(match letter.origin.offset {
                99 => Ok(None),
                98 => Err("the store is out of reach".to_owned()),
                offset => Ok(Some(OriginalMessage {
                    topic: letter.origin.topic,
                    key: Some(b"key".to_vec()),
                    headers: vec![("ce_id".to_owned(), b"1".to_vec())],
                    payload: format!("original {offset}").into_bytes(),
                })),
            })
        };
        let config = config(&self.mock.bootstrap_servers());
        replay_dead_letters(&config, options, &self.producer, original).await.unwrap()
    }

    fn asked(&self) -> Vec<i64> {
        let mut asked = std::mem::take(&mut *self.asked.lock().unwrap());
        asked.sort_unstable();
        asked
    }
}

#[tokio::test]
async fn each_dead_letter_goes_back_once() {
    let place = Place::new();
    for offset in 0..6 {
        let code = if offset % 2 == 0 { ErrorCode::CorruptImage } else { ErrorCode::NoRoute };
        place.bury(&letter(offset, code)).await;
    }
    // Given up twice by a worker that was killed in between: one dead letter.
    place.bury(&letter(1, ErrorCode::NoRoute)).await;
    place.bury(&letter(99, ErrorCode::NoRoute)).await;

    let dry = place.replay(&ReplayOptions { dry_run: true, ..ReplayOptions::default() }).await;
    assert_eq!((dry.selected, dry.replayed, dry.by_code["no_route"], dry.by_code["corrupt_image"]), (7, 0, 4, 3));
    assert!(place.asked().is_empty());

    let no_route = ReplayOptions { code: Some("no_route".to_owned()), ..ReplayOptions::default() };
    let report = place.replay(&no_route).await;
    assert_eq!((report.selected, report.replayed, report.without_original, report.failed), (4, 3, 1, 0));
    assert_eq!(place.asked(), [1, 3, 5, 99]);
    let back = messages(&place.mock.bootstrap_servers(), "uploads", 3);
    for message in &back {
        assert_eq!(message.key.as_deref(), Some(&b"key"[..]));
        assert!(message.payload.starts_with(b"original "));
        assert_eq!(message.headers[0], ("ce_id".to_owned(), b"1".to_vec()));
        assert_eq!(message.headers[1], ("obscura-replayed".to_owned(), b"1".to_vec()));
    }

    let limited = place.replay(&ReplayOptions { limit: Some(2), ..no_route.clone() }).await;
    assert_eq!(
        (limited.selected, limited.replayed, limited.without_original),
        (1, 0, 1),
        "only the one without original"
    );
    place.asked();
    let limited = ReplayOptions { code: Some("corrupt_image".to_owned()), limit: Some(2), ..ReplayOptions::default() };
    assert_eq!(place.replay(&limited).await.replayed, 2);
    assert_eq!(place.replay(&limited).await.replayed, 1);
    assert_eq!(place.replay(&limited).await.replayed, 0);
    assert_eq!(place.asked(), [0, 2, 4]);
    // Given up again after it was replayed, it waits again.
    place.bury(&letter(2, ErrorCode::CorruptImage)).await;
    assert_eq!(place.replay(&limited).await.replayed, 1);
    assert_eq!(place.asked(), [2]);
    let again = ReplayOptions { again: true, ..ReplayOptions::default() };
    assert_eq!(place.replay(&again).await.replayed, 6);
}

#[tokio::test]
async fn what_fails_waits_for_the_next_replay() {
    let place = Place::new();
    place.bury(&letter(98, ErrorCode::NoRoute)).await;
    place.bury(&letter(7, ErrorCode::NoRoute)).await;
    place.producer.send("dead", Some(b"strange"), &[], b"{}").await.unwrap();
    let report = place.replay(&ReplayOptions::default()).await;
    assert_eq!((report.selected, report.replayed, report.failed), (3, 1, 2));
    assert_eq!((report.by_code["no_route"], report.by_code["unknown"]), (2, 1));
    assert!(report.first_failure.is_some());
    let report = place.replay(&ReplayOptions::default()).await;
    assert_eq!((report.selected, report.replayed, report.failed), (2, 0, 2));
}

#[tokio::test]
async fn an_empty_topic_has_nothing_to_replay() {
    let place = Place::new();
    assert_eq!(place.replay(&ReplayOptions::default()).await, ReplayReport::default());
}
