//! `obscura doctor` warns of rights that a worker has and does not need.

use std::{fs, os::unix::fs::PermissionsExt};

use serde_json::Value;

use crate::{
    KeyPair, run,
    support::{
        obscura,
        servers::s3_faults::{Fault, Rule},
    },
    world::World,
};

/// Status and detail of what doctor finds under this name.
fn findings(world: &World, check: &str) -> Vec<(String, String)> {
    let said = run(obscura().args(["doctor", "--json", "--config"]).arg(world.write_config()));
    let lines: Vec<Value> = said.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let found = lines.iter().filter(|line| line["check"] == check);
    found
        .inspect(|line| assert!(line["status"] == "ok" || line["hint"].is_string(), "{line}"))
        .map(|line| (text(&line["status"]), text(&line["detail"])))
        .collect()
}

/// What is found of a right in a store, by a word of it; none if nothing could be found out.
fn of_right(world: &World, store: &str, word: &str) -> Option<(String, String)> {
    let is_it = |detail: &str| detail.contains(&format!("`{store}`")) && detail.contains(word);
    findings(world, "rights").into_iter().find(|(_, detail)| is_it(detail))
}

/// What is found of removing from a store.
fn of_store(world: &World, store: &str) -> Option<(String, String)> {
    of_right(world, store, "remove")
}

fn refuse_removal(world: &World, bucket: &str) {
    world.s3.inject(Rule::new(Fault::Error(403, "AccessDenied")).method("DELETE").bucket(bucket));
}

/// Only what is asked about names that nothing has.
fn refuse_writing(world: &World, bucket: &str) {
    let refusal = Rule::new(Fault::Error(403, "AccessDenied"));
    world.s3.inject(refusal.method("PUT").bucket(bucket).key("obscura-doctor-"));
}

fn refuse_versions(world: &World, bucket: &str) {
    world.s3.inject(Rule::new(Fault::Error(403, "AccessDenied")).method("GET").bucket(bucket).query("versions="));
}

#[test]
fn doctor_warns_of_a_store_that_lets_a_worker_remove_what_it_need_not() {
    let mut world = World::new(1);
    world.s3.put("redacted", "out/acme/street/photo.jpg", b"photo");
    refuse_removal(&world, "vault");
    let before = world.s3.access_log().len();
    for store in ["uploads", "redacted"] {
        let (status, detail) = of_store(&world, store).unwrap();
        assert!(status == "warning" && detail.contains("may remove objects"), "{store}: {status}: {detail}");
    }
    let (status, detail) = of_store(&world, "vault").unwrap();
    assert!(status == "ok" && detail.contains("nothing may be removed"), "{status}: {detail}");
    // To find that out nothing was removed.
    assert_eq!(world.s3.get("redacted", "out/acme/street/photo.jpg"), b"photo");
    let log = world.s3.access_log();
    let removals: Vec<_> = log[before..].iter().filter(|access| access.method == "DELETE").collect();
    assert!(removals.len() >= 3, "{removals:?}");
    let own = |key: &str| key.starts_with("obscura-doctor-") || key.starts_with("_obscura/");
    assert!(removals.iter().all(|access| own(&access.key)), "{removals:?}");

    // A role that removes originals has to be able to, there and nowhere else.
    world.route += "originals = \"move\"\nvault = \"vault\"\n";
    assert_eq!(of_store(&world, "uploads").unwrap().0, "ok");
    assert_eq!(of_store(&world, "redacted").unwrap().0, "warning");

    // With the rights of docs/security.md there is no warning at all.
    refuse_removal(&world, "redacted");
    for bucket in ["uploads", "redacted", "vault"] {
        refuse_writing(&world, bucket);
        refuse_versions(&world, bucket);
    }
    let all = findings(&world, "rights");
    assert!(all.len() >= 9 && all.iter().all(|(status, _)| status == "ok"), "{all:?}");

    // A store that does not say is neither praised nor blamed.
    world.s3.clear_faults();
    world.s3.inject(Rule::new(Fault::Error(400, "NotNow")).method("DELETE").key("obscura-doctor-").bucket("redacted"));
    assert_eq!(of_store(&world, "redacted"), None);
}

/// What a real store says to whoever may write: this one takes an upload that it does not know for somebody else's.
fn allow_writing(world: &World, bucket: &str) {
    let unknown = Rule::new(Fault::Error(404, "NoSuchUpload"));
    world.s3.inject(unknown.method("PUT").bucket(bucket).key("obscura-doctor-"));
}

#[test]
fn doctor_warns_of_a_store_that_lets_a_worker_write_anywhere() {
    let mut world = World::new(1);
    let before: Vec<_> = ["uploads", "redacted", "vault"].map(|bucket| world.s3.keys(bucket)).into();
    for bucket in ["uploads", "redacted"] {
        allow_writing(&world, bucket);
    }
    refuse_writing(&world, "vault");
    for (store, hint) in [("uploads", "reading alone"), ("redacted", "under the prefix")] {
        let (status, detail) = of_right(&world, store, "write").unwrap();
        assert!(status == "warning" && detail.contains("anywhere"), "{store}: {status}: {detail}");
        let said = run(obscura().args(["doctor", "--config"]).arg(world.write_config())).stdout;
        assert!(said.contains(hint), "{said}");
    }
    assert_eq!(of_right(&world, "vault", "written").unwrap().0, "ok");
    let after: Vec<_> = ["uploads", "redacted", "vault"].map(|bucket| world.s3.keys(bucket)).into();
    assert_eq!(after, before, "nothing was written");

    // A route that writes everywhere has to be able to.
    world.more = "[[routes]]\nname = \"flat\"\nstore = \"uploads\"\ntenant = \"acme\"\nproject = \"flat\"\n\
                  destination = \"redacted\"\n"
        .to_owned();
    assert_eq!(of_right(&world, "redacted", "everywhere").unwrap().0, "ok");
}

#[test]
fn doctor_warns_of_a_store_that_lets_a_worker_list_versions() {
    let world = World::new(1);
    refuse_versions(&world, "vault");
    // The store at hand has no versions; `tests/stores` asks one that has.
    world.s3.inject(Rule::new(Fault::Error(200, "None")).method("GET").bucket("uploads").query("versions="));
    assert_eq!(of_right(&world, "redacted", "versions"), None, "not told, neither praised nor blamed");
    let (status, detail) = of_right(&world, "uploads", "versions").unwrap();
    assert!(status == "warning" && detail.contains("may list the versions"), "{status}: {detail}");
    assert_eq!(of_right(&world, "vault", "versions").unwrap().0, "ok");
}

#[test]
fn doctor_warns_of_keys_that_everybody_can_read() {
    let mut world = World::new(1);
    let keys = KeyPair::make(world.dir.path(), "receipt");
    world.more = format!("[receipts]\nkey_file = \"{}\"\n", keys.private.display());
    for (mode, status) in [(0o600, "ok"), (0o640, "ok"), (0o644, "warning")] {
        fs::set_permissions(&keys.private, fs::Permissions::from_mode(mode)).unwrap();
        let found = findings(&world, "keys");
        assert!(found.len() == 1 && found[0].0 == status, "{mode:o}: {found:?}");
    }
}
