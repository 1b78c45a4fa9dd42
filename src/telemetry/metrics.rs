//! The metrics, each defined once. Labels come from enums and model names; there is none for a photo, a file or a person.

use std::{
    collections::BTreeMap,
    sync::Mutex,
    time::{Duration, Instant},
};

use prometheus::{
    Counter, Encoder, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder, core::Collector,
};

use crate::{
    detect::Class,
    error::{ErrorCode, PhotoError, Stage},
};

use super::reading::{Failures, Reading, StageReading};

/// How a photo's way ended, as a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    Published,
    AlreadyPublished,
    Quarantined,
    Gone,
    Ignored,
    Forwarded,
}

impl Ended {
    const ALL: [Self; 6] =
        [Self::Published, Self::AlreadyPublished, Self::Quarantined, Self::Gone, Self::Ignored, Self::Forwarded];

    fn as_str(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::AlreadyPublished => "already_published",
            Self::Quarantined => "quarantined",
            Self::Gone => "gone",
            Self::Ignored => "ignored",
            Self::Forwarded => "forwarded",
        }
    }
}

/// Which way bytes went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    In,
    Out,
}

/// What is read when somebody asks, rather than counted when it happens.
#[derive(Clone, Copy, Debug, Default)]
pub struct Levels {
    /// Bytes in use of each budget.
    pub encoded_bytes: u64,
    pub decoded_bytes: u64,
    /// Views that wait for a detector.
    pub views_waiting: usize,
    /// What all cores computed so far.
    pub busy_seconds: f64,
    pub cores: usize,
}

/// All metrics of the process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    photos: IntCounterVec,
    stage_seconds: HistogramVec,
    queue_depth: IntGaugeVec,
    budget_used: IntGaugeVec,
    batch_size: HistogramVec,
    inference_seconds: HistogramVec,
    batch_queue_seconds: Histogram,
    busy_ratio: Gauge,
    detections: IntCounterVec,
    shadow_checked: IntCounter,
    shadow_misses: IntCounterVec,
    redacted_area: Histogram,
    errors: IntCounterVec,
    retries: IntCounterVec,
    dead_letters: IntCounterVec,
    in_flight: IntGauge,
    mark_age_seconds: Gauge,
    lag: IntGauge,
    abandoned: IntCounter,
    rebalances: IntCounter,
    assigned: IntGauge,
    store_down: IntGauge,
    megapixels: Counter,
    bytes: IntCounterVec,
    build: GaugeVec,
    /// When busy seconds were last read, and how many there were.
    busy_before: Mutex<(Instant, f64)>,
    failures: Failures,
}

/// Stages before which something can wait.
const QUEUES: [Stage; 3] = [Stage::Fetch, Stage::Open, Stage::Detect];

const STAGE_SECONDS: [f64; 12] = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0];
const INFERENCE_SECONDS: [f64; 10] = [0.001, 0.003, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0];
const BATCH_SIZES: [f64; 6] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0];
const AREA_RATIOS: [f64; 8] = [0.0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0];

/// Defines metrics in a registry.
struct Definer<'a>(&'a Registry);

impl Definer<'_> {
    fn add<C: Collector + Clone + 'static>(&self, collector: prometheus::Result<C>) -> C {
        let collector = collector.expect("names and labels of metrics are valid");
        self.0.register(Box::new(collector.clone())).expect("every metric is defined once");
        collector
    }

    fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.add(IntCounter::new(name, help))
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.add(IntCounterVec::new(Opts::new(name, help), labels))
    }

    fn gauge(&self, name: &str, help: &str) -> Gauge {
        self.add(Gauge::new(name, help))
    }

    fn int_gauge(&self, name: &str, help: &str) -> IntGauge {
        self.add(IntGauge::new(name, help))
    }

    fn int_gauges(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        self.add(IntGaugeVec::new(Opts::new(name, help), labels))
    }

    fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> Histogram {
        self.add(Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec())))
    }

    fn histograms(&self, name: &str, help: &str, labels: &[&str], buckets: &[f64]) -> HistogramVec {
        self.add(HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets.to_vec()), labels))
    }
}

impl Metrics {
    /// All metrics at zero, every value of every label there from the start.
    #[must_use]
    pub fn new(models: &[String]) -> Self {
        let registry = Registry::new();
        let define = Definer(&registry);
        let metrics = Self {
            photos: define.counters("obscura_photos_total", "Photos whose way has ended.", &["outcome"]),
            stage_seconds: define.histograms(
                "obscura_stage_duration_seconds",
                "Time that photos spent in a stage, waiting for its threads included.",
                &["stage"],
                &STAGE_SECONDS,
            ),
            queue_depth: define.int_gauges(
                "obscura_queue_depth",
                "Photos that wait to be fetched or opened, views that wait for a detector.",
                &["stage"],
            ),
            budget_used: define.int_gauges("obscura_budget_used_bytes", "Bytes in use of a budget.", &["budget"]),
            batch_size: define.histograms("obscura_batch_size", "Views in a batch.", &["model"], &BATCH_SIZES),
            inference_seconds: define.histograms(
                "obscura_inference_duration_seconds",
                "Time that a model took for a batch.",
                &["model"],
                &INFERENCE_SECONDS,
            ),
            batch_queue_seconds: define.histogram(
                "obscura_batch_queue_duration_seconds",
                "Time that views waited for their batch.",
                &INFERENCE_SECONDS,
            ),
            busy_ratio: define
                .gauge("obscura_busy_ratio", "Share of the cores that computed since the last scrape, 0 to 1."),
            shadow_checked: define.counter(
                "obscura_shadow_checked_total",
                "Photos that a second model looked at, to see what is missed.",
            ),
            shadow_misses: define.counters(
                "obscura_shadow_misses_total",
                "Objects in those photos that only the second model found.",
                &["class"],
            ),
            detections: define.counters(
                "obscura_detections_total",
                "Faces, plates and lines of text found.",
                &["class"],
            ),
            redacted_area: define.histogram(
                "obscura_redacted_area_ratio",
                "Share of a photo's area that was redacted.",
                &AREA_RATIOS,
            ),
            errors: define.counters(
                "obscura_errors_total",
                "Failures of photos by stage and code, those that were tried again included.",
                &["stage", "code"],
            ),
            retries: define.counters("obscura_retries_total", "Attempts after a failed one.", &["stage"]),
            dead_letters: define.counters(
                "obscura_dead_letters_total",
                "Photos that were given up: put in quarantine, or told in the dead-letter topic.",
                &["code"],
            ),
            in_flight: define.int_gauge(
                "obscura_partition_in_flight",
                "Deliveries from the low-water mark on, done or not, of all partitions.",
            ),
            mark_age_seconds: define.gauge(
                "obscura_low_water_mark_age_seconds",
                "How long the slowest low-water mark has not moved while work was in flight. The one to page on.",
            ),
            lag: define.int_gauge(
                "obscura_consumer_lag",
                "Uploads that wait: of a folder those that are known, of Kafka what is not committed yet.",
            ),
            abandoned: define
                .counter("obscura_abandoned_total", "Deliveries given up after being dropped three times."),
            rebalances: define
                .counter("obscura_rebalances_total", "How often the group shared its partitions out anew."),
            assigned: define.int_gauge("obscura_assigned_partitions", "Partitions that are this worker's."),
            store_down: define.int_gauge(
                "obscura_store_down",
                "1 while a store or the broker is out of reach, and what needs it waits.",
            ),
            megapixels: define.add(Counter::new("obscura_megapixels_total", "Megapixels of published photos.")),
            bytes: define.counters("obscura_bytes_total", "Bytes of photos read and published.", &["direction"]),
            build: define.add(GaugeVec::new(Opts::new("obscura_build_info", "Always 1."), &["version"])),
            busy_before: Mutex::new((Instant::now(), 0.0)),
            failures: Failures::default(),
            registry: registry.clone(),
        };
        metrics.fill(models);
        metrics
    }

    fn fill(&self, models: &[String]) {
        for ended in Ended::ALL {
            self.photos.with_label_values(&[ended.as_str()]);
        }
        for stage in Stage::ALL {
            self.errors.with_label_values(&[stage.as_str(), ErrorCode::InternalError.as_str()]);
            if stage != Stage::Intake {
                self.stage_seconds.with_label_values(&[stage.as_str()]);
            }
        }
        for stage in QUEUES {
            self.queue_depth.with_label_values(&[stage.as_str()]);
        }
        for stage in [Stage::Fetch, Stage::Publish] {
            self.retries.with_label_values(&[stage.as_str()]);
        }
        for code in ErrorCode::ALL {
            self.dead_letters.with_label_values(&[code.as_str()]);
        }
        for class in Class::ALL {
            self.detections.with_label_values(&[&class.to_string()]);
            self.shadow_misses.with_label_values(&[&class.to_string()]);
        }
        for model in models {
            self.batch_size.with_label_values(&[model]);
            self.inference_seconds.with_label_values(&[model]);
        }
        for direction in ["in", "out"] {
            self.bytes.with_label_values(&[direction]);
        }
        for budget in ["encoded", "decoded"] {
            self.budget_used.with_label_values(&[budget]);
        }
        self.build.with_label_values(&[crate::VERSION]).set(1.0);
    }

    pub fn photo_ended(&self, ended: Ended) {
        self.photos.with_label_values(&[ended.as_str()]).inc();
    }

    pub fn stage(&self, stage: Stage, spent: Duration) {
        self.stage_seconds.with_label_values(&[stage.as_str()]).observe(spent.as_secs_f64());
    }

    /// A photo waits to enter `stage`, until the returned guard is dropped.
    pub fn waits_for(&self, stage: Stage) -> Waiting {
        let depth = self.queue_depth.with_label_values(&[stage.as_str()]);
        depth.inc();
        Waiting { depth }
    }

    pub fn failed(&self, error: &PhotoError) {
        self.errors.with_label_values(&[error.stage.as_str(), error.code.as_str()]).inc();
        self.failures.note(error.stage, error.code);
    }

    pub fn retried(&self, stage: Stage) {
        self.retries.with_label_values(&[stage.as_str()]).inc();
    }

    pub fn dead_letter(&self, code: ErrorCode) {
        self.dead_letters.with_label_values(&[code.as_str()]).inc();
    }

    pub fn batch_queued(&self, waited: Duration) {
        self.batch_queue_seconds.observe(waited.as_secs_f64());
    }

    pub fn batch_done(&self, model: &str, views: usize, spent: Duration) {
        self.batch_size.with_label_values(&[model]).observe(views as f64);
        self.inference_seconds.with_label_values(&[model]).observe(spent.as_secs_f64());
    }

    pub fn found(&self, class: Class, count: usize) {
        self.detections.with_label_values(&[&class.to_string()]).inc_by(count as u64);
    }

    /// A second model looked at a photo, and found these that the first ones had not.
    pub fn shadow_checked(&self, missed: impl Iterator<Item = Class>) {
        self.shadow_checked.inc();
        for class in missed {
            self.shadow_misses.with_label_values(&[&class.to_string()]).inc();
        }
    }

    pub fn published(&self, megapixels: f64, redacted_area_ratio: f64) {
        self.megapixels.inc_by(megapixels);
        self.redacted_area.observe(redacted_area_ratio);
    }

    pub fn moved(&self, direction: Direction, bytes: u64) {
        let direction = if direction == Direction::In { "in" } else { "out" };
        self.bytes.with_label_values(&[direction]).inc_by(bytes);
    }

    pub fn abandoned(&self) {
        self.abandoned.inc();
    }

    pub fn set_membership(&self, rebalances: u64, partitions: u64) {
        self.rebalances.inc_by(rebalances.saturating_sub(self.rebalances.get()));
        self.assigned.set(partitions as i64);
    }

    pub fn set_store_down(&self, down: bool) {
        self.store_down.set(i64::from(down));
    }

    pub fn set_progress(&self, in_flight: usize, mark_age: Duration, backlog: u64) {
        self.in_flight.set(in_flight as i64);
        self.mark_age_seconds.set(mark_age.as_secs_f64());
        self.lag.set(i64::try_from(backlog).unwrap_or(i64::MAX));
    }

    /// The whole page, in Prometheus' text format.
    #[must_use]
    pub fn page(&self, levels: Levels) -> String {
        self.budget_used.with_label_values(&["encoded"]).set(levels.encoded_bytes as i64);
        self.budget_used.with_label_values(&["decoded"]).set(levels.decoded_bytes as i64);
        self.queue_depth.with_label_values(&[Stage::Detect.as_str()]).set(levels.views_waiting as i64);
        if let Ok(mut before) = self.busy_before.lock() {
            let passed = before.0.elapsed().as_secs_f64() * levels.cores as f64;
            if passed > 0.0 {
                self.busy_ratio.set(((levels.busy_seconds - before.1) / passed).clamp(0.0, 1.0));
            }
            *before = (Instant::now(), levels.busy_seconds);
        }
        let mut page = Vec::new();
        let encoded = TextEncoder::new().encode(&self.registry.gather(), &mut page);
        encoded.map(|()| String::from_utf8_lossy(&page).into_owned()).unwrap_or_default()
    }

    /// What the status page shows. Unlike [`Self::page`] it leaves everything as it is, so that a reader changes nothing of
    /// what is scraped.
    #[must_use]
    pub fn reading(&self, levels: Levels) -> Reading {
        let stages = Stage::ALL.into_iter().filter(|&stage| stage != Stage::Intake).map(|stage| {
            let seconds = self.stage_seconds.with_label_values(&[stage.as_str()]);
            StageReading { stage, photos: seconds.get_sample_count(), seconds: seconds.get_sample_sum() }
        });
        let waiting = QUEUES.into_iter().map(|stage| {
            let depth = self.queue_depth.with_label_values(&[stage.as_str()]).get();
            (stage, if stage == Stage::Detect { levels.views_waiting as i64 } else { depth })
        });
        Reading {
            published: self.photos.with_label_values(&[Ended::Published.as_str()]).get(),
            given_up: self.photos.with_label_values(&[Ended::Quarantined.as_str()]).get(),
            megapixels: self.megapixels.get(),
            bytes_in: self.bytes.with_label_values(&["in"]).get(),
            bytes_out: self.bytes.with_label_values(&["out"]).get(),
            stages: stages.collect(),
            waiting: waiting.collect(),
            encoded_bytes: levels.encoded_bytes,
            decoded_bytes: levels.decoded_bytes,
            busy_seconds: levels.busy_seconds,
            cores: levels.cores,
            in_flight: self.in_flight.get(),
            mark_age_seconds: self.mark_age_seconds.get(),
            lag: self.lag.get(),
            partitions: self.assigned.get(),
            store_down: self.store_down.get() != 0,
            failures: self.failures.latest_first(),
        }
    }

    /// How many photos ended in each way, by the label's name.
    #[must_use]
    pub fn photo_counts(&self) -> BTreeMap<&'static str, u64> {
        Ended::ALL.map(|ended| (ended.as_str(), self.photos.with_label_values(&[ended.as_str()]).get())).into()
    }
}

/// Counts a photo that waits.
#[derive(Debug)]
pub struct Waiting {
    depth: IntGauge,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.depth.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_complete_from_the_start_and_every_metric_has_help() {
        let metrics = Metrics::new(&["m".into()]);
        let page = metrics.page(Levels::default());
        let names: Vec<_> = page.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
        assert!(names.len() > 15);
        for name in names.iter().filter_map(|line| line.split(' ').next()) {
            assert!(page.contains(&format!("# HELP {name} ")), "{name}");
        }
    }

    #[test]
    fn a_waiting_photo_is_counted_until_it_enters() {
        let metrics = Metrics::new(&[]);
        let line = |number| format!("obscura_queue_depth{{stage=\"open\"}} {number}\n");
        let waiting = metrics.waits_for(Stage::Open);
        assert!(metrics.page(Levels::default()).contains(&line(1)));
        drop(waiting);
        assert!(metrics.page(Levels::default()).contains(&line(0)));
    }
}
