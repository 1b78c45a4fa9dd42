//! Receipts: signed where photos are redacted, checked anywhere.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use serde_json::Value;

use crate::{
    KeyPair, Said, run,
    support::{Bench, obscura},
    world::{Faces, World},
};

fn verify(receipt: &Path, photo: &Path, source: Option<&Path>, keys: &[&Path]) -> Said {
    let mut command = obscura();
    command.args(["receipt", "verify"]).arg(receipt).arg("--photo").arg(photo);
    if let Some(source) = source {
        command.arg("--source").arg(source);
    }
    for key in keys {
        command.arg("--key").arg(key);
    }
    run(&mut command)
}

#[test]
fn a_receipt_proves_its_photo_and_no_other() {
    let bench = Bench::new();
    let dir = bench.dir.path();
    let (keys, others) = (KeyPair::make(dir, "receipt"), KeyPair::make(dir, "other"));
    let source = bench.copy("people/scene.png");
    let run = bench.redact(&["--receipt-key-file", keys.private.to_str().unwrap()]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let (photo, receipt) = (bench.output().join("scene.png"), bench.output().join("scene.png.receipt.json"));
    let genuine = verify(&receipt, &photo, Some(&source), &[&keys.public]);
    assert_eq!(genuine.code, 0, "{genuine:?}");
    assert!(genuine.stdout.contains("genuine") && genuine.stdout.contains("regions redacted"), "{genuine:?}");
    // After a change of keys both are named.
    assert_eq!(verify(&receipt, &photo, None, &[&others.public, &keys.public]).code, 0);

    let refused = |said: Said, why: &str| {
        assert_eq!(said.code, 1, "{said:?}");
        assert!(said.stdout.is_empty() && said.stderr.contains(why) && said.stderr.contains("hint:"), "{said:?}");
    };
    refused(verify(&receipt, &photo, None, &[&others.public]), "one of the given keys");
    refused(verify(&receipt, &source, None, &[&keys.public]), "expected the photo");
    refused(verify(&receipt, &photo, Some(&photo), &[&keys.public]), "expected the source");
    let changed_photo = dir.join("changed.png");
    let mut bytes = fs::read(&photo).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&changed_photo, bytes).unwrap();
    refused(verify(&receipt, &changed_photo, None, &[&keys.public]), "expected the photo");

    let text = fs::read_to_string(&receipt).unwrap();
    let told: Value = serde_json::from_str(&text).unwrap();
    let changed = dir.join("changed.json");
    let check_changed = |text: &str, why: &str| {
        fs::write(&changed, text).unwrap();
        refused(verify(&changed, &photo, None, &[&keys.public]), why);
    };
    for pointer in
        ["/pipeline", "/version", "/source/sha256", "/thresholds/0/min_score", "/policy/face/cells", "/models/0/sha256"]
    {
        let mut lie = told.clone();
        let value = lie.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer} in {text}"));
        *value = if value.is_number() { 0.125.into() } else { "lie".into() };
        check_changed(&lie.to_string(), "does not fit");
    }
    let mut lie = told.clone();
    lie["redacted"].as_array_mut().unwrap().pop().expect("the scene has regions");
    check_changed(&lie.to_string(), "does not fit");
    check_changed(&text.replacen('{', "{\"pipeline\":\"lie\",", 1), "JSON");
    check_changed("no json", "JSON");
    // The same facts in another layout are the same receipt.
    fs::write(&changed, serde_json::to_string_pretty(&told).unwrap()).unwrap();
    assert_eq!(verify(&changed, &photo, Some(&source), &[&keys.public]).code, 0);
}

#[test]
fn an_unsigned_receipt_proves_nothing_and_mistakes_are_told() {
    let bench = Bench::new();
    let dir = bench.dir.path();
    let keys = KeyPair::make(dir, "receipt");
    bench.copy("people/scene.png");
    assert_eq!(bench.redact(&[]).code, 0);
    let (photo, receipt) = (bench.output().join("scene.png"), bench.output().join("scene.png.receipt.json"));
    let unsigned = verify(&receipt, &photo, None, &[&keys.public]);
    assert!(unsigned.code == 1 && unsigned.stderr.contains("expected a signature, found none"), "{unsigned:?}");
    let missing = verify(&dir.join("nowhere"), &photo, None, &[&keys.public]);
    assert!(missing.code == 2 && missing.stderr.contains("cannot read the receipt"), "{missing:?}");
    let no_key = verify(&receipt, &photo, None, &[&photo]);
    assert!(no_key.code == 2 && no_key.stderr.contains("Ed25519 public keys"), "{no_key:?}");
    assert_eq!(verify(&receipt, &photo, None, &[]).code, 2);
    // A public key cannot sign, and nothing is redacted without the signature that was asked for.
    let other = Bench::new();
    other.copy("people/scene.png");
    let refused = other.redact(&["--receipt-key-file", keys.public.to_str().unwrap()]);
    assert!(refused.code == 2 && refused.stderr.contains("Ed25519 private key"), "{}", refused.stderr);
    assert!(other.published().is_empty());
}

#[test]
fn keys_are_for_their_owner_alone_and_never_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let keys = KeyPair::make(dir.path(), "receipt");
    assert_eq!(fs::metadata(&keys.private).unwrap().permissions().mode() & 0o777, 0o600);
    let before = fs::read(&keys.private).unwrap();
    let mut again = obscura();
    again.args(["receipt", "keygen", "--private"]).arg(&keys.private).arg("--public").arg(dir.path().join("new.pub"));
    let again = run(&mut again);
    assert!(again.code == 2 && again.stderr.contains("never replaced"), "{again:?}");
    assert_eq!(fs::read(&keys.private).unwrap(), before);
    let mut half = obscura();
    half.args(["receipt", "keygen", "--private"]).arg(dir.path().join("new.key")).arg("--public").arg(&keys.public);
    assert_eq!(run(&mut half).code, 2);
    assert!(!dir.path().join("new.key").exists());
}

#[test]
fn receipts_go_to_the_topic_the_store_or_both() {
    for deliver in ["topic", "object", "both"] {
        let (mut world, faces) = (World::new(1), Faces::new());
        let keys = KeyPair::make(world.dir.path(), "receipt");
        world.more = format!("[receipts]\ndeliver = \"{deliver}\"\nkey_file = \"{}\"\n", keys.private.display());
        world.upload("a.png", &faces.photo(1));
        let worker = world.start(0);
        let event = world.wait_for_outcomes(1).remove("a.png").unwrap();
        world.wait_until_committed();
        let output = &event["data"]["output"];
        let photo = world.dir.path().join("photo.png");
        fs::write(&photo, world.s3.get("redacted", output["key"].as_str().unwrap())).unwrap();
        let check = |text: &[u8]| {
            let receipt = world.dir.path().join("receipt.json");
            fs::write(&receipt, text).unwrap();
            let said = verify(&receipt, &photo, None, &[&keys.public]);
            assert!(said.code == 0 && said.stdout.contains("region    eu"), "{said:?}");
        };
        let beside: Vec<_> =
            world.s3.keys("redacted").into_iter().filter(|key| key.ends_with(".receipt.json")).collect();
        assert_eq!(beside.len(), usize::from(deliver != "topic"), "{deliver}: {beside:?}");
        for key in &beside {
            assert_eq!(output["receipt_key"], **key);
            check(&world.s3.get("redacted", key));
        }
        assert_eq!(event["data"]["receipt"].is_object(), deliver != "object", "{deliver}");
        if deliver != "object" {
            check(event.to_string().as_bytes());
        }
        // Told once more, there is nothing to do, whether the receipt lies there or not.
        world.send("a.png", &world.put("a.png", &faces.photo(1)));
        world.wait_until_committed();
        worker.stop();
        assert_eq!(world.dead_letters(), Vec::<Value>::new());
        assert_eq!(world.published().len(), 1);
    }
}

#[test]
fn receipts_only_in_a_topic_need_one() {
    let world = World::new(1);
    let config = world.config().replace("outcome_topic = ", "# ") + "[receipts]\ndeliver = \"topic\"\n";
    let path = world.dir.path().join("topic.toml");
    fs::write(&path, config).unwrap();
    let said = run(obscura().args(["check", "--config"]).arg(&path));
    assert!(said.code == 2 && said.stderr.contains("no `kafka.outcome_topic`"), "{said:?}");
}
