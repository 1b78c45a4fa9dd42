//! Stores and brokers that fail for a while: nothing is lost, nothing becomes a dead letter.

use std::{collections::BTreeMap, thread::sleep, time::Duration};

use crate::{
    support::{
        servers::{
            kafka::{Kafka, KafkaOptions},
            s3::S3Options,
            s3_faults::{Fault, Rule},
        },
        worker::Worker,
    },
    world::{Faces, World},
};

/// Long enough that attempts would be used up, short enough for every test run. `make soak` makes it a minute.
fn outage() -> Duration {
    Duration::from_secs(if is_long() { 60 } else { 6 })
}

fn is_long() -> bool {
    std::env::var_os("OBSCURA_SOAK").is_some()
}

fn photos(faces: &Faces, count: u64) -> BTreeMap<String, Vec<u8>> {
    (0..count).map(|number| (format!("{number}.png"), faces.photo(number))).collect()
}

#[test]
fn a_store_that_fails_in_every_way_for_a_while_costs_nothing() {
    let (world, faces) = (World::new(2), Faces::new());
    let photos = photos(&faces, 40);
    let mut worker = world.start(0);
    worker.wait_for("ready");
    let events: Vec<_> = photos.iter().map(|(key, bytes)| (key, world.put(key, bytes))).collect();
    let faults = [
        Fault::INTERNAL_ERROR,
        Fault::SlowDown,
        Fault::Reset,
        Fault::LostAnswer,
        Fault::CutOff,
        Fault::WrongBody,
        Fault::Delay(Duration::from_millis(500)),
    ];
    let injected: Vec<_> = faults
        .into_iter()
        .zip(2..)
        .map(|(fault, every)| {
            // A number of times in a short run: whoever takes long to begin must not miss them.
            let rule = Rule::new(fault).every(every);
            world.s3.inject(if is_long() { rule.during(outage()) } else { rule.times(10) })
        })
        .collect();
    for (key, event) in &events {
        world.send(key, event);
    }
    world.wait_for_outcomes(photos.len());
    world.s3.clear_faults();
    world.wait_until_committed();
    worker.stop();
    assert!(injected.iter().map(|rule| rule.hits()).sum::<u32>() > 20, "hardly anything went wrong");
    world.check_all_published(&photos, &faces.known);
}

#[test]
fn a_store_that_is_gone_for_a_while_is_waited_for() {
    let (world, faces) = (World::new(2), Faces::new());
    let photos = photos(&faces, 20);
    let mut worker = world.start(0);
    worker.wait_for("ready");
    let events: Vec<_> = photos.iter().map(|(key, bytes)| (key, world.put(key, bytes))).collect();
    let down = world.s3.inject(Rule::new(Fault::SlowDown).during(outage()));
    for (key, event) in &events {
        world.send(key, event);
    }
    worker.wait_for("out of reach; what needs it waits until it is back");
    world.wait_for_outcomes(photos.len());
    world.wait_until_committed();
    worker.stop();
    assert!(down.hits() > 0);
    world.check_all_published(&photos, &faces.known);
}

#[test]
fn a_broker_that_restarts_or_cannot_be_reached_costs_nothing() {
    // Kept for the whole process: other tests may still use what belongs to it.
    let kafka: &'static Kafka = Box::leak(Box::new(Kafka::start(KafkaOptions::default())));
    let world = World::with(kafka, 2, S3Options::default());
    let faces = Faces::new();
    let photos = photos(&faces, 80);
    let mut worker = world.start(0);
    worker.wait_for("ready");
    let all: Vec<_> = photos.iter().collect();
    let mut sent = BTreeMap::new();
    for part in all.chunks(20) {
        let part: BTreeMap<_, _> = part.iter().map(|(key, bytes)| ((*key).clone(), (*bytes).clone())).collect();
        world.upload_all(&part);
        sent.extend(part);
        if sent.len() == 20 {
            kafka.suspend();
            sleep(outage());
            kafka.resume();
        } else {
            kafka.restart();
        }
    }
    world.wait_for_outcomes(photos.len());
    world.wait_until_committed();
    let worker: Worker = worker.stop();
    assert_eq!(worker.log().iter().filter(|line| line["message"] == "cannot go on").count(), 0);
    world.check_all_published(&photos, &faces.known);
    kafka.stop();
}
