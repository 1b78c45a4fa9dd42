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
