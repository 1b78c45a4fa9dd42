//! From photos of one's own to a plan, and what a release brings beside the program.

use std::{fs, process::Command};

use serde_json::Value;

use crate::support::*;

fn run(args: &[&str]) -> (i32, String, String) {
    let output = obscura().args(args).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_bench_of_photos_becomes_a_plan() {
    let bench = Bench::new();
    let dir = bench.dir.path();
    bench.copy("people/scene.jpg");
    bench.put("text.jpg", b"text");
    let (code, measured, stderr) = run(&["bench", "--json", "--threads", "1", bench.input().to_str().unwrap()]);
    assert_eq!(code, 0, "{stderr}");
    let profile: Value = serde_json::from_str(&measured).unwrap();
    assert_eq!((&profile["photos"], &profile["cores"]), (&1.into(), &1.into()));
    assert!((profile["megapixels"].as_f64().unwrap() - 0.3072).abs() < 1e-9);
    let cpu_s = profile["cpu_seconds_per_photo"].as_f64().unwrap();
    assert!(cpu_s > 0.0 && cpu_s.is_finite());
    assert_eq!(files_below(&bench.input()).len(), 2, "nothing is written beside the photos");

    let file = dir.join("profile.json");
    fs::write(&file, &measured).unwrap();
    let (file, svg) = (file.to_str().unwrap(), dir.join("plan.svg"));
    let usual = ["plan", "--profile", file, "--photos-per-day", "1e6"];
    let regions = ["--region", "eu=0.5", "--region", "us=0.3", "--region", "asia=0.2"];
    let more = ["--svg", svg.to_str().unwrap(), "--json"];
    let (code, planned, stderr) = run(&[&usual[..], &regions, &more].concat());
    assert_eq!(code, 0, "{stderr}");
    let plan: Value = serde_json::from_str(&planned).unwrap();
    let planned: Vec<f64> = (0..3).map(|index| plan["regions"][index]["photos_per_day"].as_f64().unwrap()).collect();
    assert_eq!(planned, [5e5, 3e5, 2e5]);
    for name in ["eu", "us", "asia"] {
        assert!(fs::read_to_string(dir.join(format!("plan.{name}.svg"))).unwrap().starts_with("<svg "));
    }
    let (code, table, _) = run(&usual);
    assert!(code == 0 && table.contains("workers at the peak") && table.contains("partitions"), "{table}");
}

#[test]
fn what_cannot_be_planned_is_said() {
    let bench = Bench::new();
    bench.put("text.jpg", b"text");
    let (code, _, stderr) = run(&["bench", bench.input().to_str().unwrap()]);
    assert!(code == 2 && stderr.contains("expected photos that can be redacted"), "{stderr}");
    let file = bench.put("profile.json", b"{}");
    let file = file.to_str().unwrap();
    let (code, _, stderr) = run(&["plan", "--profile", file, "--photos-per-day", "1000"]);
    assert!(code == 2 && stderr.contains("cannot use the profile") && stderr.contains("hint:"), "{stderr}");
    for wrong in [
        ["--photos-per-day=0", "--cores=1"],
        ["--photos-per-day=many", "--cores=1"],
        ["--photos-per-day=9", "--peak-factor=0.5"],
        ["--photos-per-day=9", "--region=eu"],
    ] {
        let (code, _, stderr) = run(&[&["plan", "--profile", file][..], &wrong].concat());
        assert!(code == 2 && stderr.contains("expected"), "{wrong:?}: {stderr}");
    }
}

#[test]
fn completions_and_man_pages_are_those_of_the_command_line() {
    let dir = tempfile::tempdir().unwrap();
    let (code, completions, _) = run(&["completions", "bash"]);
    assert!(code == 0 && completions.contains("--dead-letters"));
    let script = dir.path().join("obscura.bash");
    fs::write(&script, completions).unwrap();
    assert!(Command::new("bash").arg("-n").arg(&script).status().unwrap().success());
    for shell in ["zsh", "fish", "elvish", "powershell"] {
        let (code, text, _) = run(&["completions", shell]);
        assert!(code == 0 && text.contains("redact"), "{shell}");
    }
    let pages = dir.path().join("man");
    assert_eq!(run(&["man", pages.to_str().unwrap()]).0, 0);
    for name in ["obscura", "obscura-redact", "obscura-run", "obscura-replay", "obscura-models-verify", "obscura-plan"]
    {
        let page = fs::read_to_string(pages.join(format!("{name}.1"))).unwrap();
        assert!(page.contains(".SH NAME") && page.contains(".TH obscura"), "{name}: {page}");
    }
}
