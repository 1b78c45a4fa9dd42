//! Wiping tenants, projects and uploaders out of stores with versions; ages and legal holds.

use std::{fs, path::Path, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use crate::{
    KeyPair, Said, run,
    support::{
        obscura,
        servers::{moto::Moto, s3::path, wait},
    },
    world::{Faces, World},
};

const HASH_A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const HASH_B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

/// Stores with versions, as workers would have left them; no broker is asked.
struct Archive {
    moto: Moto,
    dir: tempfile::TempDir,
    keys: KeyPair,
}

impl Archive {
    fn new() -> Self {
        let (moto, dir) = (Moto::start(), tempfile::tempdir().unwrap());
        let keys = KeyPair::make(dir.path(), "audit");
        for bucket in ["redacted", "vault"] {
            moto.create_bucket(bucket, "eu-central-1");
            moto.enable_versions(bucket);
        }
        fs::create_dir(dir.path().join("pseudonyms")).unwrap();
        fs::write(dir.path().join("pseudonyms/acme.key"), BASE64_STANDARD.encode([1; 32])).unwrap();
        Self { moto, dir, keys }
    }

    fn config(&self) -> std::path::PathBuf {
        let any = self.dir.path().join("any").display().to_string();
        fs::write(&any, "any\n").unwrap();
        let store = |name: &str| {
            format!(
                "[[stores]]\nname = \"{name}\"\nurl = \"s3://{name}\"\nregion = \"eu\"\nendpoint = \"{}\"\n\
                 cloud_region = \"eu-central-1\"\ncredentials = \"keys\"\naccess_key_id_file = \"{any}\"\n\
                 secret_access_key_file = \"{any}\"\n",
                self.moto.endpoint()
            )
        };
        let text = format!(
            "[region]\nname = \"eu\"\nstore = \"redacted\"\n[kafka]\nbrokers = \"127.0.0.1:1\"\n\
             [audit]\nkey_file = \"{}\"\n[pseudonyms]\nkey_dir = \"{}\"\n{}{}\
             [[routes]]\nname = \"all\"\nstore = \"redacted\"\nmatch_prefix = \"uploads/\"\ndestination = \"redacted\"\nprefix = \"out\"\n\
             originals = \"move\"\nvault = \"vault\"\nkeep_outputs_d = 30\nkeep_dead_letters_d = 7\n",
            self.keys.private.display(),
            self.dir.path().join("pseudonyms").display(),
            store("redacted"),
            store("vault"),
        );
        let path = self.dir.path().join("archive.toml");
        fs::write(&path, text).unwrap();
        path
    }

    fn put(&self, bucket: &str, key: &str, text: &str) {
        let store = self.moto.store(bucket, "eu-central-1");
        wait(object_store::ObjectStoreExt::put(&store, &path(key), text.to_owned().into())).unwrap();
    }

    fn put_by(&self, bucket: &str, key: &str, uploader: &str) {
        use object_store::{Attribute, ObjectStore};
        let mut attributes = object_store::Attributes::new();
        for (name, value) in
            [("source", "s"), ("pipeline", "p"), ("output", "o"), ("identity", "i"), ("uploader", uploader)]
        {
            attributes.insert(Attribute::Metadata(format!("obscura{name}").into()), value.to_owned().into());
        }
        let store = self.moto.store(bucket, "eu-central-1");
        wait(store.put_opts(&path(key), "photo".into(), attributes.into())).unwrap();
    }

    fn delete(&self, bucket: &str, key: &str) {
        wait(object_store::ObjectStoreExt::delete(&self.moto.store(bucket, "eu-central-1"), &path(key))).unwrap();
    }

    /// Keys of everything in a bucket, old versions and delete markers included.
    fn left(&self, bucket: &str) -> Vec<String> {
        let mut keys: Vec<_> = self.moto.versions(bucket).into_iter().map(|version| version.key).collect();
        keys.retain(|key| !key.starts_with("_obscura/"));
        keys.sort_unstable();
        keys
    }

    fn command(&self, name: &str, args: &[&str], variables: &[(&str, &str)]) -> Said {
        let mut command = obscura();
        command.arg(name).arg("--config").arg(self.config()).args(args).envs(variables.iter().copied());
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Said { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    fn wipe(&self, args: &[&str]) -> Said {
        self.command("wipe", &[&["--settle-s", "0"], args].concat(), &[])
    }

    /// Two projects of `acme` and one of another tenant, an upload that looks alike, and history.
    fn fill(&self) {
        for project in ["acme/street", "acme/park", "acme2/street"] {
            for hash in [HASH_A, HASH_B] {
                self.put("redacted", &format!("out/{project}/{hash}.jpg"), "old photo");
                self.put("redacted", &format!("out/{project}/{hash}.jpg"), "photo");
                self.put("redacted", &format!("out/{project}/{hash}.jpg.0123456789abcdef.receipt.json"), "{}");
                self.put("vault", &format!("{project}/originals/{hash}.jpg"), "original");
            }
            self.put("redacted", &format!("out/{project}/dead-letters/{}.json", &HASH_A[..32]), "{}");
            // Removed long ago, but not from a store with versions.
            let gone = format!("out/{project}/{}.jpg", "c".repeat(64));
            self.put("redacted", &gone, "photo");
            self.delete("redacted", &gone);
        }
        self.put("redacted", "out/acme/street/not-ours.jpg", "an upload");
    }

    fn certificate(&self, name: &str) -> Value {
        serde_json::from_slice(&fs::read(self.dir.path().join(name)).unwrap()).unwrap()
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }
}

#[test]
fn a_project_is_wiped_with_its_history_and_nothing_else_is() {
    let archive = Archive::new();
    archive.fill();
    let scope = ["--tenant", "acme", "--project", "street"];
    let before = (archive.left("redacted"), archive.left("vault"));
    let dry = archive.wipe(&[&scope[..], &["--dry-run", "--json"]].concat());
    assert_eq!(dry.code, 0, "{dry:?}");
    let dry: Value = serde_json::from_str(&dry.stdout).unwrap();
    // Two photos of two versions each, one that was removed, and its marker.
    let expected = json!({
        "photos": 5, "receipts": 2, "originals": 2, "dead_letters": 1, "envelopes": 0, "other": 0,
        "old_versions": 3, "delete_markers": 1, "bytes": 2 * (9 + 5 + 2 + 8) + 2 + 5,
    });
    assert_eq!(dry["removed"], expected);
    assert_eq!((archive.left("redacted"), archive.left("vault")), before, "a dry run removes nothing");

    let certificate = archive.path("street.json");
    let said = archive.wipe(&[&scope[..], &["--certificate", &certificate]].concat());
    assert_eq!(said.code, 0, "{said:?}");
    let gone = |key: &String| key.contains("acme/street/") && !key.contains("not-ours");
    for (bucket, before) in [("redacted", before.0), ("vault", before.1)] {
        let kept: Vec<String> = before.into_iter().filter(|key| !gone(key)).collect();
        assert_eq!(archive.left(bucket), kept);
    }
    let told = archive.certificate("street.json");
    assert_eq!(told["removed"], expected);
    assert_eq!(told["scope"], json!({"tenant": "acme", "project": "street"}));
    assert!(told["not_covered"].as_array().unwrap().len() >= 5, "{told}");
    let keys = obscura::trust::PublicKeys::read(&[&archive.keys.public]).unwrap();
    obscura::trust::verify(&told, "obscura.wipe", &keys).unwrap();
    // Certificates are never replaced, and what was done stands in the audit log.
    assert_eq!(archive.wipe(&[&scope[..], &["--certificate", &certificate]].concat()).code, 2);
    let mut verify = obscura();
    verify.args(["audit", "verify", "--config"]).arg(archive.config()).arg("--key").arg(&archive.keys.public);
    let log = run(&mut verify);
    assert_eq!(log.code, 0, "{log:?}");
}

#[test]
fn a_wipe_that_is_killed_goes_on_and_certifies_all_of_it() {
    let archive = Archive::new();
    archive.fill();
    let certificate = archive.path("acme.json");
    let args = ["--settle-s", "0", "--tenant", "acme", "--certificate", &certificate];
    // Of 16 removals at once; there are more.
    let killed = archive.command("wipe", &args, &[("OBSCURA_KILL_AT", "wipe:removed")]);
    assert_eq!(killed.code, -1, "{killed:?}");
    assert!(!Path::new(&certificate).exists());
    // Another wipe does not take over what was begun.
    let other = archive.wipe(&["--tenant", "acme2", "--certificate", &certificate]);
    assert!(other.code == 2 && other.stderr.contains("that of another"), "{other:?}");
    let said = archive.command("wipe", &args, &[]);
    assert_eq!(said.code, 0, "{said:?}");
    let told = archive.certificate("acme.json");
    assert_eq!((&told["removed"]["photos"], &told["removed"]["originals"]), (&json!(10), &json!(4)), "{told}");
    assert!(archive.left("redacted").iter().all(|key| !key.contains("out/acme/") || key.contains("not-ours")));
    assert!(!Path::new(&format!("{certificate}.partial")).exists());
}

#[test]
fn an_uploader_is_wiped_with_originals_and_letters() {
    let archive = Archive::new();
    let pseudonyms = obscura::trust::Pseudonyms::new(Some(archive.dir.path().join("pseudonyms")));
    let of = |id: &str| pseudonyms.of("acme", obscura::trust::Role::Uploader, id).unwrap().unwrap();
    let (ada, bob) = (of("ada"), of("bob"));
    for (hash, uploader) in [(HASH_A, &ada), (HASH_B, &bob)] {
        archive.put_by("redacted", &format!("out/acme/street/{hash}.jpg"), uploader);
        archive.put("redacted", &format!("out/acme/street/{hash}.jpg.key.json"), "{}");
        let receipt = json!({"subject": {"uploader": uploader}}).to_string();
        archive.put("redacted", &format!("out/acme/street/{hash}.jpg.0123456789abcdef.receipt.json"), &receipt);
        archive.put("vault", &format!("acme/street/originals/{hash}.jpg"), "original");
        let payload = BASE64_STANDARD.encode(json!({"data": {"uploader": uploader}}).to_string());
        let letter = json!({"payload": payload}).to_string();
        archive.put("redacted", &format!("out/acme/street/dead-letters/{}.json", &hash[..32]), &letter);
    }
    let certificate = archive.path("ada.json");
    let said = archive.wipe(&["--tenant", "acme", "--uploader", "ada", "--certificate", &certificate]);
    assert_eq!(said.code, 0, "{said:?}");
    let left = [archive.left("redacted"), archive.left("vault")].concat();
    assert_eq!(left.len(), 5, "{left:?}");
    assert!(left.iter().all(|key| key.contains(&HASH_B[..32])), "{left:?}");
    let told = archive.certificate("ada.json");
    assert_eq!(told["scope"]["uploader"], ada.as_str());
    assert!(!told.to_string().contains("\"ada\""));
    // Whose key is gone nobody can find.
    fs::remove_file(archive.dir.path().join("pseudonyms/acme.key")).unwrap();
    let unlinked = archive.wipe(&["--tenant", "acme", "--uploader", "bob", "--certificate", &archive.path("bob.json")]);
    assert!(unlinked.code == 2 && unlinked.stderr.contains("key of pseudonyms"), "{unlinked:?}");
}

#[test]
fn a_legal_hold_wins_over_ages_and_wipes() {
    let archive = Archive::new();
    archive.fill();
    let retain = |args: &[&str]| archive.command("retain", args, &[]);
    // Nothing is old yet.
    let young = retain(&[]);
    assert!(young.code == 0 && young.stdout.starts_with("removed: 0 photos"), "{young:?}");
    assert_eq!(retain(&["--hold", "acme/street"]).code, 0);
    let held = archive.wipe(&["--tenant", "acme", "--project", "street"]);
    assert!(held.code == 2 && held.stderr.contains("legal hold"), "{held:?}");
    let held = archive.wipe(&["--tenant", "acme"]);
    assert!(held.code == 2 && held.stderr.contains("legal hold"), "a part of the tenant is held: {held:?}");
    assert_eq!(retain(&["--release", "acme/street"]).code, 0);
    let certificate = archive.path("street.json");
    assert_eq!(archive.wipe(&["--tenant", "acme", "--project", "street", "--certificate", &certificate]).code, 0);
}

#[test]
fn photos_of_a_wiped_project_are_refused_until_the_tombstone_is_lifted() {
    let (mut world, faces) = (World::new(1), Faces::new());
    let keys = KeyPair::make(world.dir.path(), "audit");
    world.more = "[wipe]\nrecheck_s = 1\n".to_owned();
    let worker = world.start(0);
    world.upload("a.png", &faces.photo(1));
    world.wait_for_outcomes(1);
    let wipe = |args: &[&str]| {
        let mut command = obscura();
        command.arg("wipe").arg("--config").arg(world.write_config()).args(["--tenant", "acme", "--project", "street"]);
        run(command.arg("--signing-key").arg(&keys.private).args(args))
    };
    let certificate = world.dir.path().join("certificate.json");
    let said = wipe(&["--certificate", certificate.to_str().unwrap(), "--settle-s", "3"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(world.published().is_empty());
    world.upload("b.png", &faces.photo(2));
    let letters = world.wait_for_dead_letters(1);
    assert_eq!(letters[0]["code"], "project_wiped");
    assert!(letters[0]["pointer"].is_null(), "nothing of the project is kept: {}", letters[0]);
    assert!(world.published().is_empty());
    let lifted = wipe(&["--lift"]);
    assert_eq!(lifted.code, 0, "{lifted:?}");
    std::thread::sleep(Duration::from_secs(2));
    world.upload("c.png", &faces.photo(3));
    world.wait_for_outcomes(2);
    worker.stop();
}
