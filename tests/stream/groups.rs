//! Workers that join and leave, and one that is slow.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use crate::world::{Faces, World};

#[test]
fn workers_that_join_and_leave_all_the_time_lose_nothing() {
    let long = std::env::var_os("OBSCURA_SOAK").is_some();
    for assignment in ["cooperative-sticky", "range"] {
        let (mut world, faces) = (World::new(4), Faces::new());
        world.kafka_keys = format!("assignment = \"{assignment}\"");
        let total = if long { 1000 } else { 120 };
        let photos: BTreeMap<_, _> = (0..total).map(|number| (format!("{number}.png"), faces.photo(number))).collect();
        world.upload_all(&photos);
        let steady = world.start(0);
        let started = Instant::now();
        let lasts = Duration::from_secs(if long { 60 } else { 12 });
        let mut number = 0;
        while started.elapsed() < lasts {
            number += 1;
            let mut guest = world.start(number);
            guest.wait_for("ready");
            std::thread::sleep(Duration::from_secs(1));
            guest.stop();
        }
        world.wait_for_outcomes(photos.len());
        world.wait_until_committed();
        steady.stop();
        world.check_all_published(&photos, &faces.known);
    }
}

#[test]
fn a_slow_worker_with_far_more_queued_than_it_may_hold_keeps_its_partitions_and_its_memory() {
    let (mut world, faces) = (World::new(2), Faces::new());
    world.kafka_keys = "fetch_mib = 1".to_owned();
    world.more = "[source]\nwindow = 4\n\n[budget]\nencoded_mib = 1\nthreads = 1\n".to_owned();
    // One photo of the budget's size hundred times over, by padding that a decoder passes over.
    let photos: BTreeMap<_, _> =
        (0..100).map(|number| (format!("{number}.png"), padded(faces.photo(number)))).collect();
    world.upload_all(&photos);
    let mut worker = world.start(0);
    worker.wait_for("ready");
    world.wait_for_outcomes(photos.len());
    world.wait_until_committed();
    let peak_mib = worker.peak_memory_mib();
    let printed_mib = world.printed_peak_mib();
    let rebalances =
        worker.log().iter().filter(|line| line["message"].as_str().is_some_and(|m| m.contains("lost"))).count();
    worker.stop();
    assert!(peak_mib < printed_mib, "peak {peak_mib} MiB, printed {printed_mib} MiB");
    assert_eq!(rebalances, 0, "{}", world.logs());
    world.check_all_published(&photos, &faces.known);
}

/// A PNG of about a mebibyte: an ancillary chunk of noise before its end.
fn padded(photo: Vec<u8>) -> Vec<u8> {
    let mut chunk = b"prVt".to_vec();
    chunk.extend(crate::support::random::Random(7).bytes(1 << 20));
    let end = photo.len() - 12;
    let mut padded = photo[..end].to_vec();
    padded.extend((chunk.len() as u32 - 4).to_be_bytes());
    padded.extend(&chunk);
    padded.extend(crc32(&chunk).to_be_bytes());
    padded.extend(&photo[end..]);
    padded
}

/// As the PNG specification has it, annex D.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 })
    })
}
