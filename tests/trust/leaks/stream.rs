//! The hunt behind a broker and a store: what is planted in photos and in events must be in no object, metadata, topic,
//! log, page, audit record or state. Where a name of a photo may stand, docs/security.md says.

use std::{fs, path::Path};

use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};

use super::{
    Corpus, assert_none, found_below, name_secret, pages,
    search::Search,
    secrets::{End, Secret, marker},
};
use crate::{
    KeyPair,
    support::{files_below, name_of, servers::kafka_client::Record},
    world::World,
};

/// What events tell of people and let into stores.
const OF_EVENTS: [&str; 8] = [
    "uploader",
    "device",
    "signature of a URL",
    "credential of a URL",
    "principal",
    "address of a client",
    "user agent",
    "key of a store",
];

fn secret(name: &str) -> Secret {
    let bytes = match name {
        // As the world's store takes it.
        "key of a store" => b"a-secret-of-tests".to_vec(),
        _ => marker(name).into_bytes(),
    };
    Secret { name: name.to_owned(), bytes }
}

fn signed_url() -> String {
    let (signature, credential) = (marker("signature of a URL"), marker("credential of a URL"));
    format!("https://localhost/photo.jpg?X-Amz-Signature={signature}&X-Amz-Credential={credential}&sig={signature}")
}

/// Obscura's own event.
fn uploaded(place: Value) -> Value {
    let mut data = json!({"uploader": marker("uploader"), "device": marker("device")});
    data.as_object_mut().unwrap().extend(place.as_object().unwrap().clone());
    json!({"specversion": "1.0", "id": "1", "source": "/app", "type": "obscura.photo.uploaded", "data": data})
}

/// A store's event of a photo that is not there, with what stores tell of clients.
fn of_a_client() -> Value {
    let mut event = crate::world::s3_event("uploads", "missing.jpg", 9, "0123456789abcdef0123456789abcdef");
    let record = &mut event["Records"][0];
    record["userIdentity"] = json!({"principalId": marker("principal")});
    record["requestParameters"] =
        json!({"sourceIPAddress": marker("address of a client"), "userAgent": marker("user agent")});
    event
}

/// What an event says of its uploader may stand in headers and be the message's key.
fn send(world: &World, event: &Value) {
    let is_named = event["data"]["uploader"].is_string();
    let key = if is_named { marker("uploader") } else { "any".to_owned() };
    let headers = [("x-user", key.clone()), ("x-link", signed_url())];
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
    world.client.send(&world.uploads, None, Some(key.as_bytes()), &headers, event.to_string().as_bytes());
}

fn world_with_everything() -> World {
    let mut world = World::new(1);
    let keys = KeyPair::make(world.dir.path(), "audit");
    let pseudonyms = world.dir.path().join("pseudonyms");
    fs::create_dir(&pseudonyms).unwrap();
    fs::write(pseudonyms.join("acme.key"), BASE64_STANDARD.encode([7; 32])).unwrap();
    let audit_topic = world.kafka.topic("audit", 1);
    world.more = format!(
        "[audit]\nstore = \"redacted\"\nkey_file = \"{0}\"\ninterval_s = 1\ntopic = \"{audit_topic}\"\n\
         [receipts]\ndeliver = \"both\"\nkey_file = \"{0}\"\n[pseudonyms]\nkey_dir = \"{1}\"\n\
         [url_sources]\nhosts = [\"localhost\"]\n",
        keys.private.display(),
        pseudonyms.display(),
    );
    world.route += "originals = \"move\"\nvault = \"vault\"\n";
    world
}

/// Every part of a record.
fn whole(record: &Record) -> Vec<u8> {
    let mut bytes = record.payload.clone();
    bytes.extend(record.key.iter().flatten());
    for (name, value) in &record.headers {
        bytes.extend(name.bytes().chain([b'=']).chain(value.iter().copied()));
    }
    bytes
}

#[test]
fn nothing_planted_leaves_by_a_worker_on_a_topic() {
    let (corpus, world) = (Corpus::new(), world_with_everything());
    let temporary = world.dir.path().join("temporary");
    fs::create_dir(&temporary).unwrap();
    let mut worker = world.start_with(0, &["--log-level", "debug"], &[("TMPDIR", temporary.to_str().unwrap())]);
    for (name, carrier) in &corpus.carriers {
        world.s3.put("uploads", name, &carrier.bytes);
        send(&world, &uploaded(json!({"bucket": "uploads", "key": name})));
    }
    send(&world, &uploaded(json!({"url": signed_url()})));
    send(&world, &of_a_client());
    world.wait_for_outcomes(corpus.names(End::Published).len());
    world.wait_for_dead_letters(corpus.names(End::Refused).len() + 2);
    world.wait_until_committed();
    let address = worker.address();
    let pages = pages(address);
    let worker = worker.stop();

    // What was said and told: place and bytes.
    let mut told = vec![
        ("log".to_owned(), worker.log_text().into_bytes()),
        ("output".to_owned(), worker.stdout().into_bytes()),
        ("pages".to_owned(), pages.into_bytes()),
    ];
    let audit_topic = world.more.lines().find_map(|line| line.strip_prefix("topic = ")).unwrap().trim_matches('"');
    for (place, topic) in
        [("outcomes", &world.outcomes[..]), ("dead-letter topic", &world.dead_letters), ("audit topic", audit_topic)]
    {
        let records = world.client.read_all(topic);
        assert!(!records.is_empty(), "{topic} is empty");
        told.extend(records.iter().map(|record| (place.to_owned(), whole(record))));
    }
    // Objects with their metadata, but for what was put in and the vault.
    let root = world.s3.folder("redacted").parent().unwrap().to_owned();
    // The test's store keeps metadata in files of its own beside the buckets.
    let metadata = |bucket: &str| format!(".bucket-{}.", BASE64_URL_SAFE_NO_PAD.encode(bucket));
    let is_of = |bucket: &str, path: &Path| {
        path.starts_with(world.s3.folder(bucket)) || name_of(path).starts_with(&metadata(bucket))
    };
    let is_clear = |path: &Path| is_of("uploads", path) || is_of("vault", path);
    for path in files_below(&root).into_iter().filter(|path| !is_clear(path)) {
        let name = path.strip_prefix(&root).unwrap().display().to_string();
        let bytes = fs::read(&path).unwrap();
        told.push((format!("store: {name}"), [name.as_bytes(), b"\n", &bytes].concat()));
        told.push((format!("store: {name}"), bytes));
    }
    for kind in ["/dead-letters/", "_obscura/audit/", ".receipt.json", ".jpg", ".png", ".webp", ".tif", ".gif", ".bmp"]
    {
        assert!(told.iter().any(|(place, _)| place.contains(kind)), "no {kind} was searched");
    }
    assert!(files_below(&temporary).is_empty(), "{:?}", files_below(&temporary));

    let of_events: Vec<Secret> = OF_EVENTS.iter().map(|name| secret(name)).collect();
    let (events, names) = (Search::new(&of_events), Search::new([&name_secret()]));
    let mut found = found_below(&corpus, &world.dir.path().join("state-0"), true);
    assert!(!files_below(&world.dir.path().join("state-0")).is_empty());
    for (place, bytes) in &told {
        found.extend(corpus.found(place, bytes));
        found.extend(events.find(bytes).into_iter().map(|what| format!("{place}: {what}")));
        // A message must name its photo, and a dead letter its message.
        if !(place == "outcomes" || place == "log" || place.contains("/dead-letters/")) {
            found.extend(names.find(bytes).into_iter().map(|what| format!("{place}: {what}")));
        }
    }
    assert_none(&found);

    // The events themselves held it all.
    let sent: Vec<u8> = world.client.read_all(&world.uploads).iter().flat_map(whole).collect();
    let seen = events.find(&sent);
    for name in OF_EVENTS.iter().filter(|name| **name != "key of a store") {
        assert!(seen.iter().any(|found| found.starts_with(name)), "no event names the {name}");
    }
}
