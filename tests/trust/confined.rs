//! A worker that can write only where results go.

use std::{fs, os::unix::fs::symlink};

use crate::support::{Bench, worker::Worker};

#[test]
fn a_worker_cannot_be_led_out_of_its_folders() {
    let bench = Bench::new();
    let outside = bench.dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::create_dir(bench.output()).unwrap();
    // Whoever could plant a link in the output would have the worker write elsewhere.
    symlink(&outside, bench.output().join("link")).unwrap();
    let photo = fs::read(crate::support::fixture("people/scene.png")).unwrap();
    bench.put("link/led.png", &photo);
    bench.put("plain.png", &photo);
    let mut worker = Worker::start(&bench, &["--confine", "require"]);
    worker.wait_for("confined: writing only where results go");
    worker.wait_for("published");
    worker.wait_for("ready");
    let status = fs::read_to_string(format!("/proc/{}/status", worker.pid())).unwrap();
    assert!(status.contains("NoNewPrivs:\t1"), "{status}");
    let limits = fs::read_to_string(format!("/proc/{}/limits", worker.pid())).unwrap();
    assert!(
        limits.lines().any(|line| line.starts_with("Max core file size        0                    0")),
        "{limits}"
    );
    worker.stop();
    assert!(bench.output().join("plain.png").exists());
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0, "something was written outside");
}

#[test]
fn whoever_asks_for_it_is_not_confined() {
    let bench = Bench::new();
    let mut worker = Worker::start(&bench, &["--confine", "off"]);
    worker.wait_for("not confined, as `process.confine` asks");
    worker.wait_for("ready");
    worker.stop();
}

/// ONNX Runtime's client would leave a file with an identifier there before it looks for its maker's servers.
#[test]
fn the_library_does_not_call_home() {
    let bench = Bench::new();
    let temporary = bench.dir.path().join("temporary");
    fs::create_dir(&temporary).unwrap();
    let variables = [("TMPDIR", temporary.to_str().unwrap()), ("HOME", temporary.to_str().unwrap())];
    let mut worker = Worker::start_with(&bench, &["--confine", "off"], &variables);
    worker.wait_for("ready");
    let environment = fs::read(format!("/proc/{}/environ", worker.pid())).unwrap();
    assert!(environment.split(|byte| *byte == 0).any(|entry| entry == b"ORT_DISABLE_TELEMETRY=1"));
    worker.stop();
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0, "something was written");
}
