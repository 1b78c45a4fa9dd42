//! Uploaders and devices leave only as keyed hashes.

use std::fs;

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use crate::world::{Faces, World};

/// Obscura's own event of an upload by somebody.
fn event(key: &str, uploader: &str, device: &str) -> Value {
    json!({
        "specversion": "1.0", "id": key, "source": "/app", "type": "obscura.photo.uploaded",
        "data": {"bucket": "uploads", "key": key, "uploader": uploader, "device": device},
    })
}

fn with_keys(tenants: &[&str]) -> World {
    let mut world = World::new(1);
    let keys = world.dir.path().join("pseudonyms");
    fs::create_dir(&keys).unwrap();
    for (number, tenant) in tenants.iter().enumerate() {
        fs::write(keys.join(format!("{tenant}.key")), BASE64_STANDARD.encode([number as u8; 32])).unwrap();
    }
    world.more = format!("[pseudonyms]\nkey_dir = \"{}\"\n", keys.display());
    world
}

/// Everything that a worker wrote anywhere.
fn everything(world: &World) -> String {
    let mut text = world.logs();
    for key in world.s3.keys("redacted") {
        text += &String::from_utf8_lossy(&world.s3.get("redacted", &key));
    }
    for topic in [&world.outcomes, &world.dead_letters] {
        for record in world.client.read_all(topic) {
            text += &String::from_utf8_lossy(&record.payload);
            for (name, value) in &record.headers {
                text += name;
                text += &String::from_utf8_lossy(value);
            }
            text += &String::from_utf8_lossy(record.key.as_deref().unwrap_or_default());
        }
    }
    let stored = world.s3.keys("redacted").into_iter().filter(|key| key.contains("dead-letters"));
    for key in stored {
        let message: Value = serde_json::from_slice(&world.s3.get("redacted", &key)).unwrap();
        for part in [&message["payload"], &message["key"]] {
            let bytes = BASE64_STANDARD.decode(part.as_str().unwrap_or_default()).unwrap();
            text += &String::from_utf8_lossy(&bytes);
        }
    }
    text
}

#[test]
fn people_are_told_as_pseudonyms_and_a_replay_keeps_them() {
    let (world, faces) = (with_keys(&["acme"]), Faces::new());
    let worker = world.start_with(0, &["--log-level", "debug"], &[]);
    world.put("a.png", &faces.photo(1));
    world.client.send(
        &world.uploads,
        None,
        Some(b"ada@example.com"),
        &[],
        event("a.png", "ada@example.com", "phone-IMEI-1").to_string().as_bytes(),
    );
    // Nothing is there yet, so it becomes a dead letter.
    world.client.send(
        &world.uploads,
        None,
        Some(b"ada@example.com"),
        &[],
        event("late.png", "ada@example.com", "phone-IMEI-1").to_string().as_bytes(),
    );
    let first = world.wait_for_outcomes(1)["a.png"].clone();
    world.wait_for_dead_letters(1);
    let (uploader, device) = (first["data"]["uploader"].clone(), first["data"]["device"].clone());
    assert!(obscura::trust::is_pseudonym(uploader.as_str().unwrap()), "{first}");
    assert!(obscura::trust::is_pseudonym(device.as_str().unwrap()) && device != uploader, "{first}");
    assert_eq!(first["data"]["receipt"]["subject"], json!({"uploader": uploader, "device": device}));
    world.put("late.png", &faces.photo(2));
    world.replay(&["--dead-letters"]);
    let later = world.wait_for_outcomes(2)["late.png"].clone();
    assert_eq!((&later["data"]["uploader"], &later["data"]["device"]), (&uploader, &device));
    world.wait_until_committed();
    worker.stop();
    let text = everything(&world);
    for personal in ["ada@example.com", "IMEI"] {
        assert!(!text.contains(personal), "{personal} in {text}");
    }
}

#[test]
fn without_a_key_nobody_is_told_of() {
    let (world, faces) = (with_keys(&["another"]), Faces::new());
    let worker = world.start(0);
    world.put("a.png", &faces.photo(1));
    world.send("a.png", &event("a.png", "ada@example.com", "phone-IMEI-1"));
    world.send("b.png", &event("missing.png", "ada@example.com", "phone-IMEI-1"));
    let first = world.wait_for_outcomes(1)["a.png"].clone();
    assert!(first["data"]["uploader"].is_null() && first["data"]["device"].is_null(), "{first}");
    world.wait_for_dead_letters(1);
    worker.stop();
    let text = everything(&world);
    assert!(!text.contains("ada@example.com") && !text.contains("IMEI") && !text.contains("hmac-"), "{text}");
}
