//! Envelope encryption: what lies in a store that encrypts nothing itself, and who can read it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use base64::{Engine, prelude::BASE64_STANDARD};

use crate::{
    KeyPair, Said, run,
    support::{obscura, open},
    world::{Faces, World},
};

fn project_key(path: &Path, byte: u8) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, BASE64_STANDARD.encode([byte; 32]) + "\n").unwrap();
}

fn sealing() -> (World, PathBuf) {
    let mut world = World::new(1);
    let keys = world.dir.path().join("projects");
    project_key(&keys.join("acme/street.key"), 1);
    let receipt = KeyPair::make(world.dir.path(), "receipt");
    world.more = format!(
        "[encryption]\nkey_dir = \"{}\"\n[receipts]\nkey_file = \"{}\"\n",
        keys.display(),
        receipt.private.display()
    );
    world.sealed = vec!["redacted", "vault"];
    (world, keys.join("acme/street.key"))
}

fn decrypt(world: &World, bucket: &str, key: &str, project_keys: &[&Path]) -> (Said, Option<Vec<u8>>) {
    let object = world.dir.path().join("object");
    fs::write(&object, world.s3.get(bucket, key)).unwrap();
    let envelope = world.dir.path().join("object.key.json");
    fs::write(&envelope, world.s3.get(bucket, &format!("{key}.key.json"))).unwrap();
    let out = world.dir.path().join("clear");
    let _ = fs::remove_file(&out);
    let mut command = obscura();
    command.arg("decrypt").arg(&object).arg("--out").arg(&out);
    for key in project_keys {
        command.arg("--project-key").arg(key);
    }
    (run(&mut command), fs::read(&out).ok())
}

#[test]
fn photos_and_originals_are_sealed_and_open_with_the_projects_key_alone() {
    let ((mut world, project), faces) = (sealing(), Faces::new());
    world.route = "originals = \"move\"\nvault = \"vault\"\n".to_owned();
    let original = faces.photo(1);
    world.upload("a.png", &original);
    let worker = world.start(0);
    let event = world.wait_for_outcomes(1)["a.png"].clone();
    world.wait_until_committed();
    let key = event["data"]["output"]["key"].as_str().unwrap().to_owned();
    let sealed = world.s3.get("redacted", &key);
    assert!(sealed.starts_with(b"OBSCURA\x01") && !sealed.windows(4).any(|four| four == b"IHDR"));
    let (said, clear) = decrypt(&world, "redacted", &key, &[&project]);
    assert_eq!(said.code, 0, "{said:?}");
    let clear = clear.unwrap();
    assert_eq!(open(&clear).upright_size(), open(&original).upright_size());
    // The receipt is about the photo, not about the sealed object.
    let receipt = world.dir.path().join("event.json");
    fs::write(&receipt, event.to_string()).unwrap();
    let mut verify = obscura();
    verify.args(["receipt", "verify"]).arg(&receipt).arg("--photo").arg(world.dir.path().join("clear"));
    assert_eq!(run(verify.arg("--key").arg(world.dir.path().join("receipt.pub"))).code, 0);
    let kept: Vec<String> =
        world.s3.keys("vault").into_iter().filter(|key| !key.ends_with(obscura::trust::ENVELOPE_SUFFIX)).collect();
    let vault: Vec<&String> = kept.iter().filter(|key| key.contains("/originals/")).collect();
    assert_eq!(vault.len(), 1, "{kept:?}");
    let (said, clear) = decrypt(&world, "vault", vault[0], &[&project]);
    assert!(said.code == 0 && clear.as_deref() == Some(&original[..]), "{said:?}");

    let wrong = world.dir.path().join("wrong.key");
    project_key(&wrong, 9);
    let (said, clear) = decrypt(&world, "redacted", &key, &[&wrong]);
    assert!(said.code == 1 && clear.is_none() && said.stderr.contains("expected the project key"), "{said:?}");
    // Delivered again, there is nothing to do.
    world.send("a.png", &world.put("a.png", &original));
    world.wait_until_committed();
    worker.stop();
    assert_eq!(world.dead_letters(), Vec::<serde_json::Value>::new());

    // Another key takes over: no photo is written again.
    let (old, before) = (world.dir.path().join("old.key"), world.s3.get("redacted", &key));
    fs::copy(&project, &old).unwrap();
    project_key(&project, 2);
    let rewrap = |more: &[&str]| {
        let mut command = obscura();
        command.arg("rewrap").arg("--config").arg(world.write_config()).args([
            "--tenant",
            "acme",
            "--project",
            "street",
        ]);
        run(command.arg("--old").arg(&old).args(more))
    };
    let dry = rewrap(&["--dry-run"]);
    assert!(dry.code == 0 && dry.stdout.starts_with("2 keys would be wrapped"), "{dry:?}");
    world.s3.clear_access_log();
    let said = rewrap(&[]);
    assert!(said.code == 0 && said.stdout.starts_with("2 keys wrapped anew"), "{said:?}");
    let puts = world.s3.access_log().into_iter().filter(|access| access.method == "PUT");
    for access in puts {
        assert!(access.key.ends_with(".key.json") || access.key.starts_with("_obscura/"), "{} was written", access.key);
    }
    assert_eq!(world.s3.get("redacted", &key), before);
    assert!(rewrap(&[]).stdout.starts_with("0 keys wrapped anew, 2 were already"));
    assert_eq!(decrypt(&world, "redacted", &key, &[&project]).0.code, 0);
    assert_eq!(decrypt(&world, "redacted", &key, &[&old]).0.code, 1);
}

#[test]
fn a_project_without_its_key_is_not_published() {
    let ((world, project), faces) = (sealing(), Faces::new());
    fs::remove_file(&project).unwrap();
    world.upload("a.png", &faces.photo(1));
    let worker = world.start(0);
    let letters = world.wait_for_dead_letters(1);
    assert_eq!(letters[0]["code"], "key_missing");
    assert!(world.published().is_empty(), "{:?}", world.published());
    worker.stop();
}

#[test]
fn sealing_needs_keys_and_a_store_that_can_hold_them() {
    let (world, _) = sealing();
    let check = |config: String| {
        let path = world.dir.path().join("check.toml");
        fs::write(&path, config).unwrap();
        run(obscura().args(["check", "--config"]).arg(&path))
    };
    assert_eq!(check(world.config()).code, 0);
    let without_keys = check(world.config().replace("[encryption]\nkey_dir", "[encryption]\n# key_dir"));
    assert!(without_keys.code == 2 && without_keys.stderr.contains("`encryption.key_dir`"), "{without_keys:?}");
    let kms = check(world.config().replace("\"envelope\"", "\"sse_kms\""));
    assert!(kms.code == 2 && kms.stderr.contains("kms_key"), "{kms:?}");
    let unused = check(world.config().replace("encryption = \"envelope\"", "kms_key = \"k\""));
    assert!(unused.code == 2 && unused.stderr.contains("nothing that uses it"), "{unused:?}");
}
