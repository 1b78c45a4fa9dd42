//! The audit log of workers, written to a store, and what is done to it there.

use std::{fs, path::Path};

use object_store::ObjectStoreExt;
use serde_json::{Value, json};

use crate::{
    KeyPair, Said, run,
    support::{
        obscura,
        servers::{s3::path, wait},
    },
    world::{Faces, World},
};

fn verify(world: &World, keys: &KeyPair, more: &[&str]) -> Said {
    let mut command = obscura();
    command.args(["audit", "verify", "--config"]).arg(world.write_config()).arg("--key").arg(&keys.public).args(more);
    run(&mut command)
}

fn records(world: &World) -> Vec<Value> {
    let keys = world.s3.keys("redacted").into_iter().filter(|key| key.starts_with("_obscura/audit/"));
    let segments = keys.map(|key| String::from_utf8(world.s3.get("redacted", &key)).unwrap());
    let lines: Vec<Value> = segments
        .flat_map(|text| text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<_>>())
        .collect();
    lines.into_iter().filter(|line: &Value| line["kind"] == "obscura.audit.record").collect()
}

fn actions(records: &[Value]) -> Vec<&str> {
    records.iter().map(|record| record["action"].as_str().unwrap()).collect()
}

fn audited(interval_s: u64) -> (World, KeyPair) {
    let mut world = World::new(1);
    let keys = KeyPair::make(world.dir.path(), "audit");
    world.more = format!("[audit]\nkey_file = \"{}\"\ninterval_s = {interval_s}\n", keys.private.display());
    (world, keys)
}

#[test]
fn everything_that_a_worker_does_is_in_its_chain_over_kills_and_restarts() {
    let (mut world, keys) = audited(1);
    let faces = Faces::new();
    world.route = "originals = \"delete\"\n".to_owned();
    let worker = world.start(0);
    world.upload("a.png", &faces.photo(1));
    world.wait_for_outcomes(1);
    world.wait_until_committed();
    worker.kill();
    // The same worker goes on with its chain, under another configuration.
    world.route = "originals = \"keep\"\n".to_owned();
    let worker = world.start(0);
    world.upload("person named Ada.png", &faces.photo(2));
    world.upload("broken.png", b"no picture");
    world.wait_for_outcomes(2);
    world.wait_for_dead_letters(1);
    world.wait_until_committed();
    worker.stop();

    let sound = verify(&world, &keys, &[]);
    assert_eq!(sound.code, 0, "{sound:?}");
    assert!(sound.stdout.contains("of 1 chains, 0 of workers at work"), "{sound:?}");
    let records = records(&world);
    let actions = actions(&records);
    assert_eq!(actions.iter().filter(|action| **action == "started").count(), 2, "{actions:?}");
    for (action, count) in [("published", 2), ("original_removed", 1), ("refused", 1), ("config_changed", 1)] {
        assert_eq!(actions.iter().filter(|found| **found == action).count(), count, "{action} in {actions:?}");
    }
    assert!(actions.iter().filter(|action| **action == "original_read").count() >= 3, "{actions:?}");
    assert_eq!(actions.last(), Some(&"stopped"));
    let refused = records.iter().find(|record| record["action"] == "refused").unwrap();
    assert_eq!(refused["facts"]["record"], world.dead_letters()[0]["id"]);
    let text = json!(records).to_string();
    for personal in ["Ada", "acme", "street", "broken", "uploads", "127.0.0.1"] {
        assert!(!text.contains(personal), "{personal} in {text}");
    }
    // A command has a chain of its own.
    world.replay(&["--dead-letters"]);
    let sound = verify(&world, &keys, &[]);
    assert!(sound.code == 0 && sound.stdout.contains("of 2 chains, 0 of workers at work"), "{sound:?}");
    let replayed = self::records(&world).into_iter().find(|record| record["action"] == "replayed").unwrap();
    assert_eq!(replayed["facts"], json!({"selected": 1, "replayed": 1, "failed": 0}));
}

#[test]
fn what_is_done_to_the_log_is_named() {
    let (mut world, keys) = audited(1);
    let faces = Faces::new();
    let topic = world.kafka.topic("audit", 1);
    world.more = world.more.replace("[audit]\n", &format!("[audit]\ntopic = \"{topic}\"\n"));
    world.upload("a.png", &faces.photo(1));
    let worker = world.start(0);
    world.wait_for_outcomes(1);
    world.wait_until_committed();
    // A segment that tells of no photo, because time went by.
    let segments = |world: &World| {
        let keys = world.s3.keys("redacted").into_iter().filter(|key| key.starts_with("_obscura/audit/"));
        keys.collect::<Vec<_>>()
    };
    while segments(&world).len() < 3 {
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    assert!(verify(&world, &keys, &[]).stdout.contains("1 of workers at work"));
    worker.stop();
    let segments = segments(&world);
    let checkpoints = world.dir.path().join("checkpoints.jsonl");
    let kept: Vec<String> = world.client.read_all(&topic).iter().map(|record| record.json().to_string()).collect();
    assert_eq!(kept.len(), segments.len());
    fs::write(&checkpoints, kept.join("\n")).unwrap();
    let anchored = ["--checkpoints", checkpoints.to_str().unwrap()];
    assert_eq!(verify(&world, &keys, &anchored).code, 0);

    let with_records =
        segments.iter().find(|key| String::from_utf8(world.s3.get("redacted", key)).unwrap().contains("\"published\""));
    let with_records = with_records.unwrap();
    let sound = world.s3.get("redacted", with_records);
    let check = |text: &str, expected: &str| {
        world.s3.put("redacted", with_records, text.as_bytes());
        let said = verify(&world, &keys, &[]);
        assert!(said.code == 1 && said.stdout.contains(expected) && said.stderr.contains("hint:"), "{said:?}");
        world.s3.put("redacted", with_records, &sound);
    };
    let text = String::from_utf8(sound.clone()).unwrap();
    check(&text.replace("\"published\"", "\"refused\""), "changed");
    let lines: Vec<&str> = text.lines().collect();
    let published = lines.iter().position(|line| line.contains("\"published\"")).unwrap();
    let without: Vec<&str> =
        lines.iter().copied().enumerate().filter(|(at, _)| *at != published).map(|(_, line)| line).collect();
    check(&without.join("\n"), "the checkpoint counts it, and it is not there");
    let mut swapped = lines.clone();
    swapped.swap(published, published - 1);
    check(&swapped.join("\n"), "reordered");
    check("", "cut_off");
    assert_eq!(verify(&world, &keys, &[]).code, 0);

    // The end is cut off: seen by who kept the checkpoints, in any case by the missing end.
    let last = segments.last().unwrap();
    let end = world.s3.get("redacted", last);
    wait(world.s3.store("redacted").delete(&path(last))).unwrap();
    let cut = verify(&world, &keys, &anchored);
    assert!(cut.code == 1 && cut.stdout.contains("cut_off"), "{cut:?}");
    world.s3.put("redacted", last, &end);
    // A copy of the log is checked without the store.
    let copy = world.dir.path().join("copy");
    for key in &segments {
        let path = copy.join(key);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, world.s3.get("redacted", key)).unwrap();
    }
    let of_copy = |keys: &Path| run(obscura().args(["audit", "verify", "--dir"]).arg(&copy).arg("--key").arg(keys));
    assert_eq!(of_copy(&keys.public).code, 0);
    let others = KeyPair::make(world.dir.path(), "others");
    assert!(of_copy(&others.public).stdout.contains("unsigned"));
}

#[test]
fn without_its_log_a_worker_does_not_start_or_go_on() {
    let (mut world, keys) = audited(60);
    // A public key cannot sign.
    world.more = world.more.replace("audit.key", "audit.pub");
    let mut worker = world.start(0);
    assert_eq!(worker.wait().code(), Some(2), "{}", worker.log_text());
    assert!(worker.log_text().contains("Ed25519 private key"), "{}", worker.log_text());
    world.more = format!("[audit]\nstore = \"redacted\"\nkey_file = \"{}\"\n", keys.private.display());
    // The journal was changed while the worker was down.
    let mut worker = world.start(0);
    worker.wait_for("ready");
    worker.stop();
    let journal = world.dir.path().join("state-0/audit/chain.json");
    let text = fs::read_to_string(&journal).unwrap();
    fs::write(&journal, text.replace("\"sequence\":", "\"sequence\":x")).unwrap();
    let mut worker = world.start(0);
    assert_eq!(worker.wait().code(), Some(2), "{}", worker.log_text());
    assert!(worker.log_text().contains("audit log"), "{}", worker.log_text());
}
