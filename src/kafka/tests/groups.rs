//! Several workers of one group.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use rdkafka::mocking::MockCluster;
use tokio::sync::watch;

use crate::{
    config::stream::{Assignment, KafkaConfig},
    kafka::testing::{DEADLINE, Seen, Worker, await_committed, committed, config, produce},
    source::Source,
};

const PARTITIONS: i32 = 6;

fn with(brokers: &str, assignment: Assignment) -> KafkaConfig {
    KafkaConfig { assignment, ..config(brokers) }
}

/// Work until told to stop: a few uploads at once, done in another order than they came, committed now and then.
async fn work(config: KafkaConfig, done: Arc<Mutex<BTreeSet<String>>>, mut stop: watch::Receiver<bool>) {
    let mut worker = Worker::start(&config);
    let mut tick = tokio::time::interval(Duration::from_millis(5));
    let mut turn = 0;
    while !*stop.borrow() {
        let has_room = worker.open.len() < 20;
        tokio::select! {
            seen = worker.step(has_room) => assert!(!matches!(seen, Seen::Failed(_)), "{seen:?}"),
            _ = tick.tick() => {
                turn += 7;
                if !worker.open.is_empty() {
                    let (id, name) = worker.open.remove(turn % worker.open.len());
                    if worker.tracker.complete(id, Instant::now()) {
                        done.lock().unwrap().insert(name);
                    }
                }
                if turn % 5 == 0 {
                    worker.commit();
                }
            }
            _ = stop.changed() => {}
        }
    }
    worker.commit();
    worker.source.close().await;
}

async fn workers_come_and_go(assignment: Assignment) {
    const EACH: i32 = 150;
    let mock = MockCluster::new(1).unwrap();
    mock.create_topic("uploads", PARTITIONS, 1).unwrap();
    let brokers = mock.bootstrap_servers();
    let names = |numbers: std::ops::Range<i32>| {
        numbers.flat_map(|number| (0..PARTITIONS).map(move |partition| (partition, format!("{partition}:{number}"))))
    };
    let done = Arc::new(Mutex::new(BTreeSet::new()));
    let begin = |done: &Arc<Mutex<BTreeSet<String>>>| {
        let (stop, stopped) = watch::channel(false);
        (stop, tokio::spawn(work(with(&brokers, assignment), Arc::clone(done), stopped)))
    };
    let reach = async |count: usize| {
        let began = Instant::now();
        while done.lock().unwrap().len() < count {
            assert!(began.elapsed() < DEADLINE, "{} of {count} are done", done.lock().unwrap().len());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let third = (PARTITIONS * EACH / 3) as usize;
    produce(&brokers, names(0..EACH / 3));
    let first = begin(&done);
    reach(third / 2).await;
    let second = begin(&done);
    let third_worker = begin(&done);
    produce(&brokers, names(EACH / 3..2 * EACH / 3));
    reach(third * 3 / 2).await;
    // In the middle of its work.
    first.0.send(true).unwrap();
    first.1.await.unwrap();
    produce(&brokers, names(2 * EACH / 3..EACH));
    reach(third * 5 / 2).await;
    second.0.send(true).unwrap();
    second.1.await.unwrap();
    reach((PARTITIONS * EACH) as usize).await;
    await_committed(&brokers, &[Some(i64::from(EACH)); PARTITIONS as usize]).await;
    third_worker.0.send(true).unwrap();
    third_worker.1.await.unwrap();
}

#[tokio::test]
async fn nothing_is_lost_while_workers_come_and_go_cooperatively() {
    workers_come_and_go(Assignment::CooperativeSticky).await;
}

#[tokio::test]
async fn nothing_is_lost_while_workers_come_and_go_by_range() {
    workers_come_and_go(Assignment::Range).await;
}

/// What is done counts before others get the partition, although nobody committed it; what is not is theirs. (This broker
/// takes no commits while an eager rebalance is under way, which real ones do: for `range` see the tests with one.)
#[tokio::test]
async fn a_partition_is_handed_over_from_its_mark_on() {
    let mock = MockCluster::new(1).unwrap();
    mock.create_topic("uploads", 2, 1).unwrap();
    let brokers = mock.bootstrap_servers();
    let all = (0..2).flat_map(|partition| (0..3).map(move |number| (partition, format!("{partition}:{number}"))));
    produce(&brokers, all);
    let mut old = Worker::start(&with(&brokers, Assignment::CooperativeSticky));
    old.take(6).await;
    for name in ["0:0", "1:0", "0:2", "1:2"] {
        assert!(old.finish(name));
    }
    let open = old.open.clone();
    let mut new = Worker::start(&with(&brokers, Assignment::CooperativeSticky));
    let deadline = tokio::time::sleep(DEADLINE);
    tokio::pin!(deadline);
    let mut moved = Vec::new();
    while moved.len() < 2 {
        tokio::select! {
            seen = old.step(true) => assert!(matches!(seen, Seen::Revoked), "{seen:?}"),
            seen = new.step(true) => if let Seen::Delivered(name) = seen {
                moved.push(name);
            },
            () = &mut deadline => panic!("nothing was handed over"),
        }
    }
    let partition = moved[0].split(':').next().unwrap();
    assert_eq!(moved, [format!("{partition}:1"), format!("{partition}:2")]);
    // What the old one still does of it counts for nothing.
    for (id, name) in open.iter().filter(|(_, name)| name.starts_with(partition)) {
        assert!(!old.tracker.complete(*id, Instant::now()), "{name} counted");
    }
    assert!(new.finish(&moved[1]) && new.finish(&moved[0]));
    new.commit();
    // With what it kept it goes on as if nothing had happened.
    old.commit();
    let (kept, expected) = if partition == "0" { ("1:1", [Some(3), Some(1)]) } else { ("0:1", [Some(1), Some(3)]) };
    await_committed(&brokers, &expected).await;
    assert!(old.finish(kept));
    old.commit();
    await_committed(&brokers, &[Some(3), Some(3)]).await;
    new.source.close().await;
    old.source.close().await;
}

#[tokio::test]
async fn letting_go_waits_for_the_intake_but_not_for_ever() {
    let mock = MockCluster::new(1).unwrap();
    mock.create_topic("uploads", 1, 1).unwrap();
    let brokers = mock.bootstrap_servers();
    produce(&brokers, [(0, "a"), (0, "b")]);
    let mut old = Worker::start(&with(&brokers, Assignment::Range));
    old.take(2).await;
    assert!(old.finish("a"));
    old.commit();
    await_committed(&brokers, &[Some(1)]).await;
    assert!(old.finish("b"));
    let mut new = Worker::start(&with(&brokers, Assignment::Range));
    let revoked = tokio::time::timeout(DEADLINE, old.source.next(true)).await.unwrap();
    let crate::source::SourceEvent::Revoked(partition) = revoked else { panic!("{revoked:?}") };
    // It does not answer. The group goes on after the drain, and one of the two gets the partition.
    let again = tokio::select! {
        seen = new.until(true, |seen| matches!(seen, Seen::Assigned(_) | Seen::Delivered(_))) => seen,
        event = old.source.next(true) => match event {
            crate::source::SourceEvent::Assigned(partition) => Seen::Assigned(partition),
            other => panic!("{other:?}"),
        },
    };
    assert!(matches!(again, Seen::Assigned(_)), "{again:?}");
    // An answer that comes too late changes nothing.
    let mark = old.tracker.revoke(partition);
    assert!(mark.is_some());
    old.source.release(partition, mark);
    new.source.close().await;
    old.source.close().await;
    assert_eq!(committed(&brokers, 1), [Some(1)]);
}
