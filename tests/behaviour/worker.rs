//! `obscura run` as its operator sees it.

use std::{fs, io::Write, os::unix::process::ExitStatusExt, thread::sleep, time::Duration};

use crate::support::{
    worker::{Worker, count, run_command, run_once},
    *,
};

fn face() -> Vec<u8> {
    fs::read(fixture("people/face_120px.png")).unwrap()
}

#[test]
fn follows_a_folder_and_stops_in_order() {
    let bench = Bench::new();
    bench.put("there.png", &face());
    bench.put("text.jpg", b"not a photo");
    let mut worker = Worker::start(&bench, &[]);
    worker.wait_until("the first photo", |_| bench.output().join("there.png.receipt.json").exists());
    bench.put("deep/er/arrived.png", &face());
    worker.wait_until("the second photo", |_| bench.output().join("deep/er/arrived.png").exists());
    worker.wait_until("the record", |_| bench.quarantine().join("text.jpg.quarantine.json").exists());
    let worker = worker.stop();
    assert_eq!(count(&worker.log(), "published"), 2);
    let summary = worker.stdout();
    assert!(summary.contains("2 published") && summary.contains("1 quarantined"), "{summary}");
    assert!(summary.contains("0 left for the next start"), "{summary}");
    // The record names the photo as the log does.
    let line = worker.log().into_iter().find(|line| line["message"] == "quarantined").unwrap();
    assert_eq!(bench.record("text.jpg")["photo"], line["photo"]);
    assert!(fs::metadata(bench.dir.path().join("out.state")).unwrap().is_dir());
}

#[test]
fn a_file_is_left_until_it_is_closed() {
    let bench = Bench::new();
    let mut worker = Worker::start(&bench, &[]);
    worker.wait_for("ready");
    let bytes = face();
    let (first, second) = bytes.split_at(bytes.len() / 2);
    let mut file = fs::File::create(bench.input().join("slow.png")).unwrap();
    file.write_all(first).unwrap();
    file.sync_all().unwrap();
    // Ten times as long as it has to be stable, and still open.
    sleep(Duration::from_secs(1));
    bench.put("quick.png", &bytes);
    worker.wait_until("the other photo", |_| bench.output().join("quick.png").exists());
    file.write_all(second).unwrap();
    drop(file);
    worker.wait_until("the slow photo", |_| bench.output().join("slow.png").exists());
    let worker = worker.stop();
    assert_eq!(count(&worker.log(), "quarantined"), 0, "half a file was taken");
    assert!(files_below(&bench.quarantine()).is_empty());
}

#[test]
fn a_restart_does_nothing_twice_and_a_new_version_replaces_the_old_result() {
    let bench = Bench::new();
    bench.put("a.png", &face());
    bench.put("b.png", &face());
    let (code, log) = run_once(&bench, &[], &[]);
    assert_eq!((code, count(&log, "published")), (0, 2));
    let (code, log) = run_once(&bench, &[], &[]);
    assert_eq!((code, count(&log, "published"), count(&log, "already published")), (0, 0, 0));

    // Without its memory a worker recognises by the receipts what it has published.
    fs::remove_dir_all(bench.dir.path().join("out.state")).unwrap();
    let before = fs::metadata(bench.output().join("a.png")).unwrap().modified().unwrap();
    let (code, log) = run_once(&bench, &[], &[]);
    assert_eq!((code, count(&log, "published"), count(&log, "already published")), (0, 0, 2));
    assert_eq!(fs::metadata(bench.output().join("a.png")).unwrap().modified().unwrap(), before);
    // But not under another policy, nor if the result is not what its receipt names.
    fs::remove_dir_all(bench.dir.path().join("out.state")).unwrap();
    fs::write(bench.output().join("a.png"), b"damaged").unwrap();
    let (_, log) = run_once(&bench, &[], &[]);
    assert_eq!((count(&log, "published"), count(&log, "already published")), (1, 1));
    fs::remove_dir_all(bench.dir.path().join("out.state")).unwrap();
    let (_, log) = run_once(&bench, &["--face-cells", "2"], &[]);
    assert_eq!(count(&log, "published"), 2);

    bench.put("b.png", &fs::read(fixture("png/rgb.png")).unwrap());
    let (_, log) = run_once(&bench, &[], &[]);
    assert_eq!(count(&log, "published"), 1);
    assert_eq!(upright(&bench.output().join("b.png")).size.width, 101);
    // A new version that cannot be redacted takes the old result away.
    bench.put("b.png", &face()[..2000]);
    let (code, _) = run_once(&bench, &[], &[]);
    assert_eq!(code, 1);
    assert!(!bench.output().join("b.png").exists());
    assert_eq!(bench.record("b.png")["code"], "corrupt_image");
}

#[test]
fn file_names_are_logged_at_debug_only() {
    for (level, is_named) in [("info", false), ("debug", true)] {
        let bench = Bench::new();
        bench.put("Jane Doe at home.png", &face());
        bench.put("Jane Doe's letter.txt", b"text");
        let mut worker = Worker::start(&bench, &["--once", "--log-level", level]);
        worker.wait();
        let text = worker.log_text();
        assert_eq!(text.contains("Jane"), is_named, "{text}");
        for line in text.lines() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"));
            assert!(line["timestamp"].is_string() && line["level"].is_string() && line["message"].is_string());
        }
    }
}

#[test]
fn a_stop_under_load_ends_what_is_in_work_and_leaves_the_rest_for_later() {
    for signal in ["TERM", "INT"] {
        let bench = Bench::new();
        for number in 0..60 {
            bench.put(&format!("{number}.png"), &fs::read(fixture("people/scene.png")).unwrap());
        }
        let mut worker = Worker::start(&bench, &["--json"]);
        worker.wait_until("some photos", |worker| count(&worker.log(), "published") >= 3);
        worker.signal(signal);
        assert_eq!(worker.wait().code(), Some(0), "{}", worker.log_text());
        let summary: serde_json::Value = serde_json::from_str(&worker.stdout()).unwrap();
        let published = summary["summary"]["photos"]["published"].as_u64().unwrap();
        assert_eq!(published as usize, count(&worker.log(), "published"));
        assert!((3..60).contains(&published), "{summary}");
        let (code, log) = run_once(&bench, &[], &[]);
        assert_eq!((code, count(&log, "already published")), (0, 0), "what ended was committed");
        assert_eq!(count(&log, "published") as u64, 60 - published);
        assert_eq!(bench.published().len(), 120);
    }
}

#[test]
fn a_second_signal_ends_at_once_without_clear_output() {
    let bench = Bench::new();
    for number in 0..40 {
        bench.put(&format!("{number}.png"), &fs::read(fixture("people/scene.png")).unwrap());
    }
    let clear = fs::read(fixture("people/scene.png")).unwrap();
    let mut worker = Worker::start(&bench, &[]);
    worker.wait_until("some photos", |worker| count(&worker.log(), "published") >= 2);
    worker.signal("INT");
    worker.signal("TERM");
    let status = worker.wait();
    // Both may arrive before the first is noticed, or the work may end in between.
    assert!(status.signal().is_none() && [0, 130, 143].contains(&status.code().unwrap()), "{status}");
    for path in files_below(&bench.output()) {
        assert_ne!(fs::read(&path).unwrap(), clear, "{}", path.display());
    }
    let (code, _) = run_once(&bench, &[], &[]);
    assert_eq!((code, bench.finished().len()), (0, 80));
}

#[test]
fn an_interrupted_redact_says_so() {
    let bench = Bench::new();
    for number in 0..200 {
        bench.put(&format!("{number}.png"), &fs::read(fixture("people/scene.png")).unwrap());
    }
    let mut child =
        bench.command().stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    while bench.published().len() < 4 {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it could be interrupted");
        sleep(Duration::from_millis(5));
    }
    let status = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(status.success());
    let run = Run::new(child.wait_with_output().unwrap());
    assert_eq!(run.code, 130);
    assert!(run.stderr.contains("interrupted") && run.stderr.contains("hint:"), "{}", run.stderr);
    let redacted = run.summary()["redacted"].as_u64().unwrap();
    assert!((2..200).contains(&redacted), "{redacted}");
    assert_eq!(bench.published().len() as u64, 2 * redacted, "nothing half done is left");
}

#[test]
fn a_stage_that_takes_too_long_ends_in_quarantine_and_the_rest_goes_on() {
    let bench = Bench::new();
    // 80 megapixels take one core several times the seconds that they get.
    image::GrayImage::new(10_000, 8000).save(bench.input().join("large.png")).unwrap();
    bench.put("small.png", &fs::read(fixture("png/rgb.png")).unwrap());
    let (code, log) = run_once(&bench, &["--detect-s", "4", "--threads", "1", "--exhaustive"], &[]);
    assert_eq!((code, count(&log, "published")), (1, 1));
    let record = bench.record("large.png");
    assert_eq!((record["code"].as_str(), record["stage"].as_str()), (Some("timed_out"), Some("detect")));
    assert!(!bench.output().join("large.png").exists());
}

#[test]
fn folders_that_would_mix_up_are_refused() {
    let bench = Bench::new();
    let dir = bench.dir.path();
    let inside = |name: &str| bench.input().join(name).to_string_lossy().into_owned();
    let out = bench.output().to_string_lossy().into_owned();
    let input = bench.input().to_string_lossy().into_owned();
    let nowhere = dir.join("nowhere").to_string_lossy().into_owned();
    for (args, expected) in [
        (vec!["--out", input.as_str()], "lies inside the output"),
        (vec!["--out", dir.to_str().unwrap()], "lies inside the output"),
        (vec!["--quarantine-dir", &format!("{out}/q")], "lies inside the output"),
        (vec!["--state-dir", &format!("{out}/s")], "lies inside the output"),
        (vec!["--state-dir", input.as_str()], "lies inside the state folder"),
        (vec!["--source", nowhere.as_str()], "expected a folder"),
        (vec!["--listen", "somewhere"], "expected an address and a port"),
        (vec!["--drain-s", "soon"], "invalid value"),
    ] {
        let output = obscura()
            .args(["run", "--once"])
            .args(if args[0] == "--listen" { vec![] } else { vec!["--listen", ""] })
            .args(if args[0] == "--source" { vec![] } else { vec!["--source", input.as_str()] })
            .args(if args[0] == "--out" { vec![] } else { vec!["--out", out.as_str()] })
            .args(&args)
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && stderr.contains(expected), "{args:?}: {stderr}");
    }
    // Outputs inside the source are fine, and are no uploads.
    bench.put("a.png", &face());
    for _ in 0..2 {
        let output = obscura()
            .args(["run", "--listen", "", "--once", "--source", &input, "--out", &inside("redacted")])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0));
    }
    assert_eq!(files_below(&bench.input().join("redacted")).len(), 1);
}

#[test]
fn two_workers_do_not_share_a_state() {
    let bench = Bench::new();
    let mut first = Worker::start(&bench, &[]);
    first.wait_for("ready");
    let second = run_command(&bench, &[]).output().unwrap();
    assert_eq!(second.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&second.stderr).contains("another worker uses the state folder"));
    first.stop();
}
