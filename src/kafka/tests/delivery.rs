//! One worker: what it commits, what it holds, what it survives.

use std::time::{Duration, Instant};

use rdkafka::{
    mocking::MockCluster,
    types::{RDKafkaApiKey, RDKafkaRespErr as E},
};

use crate::{
    kafka::testing::{DEADLINE, Seen, Worker, await_committed, committed, config, produce},
    source::{Partition, Source},
};

/// Names of the form `partition:number`.
fn names(partition: i32, numbers: std::ops::Range<i32>) -> impl Iterator<Item = (i32, String)> {
    numbers.map(move |number| (partition, format!("{partition}:{number}")))
}

#[tokio::test]
async fn what_is_committed_is_the_low_water_mark_and_a_restart_goes_on_there() {
    let mock = MockCluster::new(1).unwrap();
    mock.create_topic("uploads", 2, 1).unwrap();
    let brokers = mock.bootstrap_servers();
    produce(&brokers, names(0, 0..5).chain(names(1, 0..5)));
    let mut worker = Worker::start(&config(&brokers));
    worker.take(10).await;
    for name in ["0:3", "0:1", "1:4", "0:0"] {
        assert!(worker.finish(name));
    }
    worker.commit();
    await_committed(&brokers, &[Some(2), None]).await;
    assert_eq!((worker.source.assigned().len(), worker.source.stats().rebalances_total()), (2, 1));
    worker.source.close().await;
    assert!(!worker.source.stats().has_joined());
    assert_eq!(committed(&brokers, 2), [Some(2), None]);

    let mut worker = Worker::start(&config(&brokers));
    let mut again = worker.take(8).await;
    again.sort();
    assert_eq!(again, ["0:2", "0:3", "0:4", "1:0", "1:1", "1:2", "1:3", "1:4"]);
    for name in &again {
        assert!(worker.finish(name));
    }
    // Closing commits what was told, at once.
    worker.commit();
    worker.source.close().await;
    assert_eq!(committed(&brokers, 2), [Some(5), Some(5)]);
}

#[tokio::test]
async fn a_message_is_committed_when_all_its_records_are_done() {
    let mock = MockCluster::new(1).unwrap();
    mock.create_topic("uploads", 1, 1).unwrap();
    let brokers = mock.bootstrap_servers();
    produce(&brokers, [(0, "a"), (0, "b,c,d"), (0, "e")]);
    let mut worker = Worker::start(&config(&brokers));
    assert_eq!(worker.take(5).await, ["a", "b", "c", "d", "e"]);
    for name in ["a", "b", "c", "e"] {
        assert!(worker.finish(name));
    }
    worker.commit();
    await_committed(&brokers, &[Some(1)]).await;
    assert!(worker.finish("d"));
    worker.commit();
    await_committed(&brokers, &[Some(3)]).await;
    // Half done, a message comes again as a whole.
    produce(&brokers, [(0, "f,g")]);
    worker.take(2).await;
    assert!(worker.finish("f"));
    worker.commit();
    worker.source.close().await;
    let mut worker = Worker::start(&config(&brokers));
    assert_eq!(worker.take(2).await, ["f", "g"]);
}

#[tokio::test]
async fn a_held_partition_blocks_no_other_and_loses_nothing() {
    const EACH: i32 = 2000;
    let mock = MockCluster::new(1).unwrap();
    mock.create_topic("uploads", 2, 1).unwrap();
    let brokers = mock.bootstrap_servers();
    let mut worker = Worker::start(&config(&brokers));
    worker.until(true, |seen| matches!(seen, Seen::Assigned(_))).await;
    worker.until(true, |seen| matches!(seen, Seen::Assigned(_))).await;
    // Which number is which partition is known only from what comes.
    produce(&brokers, [(0, "first")]);
    worker.take(1).await;
    let held = worker.open[0].0.partition;
    worker.source.hold(held, true);
    produce(&brokers, names(0, 0..EACH).chain(names(1, 0..EACH)));
    let expected: Vec<String> = names(1, 0..EACH).map(|(_, name)| name).collect();
    assert_eq!(worker.take(EACH as usize).await, expected);
    let began = Instant::now();
    while worker.source.backlog() < EACH as u64 {
        assert!(began.elapsed() < DEADLINE, "backlog {}", worker.source.backlog());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    worker.source.hold(held, false);
    let expected: Vec<String> = names(0, 0..EACH).map(|(_, name)| name).collect();
    assert_eq!(worker.take(EACH as usize).await, expected);
    assert_eq!(worker.source.backlog(), 0);
}

#[tokio::test]
async fn big_messages_are_buffered_by_bytes() {
    let mock = MockCluster::new(1).unwrap();
    mock.create_topic("uploads", 1, 1).unwrap();
    let brokers = mock.bootstrap_servers();
    let text = |number: usize| format!("{number}-{}", "x".repeat(200_000));
    produce(&brokers, (0..20).map(|number| (0, text(number))));
    let mut worker = Worker::start(&config(&brokers));
    worker.until(false, |seen| matches!(seen, Seen::Assigned(_))).await;
    let began = Instant::now();
    // A quarter of 4 MiB, and the message that went over it.
    while worker.source.waiting_bytes() < 1024 * 1024 {
        assert!(began.elapsed() < DEADLINE);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(worker.source.waiting_bytes() < 1024 * 1024 + 250_000, "{}", worker.source.waiting_bytes());
    let expected: Vec<String> = (0..20).map(text).collect();
    assert_eq!(worker.take(20).await, expected);
}

#[tokio::test]
async fn slow_work_never_costs_the_membership() {
    let mock = MockCluster::new(1).unwrap();
    mock.create_topic("uploads", 1, 1).unwrap();
    let brokers = mock.bootstrap_servers();
    produce(&brokers, names(0, 0..3));
    let mut config = config(&brokers);
    config.max_poll_interval = Duration::from_secs(6);
    let mut worker = Worker::start(&config);
    worker.take(3).await;
    // The intake itself stands still, longer than the group would wait for a consumer that does not poll.
    tokio::time::sleep(config.max_poll_interval * 2).await;
    assert_eq!(worker.source.stats().rebalances_total(), 1);
    assert!(worker.source.stats().has_joined());
    for number in 0..3 {
        assert!(worker.finish(&format!("0:{number}")));
    }
    worker.commit();
    await_committed(&brokers, &[Some(3)]).await;
}

#[tokio::test]
async fn a_broker_that_comes_back_finds_everything_as_it_was() {
    let mock = MockCluster::new(1).unwrap();
    mock.create_topic("uploads", 1, 1).unwrap();
    let brokers = mock.bootstrap_servers();
    mock.broker_down(-1).unwrap();
    let mut worker = Worker::start(&config(&brokers));
    let early = tokio::time::timeout(Duration::from_millis(500), worker.step(true)).await;
    assert!(early.is_err(), "{early:?}");
    mock.broker_up(-1).unwrap();
    produce(&brokers, names(0, 0..2));
    worker.take(2).await;
    mock.broker_down(-1).unwrap();
    assert!(worker.finish("0:0"));
    worker.commit();
    tokio::time::sleep(Duration::from_secs(1)).await;
    mock.broker_up(-1).unwrap();
    await_committed(&brokers, &[Some(1)]).await;
    produce(&brokers, names(0, 2..4));
    assert_eq!(worker.take(2).await, ["0:2", "0:3"]);
}

#[tokio::test]
async fn a_commit_that_failed_is_made_up_for() {
    let mock = MockCluster::new(1).unwrap();
    mock.create_topic("uploads", 1, 1).unwrap();
    let brokers = mock.bootstrap_servers();
    produce(&brokers, names(0, 0..2));
    let mut worker = Worker::start(&config(&brokers));
    worker.take(2).await;
    let errors = [E::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, E::RD_KAFKA_RESP_ERR_INVALID_COMMIT_OFFSET_SIZE];
    mock.request_errors(RDKafkaApiKey::OffsetCommit, &errors);
    assert!(worker.finish("0:0"));
    worker.commit();
    await_committed(&brokers, &[Some(1)]).await;
}

#[tokio::test]
async fn what_is_lost_is_delivered_again_and_its_old_work_counts_for_nothing() {
    let mock = MockCluster::new(1).unwrap();
    mock.create_topic("uploads", 1, 1).unwrap();
    let brokers = mock.bootstrap_servers();
    produce(&brokers, names(0, 0..3));
    let mut worker = Worker::start(&config(&brokers));
    worker.take(3).await;
    let old = worker.open.clone();
    worker.open.clear();
    mock.request_errors(RDKafkaApiKey::Heartbeat, &[E::RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID]);
    let lost = worker.until(true, |seen| !matches!(seen, Seen::Delivered(_))).await;
    assert!(matches!(lost, Seen::Lost(Partition(0))), "{lost:?}");
    let back = worker.until(true, |_| true).await;
    assert!(matches!(back, Seen::Assigned(Partition(0))), "{back:?}");
    assert_eq!(worker.take(3).await, ["0:0", "0:1", "0:2"]);
    for (id, _) in old {
        assert!(!worker.tracker.complete(id, Instant::now()));
    }
    assert!(worker.tracker.uncommitted().is_empty());
    assert_eq!(committed(&brokers, 1), [None]);
}

#[tokio::test]
async fn a_worker_whose_place_was_taken_ends() {
    let mock = MockCluster::new(1).unwrap();
    mock.create_topic("uploads", 1, 1).unwrap();
    let mut config = config(&mock.bootstrap_servers());
    config.instance_id = Some("worker-1".to_owned());
    let mut worker = Worker::start(&config);
    worker.until(true, |seen| matches!(seen, Seen::Assigned(_))).await;
    mock.request_errors(RDKafkaApiKey::Heartbeat, &[E::RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID]);
    let failed = worker.until(true, |seen| matches!(seen, Seen::Failed(_))).await;
    assert!(matches!(failed, Seen::Failed(error) if error.hint.contains("instance_id")));
    worker.source.close().await;
}
