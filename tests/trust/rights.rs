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

/// What is found of a store; none if nothing could be found out.
fn of_store(world: &World, store: &str) -> Option<(String, String)> {
    findings(world, "rights").into_iter().find(|(_, detail)| detail.contains(&format!("`{store}`")))
}

fn refuse_removal(world: &World, bucket: &str) {
    world.s3.inject(Rule::new(Fault::Error(403, "AccessDenied")).method("DELETE").bucket(bucket));
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
    assert!(findings(&world, "rights").iter().all(|(status, _)| status == "ok"));

    // A store that does not say is neither praised nor blamed.
    world.s3.clear_faults();
    world.s3.inject(Rule::new(Fault::Error(400, "NotNow")).method("DELETE").key("obscura-doctor-").bucket("redacted"));
    assert_eq!(of_store(&world, "redacted"), None);
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
