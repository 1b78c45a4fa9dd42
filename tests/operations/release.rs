//! What `make release` publishes, made by its script of the program under test.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::support::*;

/// The files of a release, the archive unpacked.
struct Release {
    dir: tempfile::TempDir,
    tree: PathBuf,
}

impl Release {
    fn make() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/release.sh");
        let made = dir.path().join("dist");
        let output = Command::new(script).arg(env!("CARGO_BIN_EXE_obscura")).arg(&made).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let archive = fs::read_dir(&made).unwrap().map(|entry| entry.unwrap().path());
        let archive = archive.filter(|path| path.to_string_lossy().ends_with(".tar.gz")).collect::<Vec<_>>();
        let [archive] = &archive[..] else { panic!("expected one archive, found {archive:?}") };
        let tree = dir.path().join(name_of(archive).strip_suffix(".tar.gz").unwrap());
        let untar = Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(dir.path()).status().unwrap();
        assert!(untar.success());
        Self { dir, tree }
    }

    /// The one file with that ending.
    fn file(&self, ending: &str) -> String {
        let made = self.dir.path().join("dist");
        let mut found = files_below(&made).into_iter().filter(|path| path.to_string_lossy().ends_with(ending));
        let (file, more) = (found.next().unwrap_or_else(|| panic!("no file {ending}")), found.next());
        assert_eq!(more, None);
        fs::read_to_string(file).unwrap()
    }
}

#[test]
fn a_release_runs_from_its_archive_and_says_what_it_is_made_of() {
    let release = Release::make();
    let made = release.dir.path().join("dist");

    let sums: BTreeMap<String, String> = release
        .file("SHA256SUMS")
        .lines()
        .map(|line| line.split_once("  ").map(|(sum, name)| (name.to_owned(), sum.to_owned())).unwrap())
        .collect();
    for file in files_below(&made).iter().filter(|file| name_of(file) != "SHA256SUMS") {
        let found = obscura::redact::sha256_hex(&fs::read(file).unwrap());
        assert_eq!(sums.get(&name_of(file)), Some(&found), "{}", file.display());
    }

    // The program stands by itself: no source tree, nothing of the environment, and it has no symbols.
    let mut program = Command::new(release.tree.join("bin/obscura"));
    program.env_clear().env("LD_LIBRARY_PATH", release.tree.join("lib")).current_dir("/");
    let verified = program.args(["models", "verify"]).output().unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    let sections = Command::new("readelf").arg("-SW").arg(release.tree.join("bin/obscura")).output().unwrap();
    assert!(!String::from_utf8(sections.stdout).unwrap().contains(".symtab"));

    for page in ["obscura.1", "obscura-run.1", "obscura-redact.1"] {
        let page = fs::read_to_string(release.tree.join("share/man/man1").join(page)).unwrap();
        assert!(page.contains(".SH SYNOPSIS"), "{page}");
    }
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let completions = release.tree.join("share/completions").join(format!("obscura.{shell}"));
        assert!(fs::read_to_string(&completions).unwrap().contains("redact"), "{shell}");
    }

    let bom: Value = serde_json::from_str(&release.file(".cdx.json")).unwrap();
    assert_eq!((&bom["bomFormat"], &bom["specVersion"]), (&"CycloneDX".into(), &"1.5".into()));
    let components = bom["components"].as_array().unwrap();
    let named = |name: &str| components.iter().find(|part| part["name"] == name);
    for name in ["tokio", "rdkafka", "ort", "object_store", "onnxruntime", "centerface"] {
        assert!(named(name).is_some_and(|part| !part["licenses"].is_null()), "{name}");
    }
    // Hashes of what is shipped are those of the files in the archive.
    let library = fs::read(release.tree.join("lib/libonnxruntime.so")).unwrap();
    let hashes = &named("onnxruntime").unwrap()["hashes"];
    assert_eq!(hashes[0]["content"], obscura::redact::sha256_hex(&library).as_str());
    let root = env!("CARGO_MANIFEST_DIR");
    assert!(!bom.to_string().contains(root), "a path of the machine that made it");
    let licences = release.file("-licences.txt");
    assert!(licences.contains("tokio") && licences.contains("Permission is hereby granted"));
    assert!(!licences.contains(root));
}
