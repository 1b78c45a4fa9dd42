//! `obscura reprocess`: what another pipeline handled is redacted again.

use std::fs;

use serde_json::Value;

use crate::support::*;

fn reprocess(bench: &Bench, args: &[&str]) -> (i32, Vec<Value>, String) {
    let output = obscura()
        .arg("reprocess")
        .arg(bench.input())
        .arg("--out")
        .arg(bench.output())
        .args(["--json", "--face-enlarge", "1.0"])
        .args(args)
        .output()
        .unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    let lines = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (output.status.code().unwrap(), lines, String::from_utf8(output.stderr).unwrap())
}

#[test]
fn only_what_another_pipeline_handled_is_redacted_again() {
    let bench = Bench::new();
    for name in ["scene.jpg", "deep/older.jpg"] {
        bench.put(name, &fs::read(fixture("people/scene.jpg")).unwrap());
    }
    assert_eq!(bench.redact(&[]).code, 0);
    let (old, scene) = (bench.receipt("deep/older.jpg"), bench.input().join("scene.jpg"));
    let current = Run::new(bench.command().args(["--face-enlarge", "1.0"]).output().unwrap());
    assert_eq!(current.code, 0);
    // One result is of this pipeline, the other of the one before.
    fs::write(bench.output().join("deep/older.jpg.receipt.json"), old.to_string()).unwrap();
    let pipeline = bench.receipt("scene.jpg")["pipeline"].as_str().unwrap().to_owned();
    bench.put("new.jpg", &fs::read(&scene).unwrap());

    let (code, lines, _) = reprocess(&bench, &["--older-than-pipeline", "current", "--dry-run"]);
    assert_eq!((code, lines.len()), (0, 1), "{lines:?}");
    assert_eq!((&lines[0]["path"], &lines[0]["pipeline"]), (&"deep/older.jpg".into(), &old["pipeline"]));
    assert_eq!(bench.receipt("deep/older.jpg"), old);

    let (code, lines, _) = reprocess(&bench, &["--older-than-pipeline", &pipeline]);
    assert_eq!((code, &lines.last().unwrap()["summary"]["redacted"]), (0, &1.into()), "{lines:?}");
    assert_eq!(bench.receipt("deep/older.jpg")["pipeline"], pipeline.as_str());
    assert!(!bench.output().join("new.jpg").exists(), "what has no receipt was never handled");
    let (code, lines, _) = reprocess(&bench, &["--older-than-pipeline", &pipeline]);
    assert_eq!((code, lines.len()), (0, 0), "{lines:?}");
}

#[test]
fn another_pipeline_s_name_and_missing_originals_are_told() {
    let bench = Bench::new();
    let path = bench.copy("people/scene.jpg");
    assert_eq!(bench.redact(&[]).code, 0);
    let before = bench.receipt("scene.jpg");
    let (code, _, stderr) = reprocess(&bench, &["--older-than-pipeline", "0123456789abcdef"]);
    assert!(code == 2 && stderr.contains("expected the pipeline of this configuration"), "{stderr}");
    fs::remove_file(path).unwrap();
    let (code, lines, stderr) = reprocess(&bench, &["--older-than-pipeline", "current"]);
    assert_eq!((code, &lines[0]["has_original"]), (1, &false.into()));
    assert!(stderr.contains("1 results have no original"), "{stderr}");
    assert_eq!(bench.receipt("scene.jpg"), before);
}

#[test]
fn without_originals_and_without_stores_there_is_nothing_to_go_through() {
    for (args, expected) in [
        (&[][..], "expected paths of originals, or a configuration with a broker and stores"),
        (&["uploads", "--topic", "uploads"], "cannot be used with"),
    ] {
        let output = obscura().args(["reprocess", "--older-than-pipeline", "current"]).args(args).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && stderr.contains(expected), "{stderr}");
    }
}
