//! kill -9 at any moment, and between any two steps of publishing: one object, one receipt, one outcome; never a clear face.

use std::{collections::BTreeMap, thread::sleep, time::Duration};

use crate::{
    support::worker::{Worker, count},
    world::{Faces, World},
};

/// Rounds and photos: a short version for every run; `make soak` does all of it.
fn size() -> (u64, u64) {
    if std::env::var_os("OBSCURA_SOAK").is_some() { (50, 2000) } else { (8, 200) }
}

#[test]
fn kills_of_two_workers_lose_double_and_uncover_nothing() {
    let (rounds, total) = size();
    let (world, faces) = (World::new(4), Faces::new());
    let photos: BTreeMap<_, _> = (0..total).map(|number| (format!("{number:05}.png"), faces.photo(number))).collect();
    let all: Vec<_> = photos.iter().collect();
    let mut workers: [Option<Worker>; 2] = [None, None];
    let mut killed_at_work = 0;
    for round in 0..rounds {
        let part = (total / rounds) as usize;
        let first = round as usize * part;
        let last = if round + 1 == rounds { all.len() } else { first + part };
        let part: BTreeMap<_, _> =
            all[first..last].iter().map(|(key, bytes)| ((*key).clone(), (*bytes).clone())).collect();
        world.upload_all(&part);
        for (number, worker) in workers.iter_mut().enumerate() {
            if worker.is_none() {
                *worker = Some(world.start(number as u32));
            }
        }
        let victim = (round % 2) as usize;
        let Some(mut worker) = workers[victim].take() else { continue };
        // Every fourth is killed while it starts, the others at some moment of their work.
        if round % 4 != 3 {
            worker.wait_for("ready");
            let enough = (round * 5 % 12) as usize;
            let waited = std::time::Instant::now();
            // The other one may have all partitions.
            worker.wait_until("some photos, or long enough", |worker| {
                count(&worker.log(), "published") >= enough || waited.elapsed() > Duration::from_secs(5)
            });
            killed_at_work += usize::from(count(&worker.log(), "published") > 0);
        }
        sleep(Duration::from_millis(round * 7 % 40));
        worker.kill();
    }
    assert!(killed_at_work > 0, "no kill came while there was work");
    for (number, worker) in workers.iter_mut().enumerate() {
        if worker.is_none() {
            *worker = Some(world.start(number as u32));
        }
    }
    world.wait_for_outcomes(total as usize);
    world.wait_until_committed();
    for worker in workers.into_iter().flatten() {
        worker.stop();
    }
    world.check_all_published(&photos, &faces.known);
    check_no_clear_copy(&world, &photos);
}

/// Neither the output's bucket nor any journal holds an original.
fn check_no_clear_copy(world: &World, photos: &BTreeMap<String, Vec<u8>>) {
    let originals: std::collections::HashSet<&Vec<u8>> = photos.values().collect();
    for key in world.s3.keys("redacted") {
        assert!(!originals.contains(&world.s3.get("redacted", &key)), "a clear copy at {key}");
    }
    for path in crate::support::files_below(world.dir.path()) {
        assert!(!originals.contains(&std::fs::read(&path).unwrap()), "a clear copy at {}", path.display());
    }
}

#[test]
fn a_kill_between_any_two_steps_of_publishing_is_made_good_by_the_next_start() {
    let faces = Faces::new();
    for step in ["begin", "receipt", "object", "outcome", "original"] {
        let mut world = World::new(1);
        world.route = "originals = \"delete\"".to_owned();
        let photos = BTreeMap::from([("a.png".to_owned(), faces.photo(1)), ("b.png".to_owned(), faces.photo(2))]);
        world.upload_all(&photos);
        let at = format!("publish:{step}");
        let mut worker = world.start_with(0, &[], &[("OBSCURA_KILL_AT", &at)]);
        assert_eq!(worker.wait().code(), None, "it should have been killed at {at}: {}", worker.log_text());
        let worker = world.start(0);
        world.wait_for_outcomes(2);
        world.wait_until_committed();
        worker.stop();
        world.check_all_published(&photos, &faces.known);
        assert!(world.s3.keys("uploads").is_empty(), "{at}: the originals remain");
    }
}

#[test]
fn a_photo_that_aborts_the_process_ends_as_a_dead_letter_and_its_neighbours_succeed() {
    let (world, faces) = (World::new(1), Faces::new());
    let photos: BTreeMap<_, _> = (0..12).map(|number| (format!("{number}.png"), faces.photo(number))).collect();
    world.upload_all(&photos);
    let culprit = "5.png";
    let mut starts = 0;
    loop {
        starts += 1;
        assert!(starts < 20, "the culprit was not found; {}", world.logs());
        let mut worker = world.start_with(0, &[], &[("OBSCURA_CRASH_ON_SHA256", &sha256(&photos[culprit]))]);
        worker.wait_until("a crash, or an end of all work", |worker| {
            worker.has_ended() || world.dead_letters().len() + world.outcomes().len() >= photos.len()
        });
        if !worker.has_ended() {
            world.wait_until_committed();
            worker.stop();
            break;
        }
    }
    let letters = world.dead_letters();
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert_eq!(letters[0]["code"], "crash_loop");
    let outcomes = world.outcomes();
    assert!(!outcomes.contains_key(culprit) && outcomes.len() == photos.len() - 1, "{}", outcomes.len());
}

fn sha256(bytes: &[u8]) -> String {
    obscura::redact::sha256_hex(bytes)
}
