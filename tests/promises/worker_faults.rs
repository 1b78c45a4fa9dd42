//! What goes wrong around a worker: photos that crash it, tasks that vanish, detectors that go blind, stores that are full.

use std::{fs, os::unix::process::ExitStatusExt, process::Command};

use crate::support::{
    worker::{Worker, count, run_command, run_once},
    *,
};

fn codes(log: &[serde_json::Value]) -> Vec<&str> {
    log.iter().filter(|line| line["message"] == "quarantined").filter_map(|line| line["code"].as_str()).collect()
}

#[test]
fn a_photo_that_crashes_the_worker_is_given_up_and_its_neighbours_are_not() {
    let bench = Bench::new();
    for number in 0..4 {
        bench.put(&format!("good{number}.png"), &fs::read(fixture("people/face_120px.png")).unwrap());
    }
    bench.put("bad.png", &fs::read(fixture("people/face_120px.png")).unwrap());
    let crash = [("OBSCURA_CRASH_ON", "bad.png")];
    let mut crashes = 0;
    loop {
        let mut worker = Worker::start_with(&bench, &["--once", "--threads", "2"], &crash);
        let status = worker.wait();
        if status.signal().is_none() {
            // One crash in company, three alone, and the next worker knows who it was.
            assert_eq!((status.code(), crashes), (Some(1), 4), "{}", worker.log_text());
            assert_eq!(codes(&worker.log()), ["crash_loop"]);
            break;
        }
        crashes += 1;
        assert!(crashes < 10, "the worker crashes for ever\n{}", worker.log_text());
    }
    for number in 0..4 {
        assert!(bench.output().join(format!("good{number}.png")).exists());
    }
    assert!(!bench.output().join("bad.png").exists());
    assert_eq!(bench.record("bad.png")["code"], "crash_loop");
    assert_eq!(files_below(&bench.quarantine()).len(), 1);
}

#[test]
fn a_photo_whose_task_vanishes_is_tried_again_and_then_recorded() {
    let bench = Bench::new();
    for name in ["good.png", "bad.png"] {
        bench.put(name, &fs::read(fixture("people/face_120px.png")).unwrap());
    }
    let (code, log) = run_once(&bench, &[], &[("OBSCURA_ABANDON", "bad.png")]);
    assert_eq!((code, codes(&log)), (1, vec!["abandoned"]));
    assert_eq!(bench.record("bad.png")["code"], "abandoned");
    assert!(bench.output().join("good.png").exists() && !bench.output().join("bad.png").exists());
}

#[test]
fn a_detector_that_goes_blind_stops_the_worker() {
    for class in ["face", "plate"] {
        let bench = Bench::new();
        let sick = bench.dir.path().join("sick");
        let variables = [("OBSCURA_SICK", sick.to_str().unwrap())];
        // Blind from the start: nothing begins.
        fs::write(&sick, class).unwrap();
        bench.put("early.png", &fs::read(fixture("people/face_120px.png")).unwrap());
        assert_eq!(run_once(&bench, &[], &variables).0, 2);
        assert!(bench.published().is_empty());
        // Blind later: the next check finds out.
        fs::remove_file(&sick).unwrap();
        let mut worker = Worker::start_with(&bench, &["--health-check-s", "1"], &variables);
        worker.wait_for("published");
        fs::write(&sick, class).unwrap();
        assert_eq!(worker.wait().code(), Some(3), "{}", worker.log_text());
        assert!(worker.log_text().contains("failed its check"));
        // And nothing is published while it is.
        bench.put("late.png", &fs::read(fixture("people/face_120px.png")).unwrap());
        assert_eq!(run_once(&bench, &[], &variables).0, 2);
        assert!(!bench.output().join("late.png").exists());
        fs::remove_file(&sick).unwrap();
        assert_eq!(run_once(&bench, &[], &variables).0, 0);
        assert!(bench.output().join("late.png").exists());
    }
}

#[test]
fn a_full_store_makes_photos_wait_and_loses_none() {
    let bench = Bench::new();
    for number in 0..12 {
        bench.put(&format!("{number}.png"), &fs::read(fixture("people/face_120px.png")).unwrap());
    }
    let small = bench.dir.path().join("small");
    fs::create_dir(&small).unwrap();
    let mut command = run_command(&bench, &["--retry-first-pause-ms", "10", "--retry-longest-pause-ms", "20"]);
    let program = command.get_program().to_owned();
    let args: Vec<_> = command.get_args().map(std::ffi::OsStr::to_owned).collect();
    command.env_clear();
    // A file system of 4 MB that exists for these commands alone, and is full until the worker has noticed.
    let script = "set -e\n\
        small=$1 log=$2; shift 2\n\
        mount -t tmpfs -o size=4m none \"$small\"\n\
        mkdir \"$small/out\"\n\
        dd if=/dev/zero of=\"$small/ballast\" bs=4k 2>/dev/null || true\n\
        \"$@\" --out \"$small/out\" --state-dir \"$log.state\" --quarantine-dir \"$small/quarantine\" 2> \"$log\" & worker=$!\n\
        until grep -q 'out of reach' \"$log\"; do kill -0 $worker; sleep 0.05; done\n\
        sleep 1\n\
        rm \"$small/ballast\"\n\
        until [ $(find \"$small/out\" -name '*.png' | wc -l) = 12 ]; do kill -0 $worker; sleep 0.05; done\n\
        kill -TERM $worker\n\
        wait $worker\n\
        find \"$small\" -type f -printf '%P\\n' | sort";
    let log = bench.dir.path().join("log");
    let output = Command::new("unshare")
        .args(["--map-root-user", "--mount", "bash", "-c", script, "bash"])
        .arg(&small)
        .arg(&log)
        .arg(program)
        // The first three name the source, the next two the output, which the script puts elsewhere.
        .args(args.iter().enumerate().filter(|(index, _)| ![3, 4].contains(index)).map(|(_, arg)| arg))
        .output()
        .unwrap();
    let log = fs::read_to_string(&log).unwrap();
    assert!(output.status.success(), "{}\n{log}", String::from_utf8_lossy(&output.stderr));
    let left = String::from_utf8(output.stdout).unwrap();
    assert_eq!(left.lines().filter(|line| line.starts_with("out/")).count(), 24, "photos and receipts: {left}");
    assert!(!left.lines().any(|line| line.starts_with("quarantine/")), "{left}");
    assert!(log.contains("in reach again"), "{log}");
    let lines: Vec<_> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert_eq!(count(&lines, "published"), 12, "{log}");
}
