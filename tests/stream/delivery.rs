//! From an event to a published photo, once, with everything that is told about it.

use std::collections::BTreeMap;

use serde_json::json;

use crate::{
    support::servers::s3_faults::{Fault, Rule},
    world::{Faces, World, s3_event},
};

#[test]
fn an_upload_is_published_with_its_receipt_and_its_outcome_event() {
    let (world, faces) = (World::new(1), Faces::new());
    let photos = BTreeMap::from([("street/one photo+ä.png".to_owned(), faces.photo(1))]);
    let worker = world.start(0);
    for (key, bytes) in &photos {
        let mut event = world.put(key, bytes);
        event["Records"][0]["s3"]["object"]["key"] = "street/one+photo%2B%C3%A4.png".into();
        world.send(key, &event);
    }
    let outcomes = world.wait_for_outcomes(1);
    world.check_all_published(&photos, &faces.known);
    let data = &outcomes["street/one photo+ä.png"]["data"];
    assert_eq!((data["tenant"].as_str(), data["project"].as_str()), (Some("acme"), Some("street")));
    assert_eq!((data["region"].as_str(), data["route"].as_str()), (Some("eu"), Some("all")));
    assert!(data["output"]["key"].as_str().unwrap().starts_with("out/acme/street/"), "{data}");
    world.wait_until_committed();
    worker.stop();
}

#[test]
fn an_event_that_comes_twice_publishes_once_and_a_restart_does_nothing_again() {
    let (world, faces) = (World::new(2), Faces::new());
    let photos = BTreeMap::from([("a.png".to_owned(), faces.photo(1)), ("b.png".to_owned(), faces.photo(2))]);
    let mut worker = world.start(0);
    for (key, bytes) in &photos {
        let event = world.put(key, bytes);
        (0..3).for_each(|_| world.send(key, &event));
    }
    world.wait_for_outcomes(2);
    worker.wait_until("all six are done", |worker| {
        let log = worker.log();
        let count = |message| log.iter().filter(|line| line["message"] == message).count();
        count("published") == 2 && count("already published") == 4
    });
    world.wait_until_committed();
    worker.stop();
    world.check_all_published(&photos, &faces.known);
    let puts = |log: Vec<crate::support::servers::s3_service::Access>| {
        log.iter().filter(|access| access.method == "PUT" && access.key.starts_with("out/")).count()
    };
    let before = puts(world.s3.access_log());
    let mut worker = world.start(0);
    worker.wait_for("ready");
    world.upload("c.png", &faces.photo(3));
    world.wait_for_outcomes(3);
    worker.stop();
    assert_eq!(puts(world.s3.access_log()) - before, 2, "more than the new photo and its receipt was written");
}

#[test]
fn several_records_of_one_message_are_all_done_before_it_is_committed() {
    let (world, faces) = (World::new(1), Faces::new());
    let photos: BTreeMap<_, _> = (0..5).map(|number| (format!("{number}.png"), faces.photo(number))).collect();
    let records: Vec<_> = photos.iter().map(|(key, bytes)| world.put(key, bytes)["Records"][0].clone()).collect();
    let worker = world.start(0);
    world.send("many", &json!({ "Records": records }));
    world.wait_for_outcomes(5);
    world.wait_until_committed();
    worker.stop();
    world.check_all_published(&photos, &faces.known);
    assert_eq!(world.client.committed(&world.group, &world.uploads), [Some(1)]);
}

#[test]
fn what_cannot_be_published_becomes_a_dead_letter_and_a_replay_brings_it_back() {
    let (world, faces) = (World::new(1), Faces::new());
    let worker = world.start(0);
    world.upload("torn.png", &faces.photo(1)[..500]);
    world.send("late.png", &s3_event("uploads", "late.png", 10, "0123456789abcdef0123456789abcdef"));
    world.client.send(&world.uploads, None, Some(b"junk"), &[], b"{\"what\":\"ever\"}");
    let letters = world.wait_for_dead_letters(3);
    let mut codes: Vec<_> = letters.iter().map(|letter| letter["code"].as_str().unwrap()).collect();
    codes.sort_unstable();
    assert_eq!(codes, ["corrupt_image", "source_missing", "unknown_event"]);
    for letter in &letters {
        let pointer = &letter["pointer"];
        let stored = world.s3.get("redacted", pointer["key"].as_str().unwrap());
        let stored: serde_json::Value = serde_json::from_slice(&stored).unwrap();
        assert_eq!(stored["id"], letter["id"]);
        assert_eq!(stored["topic"], world.uploads.as_str());
        let owned = letter["code"] != "unknown_event";
        let folder = if owned { "out/acme/street/dead-letters/" } else { "_unrouted/dead-letters/" };
        assert!(pointer["key"].as_str().unwrap().starts_with(folder), "{pointer}");
    }
    world.wait_until_committed();
    // The photo has come meanwhile, and the dead letter is put back: no version fits, so it fails again, told so.
    let photo = faces.photo(9);
    world.upload("torn.png", &photo);
    world.wait_for_outcomes(1);
    let replay = world.replay(&["--dead-letters", "--code", "source_missing"]);
    assert!(replay.contains('1'), "{replay}");
    let letters = world.wait_for_dead_letters(4);
    assert_eq!(letters[3]["code"], "source_missing");
    worker.stop();
}

#[test]
fn an_upload_that_was_overwritten_meanwhile_is_not_confused_with_its_successor() {
    let (world, faces) = (World::new(1), Faces::new());
    let first = world.put("same.png", &faces.photo(1));
    let second = world.put("same.png", &faces.photo(2));
    world.send("same.png", &first);
    world.send("same.png", &second);
    let worker = world.start(0);
    let outcomes = world.wait_for_outcomes(1);
    let letters = world.wait_for_dead_letters(1);
    assert_eq!(letters[0]["code"], "source_changed");
    let sha256 = obscura::redact::sha256_hex(&faces.photo(2));
    assert_eq!(outcomes["same.png"]["data"]["receipt"]["source"]["sha256"], sha256);
    worker.stop();
}

#[test]
fn originals_are_removed_only_after_the_outcome_is_told() {
    for (route, vault) in [("originals = \"delete\"", false), ("originals = \"move\"\nvault = \"vault\"", true)] {
        let (mut world, faces) = (World::new(1), Faces::new());
        route.clone_into(&mut world.route);
        let photos = BTreeMap::from([("a.png".to_owned(), faces.photo(1)), ("b.png".to_owned(), faces.photo(2))]);
        let mut worker = world.start(0);
        world.upload_all(&photos);
        world.wait_for_outcomes(2);
        worker.wait_until("the originals are gone", |_| world.s3.keys("uploads").is_empty());
        world.wait_until_committed();
        worker.stop();
        world.check_all_published(&photos, &faces.known);
        let kept = world.s3.keys("vault");
        assert_eq!(kept.len(), if vault { 2 } else { 0 }, "{kept:?}");
        for key in kept {
            assert!(photos.values().any(|photo| photo == &world.s3.get("vault", &key)));
        }
    }
}

#[test]
fn a_put_whose_answer_is_lost_is_recognised() {
    let (world, faces) = (World::new(1), Faces::new());
    let photos: BTreeMap<_, _> = (0..4).map(|number| (format!("{number}.png"), faces.photo(number))).collect();
    let mut worker = world.start(0);
    worker.wait_for("ready");
    let lost = world.s3.inject(Rule::new(Fault::LostAnswer).method("PUT").bucket("redacted").every(3));
    world.upload_all(&photos);
    world.wait_for_outcomes(4);
    world.s3.clear_faults();
    world.wait_until_committed();
    worker.stop();
    assert!(lost.hits() > 0);
    world.check_all_published(&photos, &faces.known);
}

#[test]
fn an_original_without_a_named_version_is_removed_only_as_it_was_fetched() {
    let (mut world, faces) = (World::new(1), Faces::new());
    world.route = "originals = \"move\"\nvault = \"vault\"".to_owned();
    let (first, second) = (faces.photo(1), faces.photo(2));
    world.put("same.png", &first);
    let event = json!({
        "specversion": "1.0", "id": "1", "source": "/camera", "type": "obscura.photo.uploaded",
        "data": {"bucket": "uploads", "key": "same.png"},
    });
    world.send("same.png", &event);
    // While the photo is in work, it is overwritten: what its outcome tells of is gone, and its successor must stay.
    let slow = world.s3.inject(Rule::new(Fault::Delay(std::time::Duration::from_secs(2))).method("PUT").key("out/"));
    let mut worker = world.start(0);
    worker.wait_until("the photo is fetched", |_| {
        world.s3.access_log().iter().any(|access| access.method == "GET" && access.key == "same.png")
    });
    world.s3.put("uploads", "same.png", &second);
    let letters = world.wait_for_dead_letters(1);
    assert_eq!(letters[0]["code"], "original_not_removed", "{letters:?}");
    world.wait_until_committed();
    worker.stop();
    assert!(slow.hits() > 0);
    assert_eq!(world.outcomes().len(), 1);
    assert_eq!(world.s3.get("uploads", "same.png"), second, "the successor was removed unseen");
    assert!(world.s3.keys("vault").is_empty());
}

#[test]
fn the_doctor_looks_at_broker_topics_and_stores() {
    let world = World::new(1);
    let doctor = || {
        let output =
            crate::support::obscura().arg("doctor").arg("--config").arg(world.write_config()).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (code, said) = doctor();
    assert_eq!(code, Some(0), "{said}");
    for found in [world.uploads.as_str(), &world.dead_letters, "redacted, uploads, vault"] {
        assert!(said.contains(found), "{found}: {said}");
    }
    std::fs::remove_dir_all(world.s3.folder("vault")).unwrap();
    let (code, said) = doctor();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("FAILED   stores"), "{said}");
}
