//! Help, configuration, exit codes and the model commands.

use std::fs;

use crate::support::*;

fn run(args: &[&str]) -> (i32, String, String) {
    let output = obscura().args(args).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn help_is_as_documented() {
    for (name, args) in [
        ("help", vec!["--help"]),
        ("help_redact", vec!["redact", "--help"]),
        ("help_run", vec!["run", "--help"]),
        ("help_doctor", vec!["doctor", "-h"]),
        ("help_check", vec!["check", "-h"]),
        ("help_eval", vec!["eval", "--help"]),
        ("help_health", vec!["health", "-h"]),
        ("help_models", vec!["models", "--help"]),
        ("help_reprocess", vec!["reprocess", "-h"]),
    ] {
        let (code, stdout, _) = run(&args);
        assert_eq!(code, 0);
        insta::assert_snapshot!(name, stdout);
    }
}

#[test]
fn all_mistakes_of_a_config_are_reported_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("five.toml");
    let text = "[limits]\nmax_megapixel = 50\nmax_side_px = 3\n[detect]\nmin_face_px = \"small\"\n\
                execution_providers = [\"cpu\", \"gpu\"]\n[redcat]\nface_cells = 2\n";
    fs::write(&path, text).unwrap();
    let (code, stdout, stderr) = run(&["check", "--config", path.to_str().unwrap()]);
    assert_eq!((code, stdout.as_str()), (2, ""));
    assert_eq!(stderr.matches("error:").count(), 5, "{stderr}");
    assert_eq!(stderr.matches("hint:").count(), 5, "{stderr}");
    insta::assert_snapshot!("config_mistakes", stderr);
}

#[test]
fn a_config_that_cannot_be_read_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("broken.toml");
    fs::write(&path, "[limits\n").unwrap();
    let (code, _, stderr) = run(&["check", "--config", path.to_str().unwrap()]);
    assert!(code == 2 && stderr.contains("not a config in TOML") && stderr.contains("line 1"), "{stderr}");
    let (code, _, stderr) = run(&["check", "--config", "nowhere.toml"]);
    assert!(code == 2 && stderr.contains("cannot read the config"), "{stderr}");
}

#[test]
fn flags_go_before_variables_before_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.toml");
    fs::write(&path, "[detect]\nmin_face_px = 31\nmin_plate_px = 41\n[redact]\nface_cells = 3\n").unwrap();
    let output = obscura()
        .args(["check", "--config", path.to_str().unwrap(), "--min-face-px", "33"])
        .env("OBSCURA_MIN_FACE_PX", "32")
        .env("OBSCURA_MIN_PLATE_PX", "42")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    for line in ["min_face_px = 33", "min_plate_px = 42", "face_cells = 3", "plate_cells = 1"] {
        assert!(text.contains(line), "{line} is missing in\n{text}");
    }
    assert!(text.contains("expected peak memory"));
    // What check prints is a config itself.
    fs::write(&path, &text).unwrap();
    let (code, again, _) = run(&["check", "--config", path.to_str().unwrap()]);
    assert_eq!((code, again), (0, text));
}

#[test]
fn every_flag_is_also_a_variable_and_a_key() {
    for command in ["redact", "run", "check", "doctor"] {
        check_flags(command);
    }
}

fn check_flags(command: &str) {
    // What belongs to one call and not to a configuration.
    const NO_KEYS: [&str; 3] = ["--config", "--contact-sheet", "--once"];
    let (_, help, _) = run(&[command, "--help"]);
    let is_flag = |line: &&str| line.starts_with("      --") || line.starts_with("  -");
    let lines: Vec<&str> = help.lines().collect();
    let starts: Vec<usize> = (0..lines.len()).filter(|&index| is_flag(&lines[index])).collect();
    assert!(starts.len() > 20);
    for (index, &start) in starts.iter().enumerate() {
        let end = starts.get(index + 1).copied().unwrap_or(lines.len());
        let block = lines[start..end].iter().flat_map(|line| line.split_whitespace()).collect::<Vec<_>>().join(" ");
        if block.starts_with("-h, --help") {
            continue;
        }
        assert!(block.contains("[env: OBSCURA_"), "{block}");
        assert!(block.contains("[key") || NO_KEYS.iter().any(|flag| block.starts_with(flag)), "{block}");
    }
}

#[test]
fn usage_errors_exit_with_2() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let out = out.to_str().unwrap();
    let photo = fixture("jpeg/444.jpg");
    let photo = photo.to_str().unwrap();
    for (args, expected) in [
        (vec!["redact"], "Usage:"),
        (vec!["redact", photo], "expected a folder for the redacted photos"),
        (vec!["redact", "nowhere.jpg", "--out", out], "cannot open the input"),
        (vec!["redact", photo, "--out", out, "--style", "pixelate"], "possible values"),
        (vec!["redact", photo, "--out", out, "--min-face-px", "1"], "expected 4 to 10000"),
        (vec!["redact", photo, "--out", out, "--models-dir", out], "cannot read the model manifest"),
        (vec!["redact", photo, "--out", out, "--onnxruntime-library", photo], "cannot load ONNX Runtime"),
        (vec!["redact", photo, "--out", out, "--quarantine-dir", &format!("{out}/q")], "lies inside the output"),
    ] {
        let (code, _, stderr) = run(&args);
        assert_eq!(code, 2, "{args:?}: {stderr}");
        assert!(stderr.contains(expected), "{args:?}: {stderr}");
        assert!(files_below(dir.path()).is_empty());
    }
}

#[test]
fn a_missing_execution_provider_is_fatal() {
    let bench = Bench::new();
    bench.copy("people/scene.jpg");
    for provider in ["cuda", "tensorrt", "openvino", "cuda,cpu"] {
        let run = bench.redact(&["--execution-providers", provider]);
        assert_eq!(run.code, 2, "{provider}: {}", run.stderr);
        assert!(run.stderr.contains("hint:"), "{}", run.stderr);
        assert!(bench.published().is_empty());
    }
}

#[test]
fn models_are_listed_and_verified() {
    let (code, stdout, _) = run(&["models", "list"]);
    assert!(code == 0 && stdout.contains("centerface") && stdout.contains("plate_yunet_v2"), "{stdout}");
    let (code, stdout, _) = run(&["models", "verify"]);
    assert_eq!((code, stdout.matches("ok  ").count()), (0, 5), "{stdout}");
}

#[test]
fn a_changed_model_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let models = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    for name in ["manifest.toml", "centerface.onnx", "centerface_int8.onnx", "plate_yunet_v2.onnx"] {
        fs::copy(models.join(name), dir.path().join(name)).unwrap();
    }
    let plate = dir.path().join("plate_yunet_v2.onnx");
    let mut bytes = fs::read(&plate).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::remove_file(&plate).unwrap();
    fs::write(&plate, bytes).unwrap();
    let folder = dir.path().to_str().unwrap();
    let (code, _, stderr) = run(&["models", "verify", "--models-dir", folder]);
    assert!(code == 2 && stderr.contains("expected sha256"), "{stderr}");
    let bench = Bench::new();
    bench.copy("people/scene.jpg");
    assert_eq!(bench.redact(&["--models-dir", folder]).code, 2);
    fs::remove_file(plate).unwrap();
    assert_eq!(bench.redact(&["--models-dir", folder]).code, 2);
    assert!(bench.published().is_empty());
}

#[test]
fn people_get_lines_and_a_table() {
    let bench = Bench::new();
    bench.copy("people/scene.jpg");
    bench.put("text.txt", b"hello");
    let output = obscura().arg("redact").arg(bench.input()).arg("--out").arg(bench.output()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(stderr.contains("redacted scene.jpg: 1 face"), "{stderr}");
    assert!(stderr.contains("quarantined text.txt: unsupported_format"), "{stderr}");
    assert!(stdout.contains("hint: this is not a photo") && stdout.contains("photos/s"), "{stdout}");
}
