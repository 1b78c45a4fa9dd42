//! Results of another pipeline are redacted again and replaced, by workers, and nothing else is.

use std::{
    collections::BTreeMap,
    fs,
    process::Output,
    time::{Duration, Instant},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use obscura::redact::sha256_hex;
use serde_json::{Value, json};

use crate::{
    support::{likeness::MAX_LIKENESS, obscura, open},
    world::{Faces, PATIENCE, World},
};

/// Another pipeline: what it makes differs.
const SOLID: &str = "[redact]\nface_style = \"solid\"\n";

fn reprocess(world: &World, args: &[&str]) -> (i32, String, String) {
    let mut command = obscura();
    command.args(["reprocess", "--older-than-pipeline", "current", "--config"]).arg(world.write_config()).args(args);
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

fn by_output(event: &Value) -> String {
    event["data"]["output"]["key"].as_str().unwrap().to_owned()
}

/// The events that tell of a replaced result, by its key, once there are so many.
fn wait_for_replaced(world: &World, count: usize) -> BTreeMap<String, Value> {
    let started = Instant::now();
    loop {
        let events = world.client.read_all(&world.outcomes).into_iter().map(|record| record.json());
        let replaced = events.filter(|event| event["data"]["replaced"] == true);
        let replaced: BTreeMap<_, _> = replaced.map(|event| (by_output(&event), event)).collect();
        if replaced.len() >= count {
            return replaced;
        }
        assert!(started.elapsed() < PATIENCE, "{} of {count} replaced; {}", replaced.len(), world.logs());
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn publish(world: &World, photos: &BTreeMap<String, Vec<u8>>) -> BTreeMap<String, Value> {
    let worker = world.start(0);
    world.upload_all(photos);
    let outcomes = world.wait_for_outcomes(photos.len());
    world.wait_until_committed();
    worker.stop();
    outcomes
}

#[test]
fn results_of_another_pipeline_are_replaced_and_no_others() {
    let (mut world, faces) = (World::new(2), Faces::new());
    let photos: BTreeMap<_, _> = (0..3).map(|n| (format!("photo-{n}.png"), faces.photo(n))).collect();
    let before = publish(&world, &photos);
    assert_eq!(reprocess(&world, &[]), (0, "0 results of other pipelines than their routes'\n0 photos put into the topic again; workers of this configuration replace their results\n".to_owned(), String::new()));
    world.more = SOLID.to_owned();
    // One original is gone, and its result stays as it is.
    fs::remove_file(world.s3.folder("uploads").join("photo-2.png")).unwrap();
    let messages = world.client.read_all(&world.uploads).len();
    let (code, said, problem) = reprocess(&world, &["--dry-run"]);
    assert!(code == 1 && said.lines().count() == 4 && said.matches("no original").count() == 1, "{said}");
    assert!(problem.contains("1 results have no original"), "{problem}");
    assert_eq!(world.client.read_all(&world.uploads).len(), messages, "a dry run asks for nothing");
    let (code, said, _) = reprocess(&world, &[]);
    assert!(code == 1 && said.contains("2 photos put into the topic again"), "{said}");
    assert_eq!(world.client.read_all(&world.uploads).len(), messages + 2);

    let worker = world.start(0);
    let replaced = wait_for_replaced(&world, 2);
    world.wait_until_committed();
    assert_eq!(world.dead_letters(), Vec::<Value>::new());
    assert_eq!(world.published().len(), photos.len(), "each photo has one result");
    for (original, event) in &before {
        let key = by_output(event);
        let photo = world.s3.get("redacted", &key);
        let Some(now) = replaced.get(&key) else {
            assert_eq!(original, "photo-2.png");
            assert_eq!(sha256_hex(&photo), event["data"]["receipt"]["output"]["sha256"].as_str().unwrap());
            continue;
        };
        let (old, new) = (&event["data"]["receipt"], &now["data"]["receipt"]);
        assert_ne!(now["id"], event["id"], "whoever drops events that it knows must not drop this one");
        assert_ne!(old["pipeline"], new["pipeline"]);
        assert_eq!(old["source"], new["source"]);
        assert_eq!(new["output"]["sha256"], sha256_hex(&photo));
        assert_ne!(old["output"]["sha256"], new["output"]["sha256"]);
        assert_eq!(now["data"]["source"]["key"], original.as_str());
        let receipt = world.s3.get("redacted", now["data"]["output"]["receipt_key"].as_str().unwrap());
        assert_eq!(&serde_json::from_slice::<Value>(&receipt).unwrap(), new);
        let view = open(&photo);
        let size = view.upright_size();
        assert!(faces.known.likeness(&view.view(size.rect().into(), size, 0).unwrap()) < MAX_LIKENESS);
    }
    // Done twice it is done once.
    let (code, said, _) = reprocess(&world, &[]);
    assert!(code == 1 && said.contains("0 photos put into the topic again"), "{said}");
    worker.stop();
}

#[test]
fn originals_come_back_from_a_sealed_vault_and_stay_there() {
    let (mut world, faces) = (World::new(1), Faces::new());
    let keys = world.dir.path().join("projects/acme");
    fs::create_dir_all(&keys).unwrap();
    fs::write(keys.join("street.key"), BASE64_STANDARD.encode([7; 32])).unwrap();
    let encryption = format!("[encryption]\nkey_dir = \"{}\"\n", keys.parent().unwrap().display());
    world.sealed = vec!["redacted", "vault"];
    world.route = "originals = \"move\"\nvault = \"vault\"\n".to_owned();
    world.more.clone_from(&encryption);
    let before = publish(&world, &BTreeMap::from([("a.png".to_owned(), faces.photo(1))]));
    assert!(world.s3.keys("uploads").is_empty());
    let kept = world.s3.keys("vault");
    world.more = encryption + SOLID;
    let (code, said, problem) = reprocess(&world, &["--json"]);
    assert_eq!(code, 0, "{said}{problem}");
    let line: Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
    assert_eq!((&line["path"], &line["has_original"]), (&before["a.png"]["data"]["output"]["key"], &json!(true)));
    let worker = world.start(0);
    let replaced = wait_for_replaced(&world, 1);
    let (key, event) = replaced.first_key_value().unwrap();
    assert_ne!(event["data"]["receipt"]["output"], before["a.png"]["data"]["receipt"]["output"]);
    assert!(world.s3.get("redacted", key).starts_with(b"OBSCURA\x01"), "the new result is sealed too");
    world.wait_until_committed();
    worker.stop();
    assert_eq!(world.s3.keys("vault"), kept);
    assert_eq!(world.dead_letters(), Vec::<Value>::new());
}

/// Whoever can write to the topic can ask for anything.
#[test]
fn nothing_is_replaced_by_what_it_was_not_made_of() {
    let (mut world, faces) = (World::new(1), Faces::new());
    let photos: BTreeMap<_, _> = (0..2).map(|n| (format!("photo-{n}.png"), faces.photo(n))).collect();
    let before = publish(&world, &photos);
    world.more = SOLID.to_owned();
    let objects = || world.published().into_iter().map(|key| world.s3.get("redacted", &key)).collect::<Vec<_>>();
    let stored = objects();
    let target = by_output(&before["photo-0.png"]);
    world.s3.put("vault", "stray.png", &photos["photo-0.png"]);
    let ask = |key: &str, change: &dyn Fn(&mut Value)| {
        let mut data = json!({
            "tenant": "acme", "project": "street", "route": "all", "output_key": key,
            "store": "uploads", "key": "photo-0.png",
        });
        change(&mut data);
        let event = json!({
            "specversion": "1.0", "id": "1", "source": "/anybody", "type": "obscura.photo.reprocess", "data": data,
        });
        let headers = [("content-type", &b"application/cloudevents+json"[..])];
        world.client.send(&world.uploads, None, Some(key.as_bytes()), &headers, event.to_string().as_bytes());
    };
    let elsewhere = target.replace("out/acme/street/", "out/acme/avenue/");
    let never = target.replace(|c: char| c.is_ascii_digit(), "0");
    ask(&target, &|data| data["key"] = json!("photo-1.png"));
    ask(&never, &|_| ());
    ask(&elsewhere, &|_| ());
    ask("out/acme/street/notes.txt", &|_| ());
    ask(&target, &|data| data["route"] = json!("another"));
    ask(&target, &|data| data["project"] = json!("avenue"));
    ask(&target, &|data| data["store"] = json!("nowhere"));
    ask(&target, &|data| (data["store"], data["key"]) = (json!("vault"), json!("stray.png")));
    ask(&target, &|data| (data["store"], data["key"]) = (json!("redacted"), json!(target)));
    ask(&target, &|data| data["size"] = json!(1));
    let worker = world.start(0);
    let letters = world.wait_for_dead_letters(10);
    let mut codes: BTreeMap<String, usize> = BTreeMap::new();
    for letter in &letters {
        *codes.entry(letter["code"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    let expected = [("no_route", 1), ("output_conflict", 2), ("source_refused", 6), ("unknown_event", 1)];
    assert_eq!(codes, expected.map(|(code, count)| (code.to_owned(), count)).into());
    world.wait_until_committed();
    worker.stop();
    assert_eq!(objects(), stored);
}
