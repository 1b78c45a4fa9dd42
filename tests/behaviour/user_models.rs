//! Models of the user's own, named models of the manifest, and areas in which something counts.

use std::{fs, path::Path};

use obscura::redact::sha256_hex;
use serde_json::Value;

use crate::support::*;

fn model(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(name).to_str().unwrap().to_owned()
}

/// A table that names one of the shipped files as the user's own.
fn user_model(file: &str, more: &str) -> String {
    let (path, hash) = (model(file), sha256_hex(&fs::read(model(file)).unwrap()));
    format!("[[user_models]]\nname = \"mine\"\nfile = {path:?}\nsha256 = \"{hash}\"\n{more}\n")
}

/// Redact the scene with this config; the exit code, what was said, and the receipt if there is one.
fn redact(config: &str) -> (i32, String, Option<Value>) {
    let bench = Bench::new();
    bench.copy("people/scene.jpg");
    let path = bench.dir.path().join("obscura.toml");
    fs::write(&path, config).unwrap();
    let output = bench.command().arg("--config").arg(path).output().unwrap();
    let receipt = bench.output().join("scene.jpg.receipt.json").exists().then(|| bench.receipt("scene.jpg"));
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap(), receipt)
}

fn count(receipt: &Value, class: &str) -> usize {
    receipt["regions"].as_array().unwrap().iter().filter(|region| region["class"] == class).count()
}

fn names(receipt: &Value) -> Vec<&str> {
    receipt["models"].as_array().unwrap().iter().map(|model| model["name"].as_str().unwrap()).collect()
}

#[test]
fn a_user_s_model_stands_in_for_the_shipped_one_or_beside_it() {
    let (_, _, shipped) = redact("");
    let shipped = shipped.unwrap();
    let family = "family = \"yunet\"\nclasses = [\"plate\"]\npad_value = 114\nmin_object_px = 32\ntile_px = 896";
    let (code, stderr, receipt) = redact(&user_model("plate_yunet_v2.onnx", &format!("{family}\nreplaces = true")));
    assert_eq!(code, 0, "{stderr}");
    let receipt = receipt.unwrap();
    assert_eq!(names(&receipt), ["centerface", "mine"]);
    assert_eq!(
        (count(&receipt, "plate"), count(&receipt, "face")),
        (count(&shipped, "plate"), count(&shipped, "face"))
    );
    assert_ne!(receipt["pipeline"], shipped["pipeline"]);
    // Other views are another pipeline: they may find something else.
    let smaller = family.replace("896", "640");
    let (_, _, other) = redact(&user_model("plate_yunet_v2.onnx", &format!("{smaller}\nreplaces = true")));
    assert_ne!(other.unwrap()["pipeline"], receipt["pipeline"]);
    let (_, _, both) = redact(&user_model("plate_yunet_v2.onnx", family));
    let both = both.unwrap();
    assert_eq!(names(&both), ["centerface", "plate_yunet_v2", "mine"]);
    assert_eq!(count(&both, "plate"), count(&shipped, "plate"), "what both find is one");
}

#[test]
fn a_model_that_is_another_or_sees_nothing_stops_everything() {
    let other = user_model("plate_yunet_v2.onnx", "family = \"yunet\"\nclasses = [\"plate\"]");
    let (_, hash) = other.split_once("sha256 = \"").unwrap();
    let wrong_hash = other.replace(&hash[..8], "00000000");
    // A face detector finds no drawn plate, and what is no tensor of its family is no answer.
    let no_plates = user_model("centerface.onnx", "family = \"centerface\"\nclasses = [\"plate\"]");
    let no_yolo = user_model("centerface.onnx", "family = \"yolov8\"\nclasses = [\"plate\"]");
    for (config, expected) in [
        (wrong_hash.as_str(), "expected sha256 00000000"),
        (&no_plates, "model `mine`: expected the known plate"),
        (&no_yolo, "expected a side of 5"),
        ("[models]\nface = \"nobody\"\n", "`models.face`: expected a model for class `face`, found `nobody`"),
    ] {
        let (code, stderr, receipt) = redact(config);
        assert!(code == 2 && stderr.contains(expected) && receipt.is_none(), "{stderr}");
    }
}

#[test]
fn an_optional_model_of_the_manifest_is_used_where_it_is_named() {
    let (code, stderr, receipt) = redact("[models]\nface = \"centerface_int8\"\n");
    assert_eq!(code, 0, "{stderr}");
    let receipt = receipt.unwrap();
    assert_eq!(names(&receipt), ["centerface_int8", "plate_yunet_v2"]);
    assert!(count(&receipt, "face") >= 1);
}

#[test]
fn models_in_16_bits_find_what_the_others_find() {
    let (_, _, shipped) = redact("");
    let shipped = shipped.unwrap();
    let bench = Bench::new();
    bench.copy("people/scene.jpg");
    let flags = ["--face-model", "centerface_fp16", "--plate-model", "plate_yunet_v2_fp16"];
    let run = bench.redact(&flags);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let receipt = bench.receipt("scene.jpg");
    assert_eq!(names(&receipt), ["centerface_fp16", "plate_yunet_v2_fp16"]);
    for class in ["face", "plate"] {
        assert!(count(&shipped, class) >= 1 && count(&receipt, class) == count(&shipped, class), "{class}");
    }
}

#[test]
fn areas_decide_what_is_obscured() {
    let everything = "[[0, 0], [1, 0], [1, 1], [0, 1]]";
    let corner = "[[0, 0], [0.001, 0], [0, 0.001]]";
    for (config, is_left_alone) in [
        (format!("ignore_areas = [{everything}]"), true),
        (format!("ignore_areas = [{corner}]"), false),
        (format!("allow_areas = [{corner}]"), true),
        (format!("allow_areas = [{corner}, {everything}]"), false),
    ] {
        let (code, stderr, receipt) = redact(&format!("[detect]\n{config}\n"));
        assert_eq!(code, 0, "{stderr}");
        let receipt = receipt.unwrap();
        assert_eq!(receipt["redacted"].as_array().unwrap().is_empty(), is_left_alone, "{config}");
    }
}
