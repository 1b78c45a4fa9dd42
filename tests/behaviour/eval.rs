//! `obscura eval`: labels in, figures and a report out.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::support::*;

/// A set of one photo, labelled where the program itself finds something.
struct Set {
    dir: tempfile::TempDir,
    plates: usize,
}

impl Set {
    fn new() -> Self {
        let bench = Bench::new();
        bench.copy("people/scene.jpg");
        assert_eq!(bench.redact(&[]).code, 0);
        let receipt = bench.receipt("scene.jpg");
        let regions = receipt["regions"].as_array().unwrap();
        let annotations: Vec<Value> = regions
            .iter()
            .map(|region| {
                let category = if region["class"] == "face" { 1 } else { 2 };
                let bbox = [&region["x"], &region["y"], &region["width"], &region["height"]];
                json!({"image_id": 1, "category_id": category, "bbox": bbox})
            })
            .collect();
        let plates = annotations.iter().filter(|annotation| annotation["category_id"] == 2).count();
        assert!(plates > 0 && plates < annotations.len(), "{receipt}");
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("images")).unwrap();
        fs::copy(fixture("people/scene.jpg"), dir.path().join("images/scene.jpg")).unwrap();
        let labels = json!({
            "images": [{"id": 1, "file_name": "scene.jpg"}],
            "categories": [{"id": 1, "name": "face"}, {"id": 2, "name": "license_plate"}],
            "annotations": annotations,
        });
        fs::write(dir.path().join("annotations.json"), labels.to_string()).unwrap();
        Self { dir, plates }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    fn eval(&self, args: &[&str]) -> (i32, String, String) {
        let output = obscura().arg("eval").arg("--dataset").arg(self.dir.path()).args(args).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    fn json(&self, args: &[&str]) -> Value {
        let (code, stdout, stderr) = self.eval(&[args, &["--json"]].concat());
        assert_eq!(code, 0, "{stderr}");
        serde_json::from_str(&stdout).unwrap()
    }
}

fn band<'a>(score: &'a Value, name: &str) -> &'a Value {
    score["classes"][0]["bands"].as_array().unwrap().iter().find(|band| band["band"] == name).unwrap()
}

#[test]
fn what_is_found_is_counted_as_covered() {
    let set = Set::new();
    let score = set.json(&[]);
    assert_eq!(
        (&score["photos"], &score["failed"], &score["classes"][0]["class"]),
        (&json!(1), &json!([]), &json!("face"))
    );
    let all = band(&score, "all");
    assert_eq!(
        (&all["boxes"], &all["coverage"]["value"], &all["recall"]["value"]),
        (&json!(1), &json!(1.0), &json!(1.0))
    );
    assert!(all["coverage"]["interval"]["low"].as_f64().unwrap() < 0.9, "few boxes prove little: {all}");
    let ratio = score["area_ratio"]["value"].as_f64().unwrap();
    assert!((1.0..1.6).contains(&ratio), "{ratio}");
    assert!(score["classes"][0]["curve"]["average_precision"].as_f64().unwrap() > 0.4);
    let cpu = &score["cpu_s_per_photo"];
    for stage in ["open", "detect", "redact", "encode", "verify"] {
        assert!(cpu["by_stage"][stage]["value"].as_f64().unwrap() > 0.0, "{cpu}");
    }
}

#[test]
fn what_is_missed_lowers_the_figures_breaks_bounds_and_is_shown() {
    let set = Set::new();
    let labels = json!({
        "images": [{"id": 1, "file_name": "scene.jpg"}, {"id": 2, "file_name": "text.jpg"}],
        "categories": [{"id": 1, "name": "face"}],
        "annotations": [{"image_id": 1, "category_id": 1, "bbox": [2, 2, 20, 20]}],
    });
    fs::write(set.path("annotations.json"), labels.to_string()).unwrap();
    fs::write(set.path("images/text.jpg"), b"no photo").unwrap();
    let page = set.path("report.html");
    let bounds = ["--min-coverage", "0.5", "--max-false", "0.5", "--html", &page];
    let (code, stdout, stderr) = set.eval(&bounds);
    assert_eq!(code, 1);
    assert!(stderr.contains("expected a coverage of at least 0.5, found 0.000"), "{stderr}");
    assert!(stderr.contains("expected at most 0.5 false boxes a photo, found"), "{stderr}");
    assert!(stdout.contains("failed: text.jpg: unsupported_format"), "{stdout}");
    assert!(stdout.contains("face height px") && stdout.contains("CPU s a file"), "{stdout}");
    let html = fs::read_to_string(page).unwrap();
    for shown in
        ["Worst misses", "False boxes with the highest scores", "0 % covered", "<polyline", "unsupported_format"]
    {
        assert!(html.contains(shown), "{shown} is missing");
    }
    assert!(html.matches("data:image/jpeg;base64,").count() >= 2);
    for forbidden in ["<script", "<link", "http://", "https://", "url("] {
        assert!(!html.contains(forbidden), "the page contains {forbidden}");
    }
}

#[test]
fn canvases_and_worse_photos_are_measured() {
    let set = Set::new();
    let score = set.json(&["--canvas", "12mp"]);
    assert_eq!((&score["canvas"], &score["scenes"]), (&json!("12mp"), &json!(1)));
    assert_eq!(band(&score, "all")["coverage"]["value"], json!(1.0));
    assert!(score["redacted_share"]["value"].as_f64().unwrap() < 0.05);
    let score = set.json(&["--degrade", "jpeg,blur"]);
    assert_eq!(score["degrade"], json!(["jpeg", "blur"]));
    assert!(band(&score, "all")["boxes"].as_u64().unwrap() > 0);
}

#[test]
fn a_set_without_plates_shows_what_is_taken_for_one() {
    let set = Set::new();
    fs::remove_file(set.path("annotations.json")).unwrap();
    let (code, _, stderr) = set.eval(&[]);
    assert!(code == 2 && stderr.contains("found no labels"), "{stderr}");
    let none = ["--label-format", "none", "--class", "plate"];
    let score = set.json(&none);
    assert_eq!(score["classes"][0]["false_boxes_per_photo"]["value"], json!(set.plates as f64));
    assert_eq!((&score["area_ratio"], &band(&score, "all")["coverage"]), (&Value::Null, &Value::Null));
    let (code, _, stderr) = set.eval(&[&none[..], &["--max-false", "0"]].concat());
    assert!(code == 1 && stderr.contains("expected at most 0 false boxes"), "{stderr}");
}

#[test]
fn wrong_arguments_are_told_before_anything_runs() {
    let set = Set::new();
    for (args, expected) in [
        (vec!["--canvas", "13mp"], "possible values"),
        (vec!["--degrade", "fog"], "possible values"),
        (vec!["--html", "nowhere/report.html"], "the folder of the report"),
        (vec!["--labels", "nowhere.json"], "cannot read `nowhere.json`"),
        (vec!["--label-format", "yolo"], "hint: name them in the order of their numbers"),
    ] {
        let (code, _, stderr) = set.eval(&args);
        assert!(code == 2 && stderr.contains(expected), "{args:?}: {stderr}");
    }
    assert!(!Path::new("nowhere").exists());
}
