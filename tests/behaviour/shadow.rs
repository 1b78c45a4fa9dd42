//! The second look at a sample: it counts what the first one missed, and can have it obscured.

use std::fs;

use crate::support::{
    worker::{Worker, count},
    *,
};

/// The first look passes over every plate, the second one does not.
fn config(bench: &Bench, shadow: &str) -> String {
    let path = bench.dir.path().join("obscura.toml");
    fs::write(&path, format!("[detect]\nplate_min_score = 0.999\n[shadow]\nmodel = \"plate_yunet_v2\"\n{shadow}"))
        .unwrap();
    path.to_str().unwrap().to_owned()
}

fn plates(bench: &Bench) -> usize {
    let receipt = bench.receipt("scene.jpg");
    receipt["regions"].as_array().unwrap().iter().filter(|region| region["class"] == "plate").count()
}

fn value(page: &str, series: &str) -> f64 {
    page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')).unwrap().parse().unwrap()
}

#[test]
fn what_was_missed_is_counted_after_publishing() {
    for (sample, checked) in [("sample = 1.0", 1.0), ("sample = 0.0", 0.0)] {
        let bench = Bench::new();
        bench.copy("people/scene.jpg");
        let config = config(&bench, sample);
        let mut worker = Worker::start(&bench, &["--config", &config]);
        let address = worker.address();
        worker.wait_until("it is published", |worker| count(&worker.log(), "published") == 1);
        let page = Worker::get(address, "/metrics");
        assert!((value(&page, "obscura_shadow_checked_total") - checked).abs() < 1e-9);
        let missed = value(&page, "obscura_shadow_misses_total{class=\"plate\"}");
        assert_eq!(missed >= 1.0, checked > 0.0, "{missed}");
        assert!(value(&page, "obscura_shadow_misses_total{class=\"face\"}").abs() < 1e-9);
        assert_eq!(plates(&bench), 0, "it is only counted");
        worker.stop();
    }
}

#[test]
fn what_was_missed_is_obscured_where_that_is_asked_for() {
    let bench = Bench::new();
    bench.copy("people/scene.jpg");
    let path = config(&bench, "sample = 1.0\nredact_again = true");
    assert_eq!(bench.redact(&["--config", &path]).code, 0);
    assert!(plates(&bench) >= 1);
    let receipt = bench.receipt("scene.jpg");
    let names: Vec<_> = receipt["models"].as_array().unwrap().iter().map(|model| &model["name"]).collect();
    assert_eq!(names.last().unwrap().as_str(), Some("plate_yunet_v2"));
    assert_eq!(names.len(), 3);
    let only_counting = Bench::new();
    only_counting.copy("people/scene.jpg");
    let path = config(&only_counting, "sample = 1.0");
    assert_eq!(only_counting.redact(&["--config", &path]).code, 0);
    assert_ne!(only_counting.receipt("scene.jpg")["pipeline"], receipt["pipeline"]);
}

#[test]
fn a_model_that_is_not_there_is_told() {
    let bench = Bench::new();
    let path = bench.dir.path().join("obscura.toml");
    fs::write(&path, "[shadow]\nsample = 0.5\nmodel = \"nobody\"\n").unwrap();
    let run = bench.redact(&["--config", path.to_str().unwrap()]);
    assert!(run.code == 2 && run.stderr.contains("`shadow.model`: found no model named `nobody`"), "{}", run.stderr);
}
