//! `obscura doctor` and the contact sheet.

use std::fs;

use crate::support::*;

fn doctor(args: &[&str]) -> (i32, Vec<serde_json::Value>) {
    let output = obscura().args(["doctor", "--json"]).args(args).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    (output.status.code().unwrap(), text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

fn status<'a>(findings: &'a [serde_json::Value], check: &str) -> &'a str {
    let finding = findings.iter().find(|finding| finding["check"] == check);
    finding.unwrap_or_else(|| panic!("no check {check}: {findings:?}"))["status"].as_str().unwrap()
}

#[test]
fn a_fit_machine_passes_every_check() {
    let bench = Bench::new();
    let (input, out) = (bench.input().to_string_lossy().into_owned(), bench.output().to_string_lossy().into_owned());
    let (code, findings) = doctor(&["--source", &input, "--out", &out]);
    assert_eq!(code, 0, "{findings:?}");
    for check in [
        "library",
        "models",
        "execution providers",
        "source",
        "output",
        "quarantine",
        "state",
        "file times",
        "cores",
        "memory",
        "open files",
        "watched folders",
        "clock",
    ] {
        assert_ne!(status(&findings, check), "failed");
    }
    for check in ["library", "models", "execution providers", "source", "output", "quarantine", "state", "clock"] {
        assert_eq!(status(&findings, check), "ok");
    }
    assert!(files_below(&bench.output()).is_empty(), "nothing is left behind");
}

#[test]
fn what_is_wrong_is_named_with_what_to_do() {
    let bench = Bench::new();
    let file = bench.put("file", b"x").to_string_lossy().into_owned();
    let nowhere = bench.dir.path().join("nowhere").to_string_lossy().into_owned();
    for (args, check) in [
        (["--models-dir", nowhere.as_str()], "models"),
        (["--onnxruntime-library", nowhere.as_str()], "library"),
        (["--execution-providers", "cuda"], "execution providers"),
        (["--source", nowhere.as_str()], "source"),
        (["--out", file.as_str()], "output"),
        (["--state-dir", file.as_str()], "state"),
    ] {
        let out = bench.output().to_string_lossy().into_owned();
        let also = if args[0] == "--out" { vec![] } else { vec!["--out", out.as_str()] };
        let (code, findings) = doctor(&[&args[..], &also].concat());
        assert_eq!((code, status(&findings, check)), (1, "failed"), "{args:?}: {findings:?}");
        let failed: Vec<_> = findings.iter().filter(|finding| finding["status"] == "failed").collect();
        assert!(failed.iter().all(|finding| !finding["hint"].as_str().unwrap_or("").is_empty()), "{failed:?}");
    }
}

#[test]
fn the_contact_sheet_shows_results_and_reasons_and_nothing_clear() {
    let bench = Bench::new();
    bench.copy("people/scene.jpg");
    bench.put("<img src=x onerror=alert(1)>.jpg", &fs::read(fixture("people/face_120px.png")).unwrap());
    bench.put("cut.png", &fs::read(fixture("people/face_120px.png")).unwrap()[..3000]);
    let sheet = bench.dir.path().join("sheet.html");
    let run = bench.redact(&["--contact-sheet", sheet.to_str().unwrap()]);
    assert_eq!(run.code, 1);
    let page = fs::read_to_string(&sheet).unwrap();
    for expected in ["scene.jpg", "cut.png", "corrupt_image", "face", "Content-Security-Policy"] {
        assert!(page.contains(expected), "{expected} is missing");
    }
    assert!(!page.contains("<img src=x"), "a name became markup");
    assert!(!page.contains("<script") && !page.contains("http://") && !page.contains("https://"), "not self-contained");
    // One picture for each result, each showing what was published.
    let pictures: Vec<_> = page.match_indices("data:image/jpeg;base64,").collect();
    assert_eq!(pictures.len(), 2);
    for path in [fixture("people/scene.jpg"), fixture("people/face_120px.png")] {
        use base64::Engine as _;
        let clear = base64::engine::general_purpose::STANDARD.encode(&fs::read(path).unwrap()[..300]);
        assert!(!page.contains(&clear[40..200]), "a clear picture is in the page");
    }
    // A folder that is not there is found out before the photos.
    let nowhere = bench.dir.path().join("nowhere/sheet.html");
    let run = bench.redact(&["--contact-sheet", nowhere.to_str().unwrap()]);
    assert_eq!((run.code, run.lines.len()), (2, 0));
    assert!(run.stderr.contains("is not there"), "{}", run.stderr);
}
