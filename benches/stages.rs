//! The stages of one photo's path, and the whole of it, on one thread.

use std::sync::{Arc, LazyLock, Mutex};

use divan::{Bencher, black_box};
use obscura::{
    config::Config,
    cpu::{CoreGate, CpuPool},
    detect::{DetectionReport, DetectorPool, Wanted},
    geometry::{BoxF, Size},
    photo::{self, Photo},
    pipeline::{Engine, StageClock},
    redact::{Maker, RedactedPhoto, SourceFacts, redact, sha256_hex, thumbnail},
    telemetry::Metrics,
};
use obscura_benches::{BenchPhoto, config, photos};

static PHOTO: LazyLock<BenchPhoto> = LazyLock::new(|| photos().remove(0));
static CONFIG: LazyLock<Config> = LazyLock::new(config);
/// One a process.
static ENGINE: LazyLock<Engine> = LazyLock::new(|| started(Engine::start(&CONFIG)));

/// The threads of one core.
static THREADS: LazyLock<Threads> = LazyLock::new(Threads::start);

/// Milliseconds by the program's own clock, of the last run that was timed.
static PARTS: Mutex<String> = Mutex::new(String::new());

fn main() {
    println!("{} with {} bytes, wall time", PHOTO.name(), PHOTO.bytes.len());
    divan::main();
    println!("parts of redact_encode_verify in ms: {}", PARTS.lock().unwrap());
}

#[divan::bench(sample_count = 20)]
fn read_header(bencher: Bencher) {
    bencher.bench(|| photo::read_header(black_box(&PHOTO.bytes), &CONFIG.limits).unwrap());
}

#[divan::bench(sample_count = 20, sample_size = 1)]
fn open(bencher: Bencher) {
    bencher.bench(|| opened().upright_size());
}

#[divan::bench(sample_count = 20, sample_size = 1)]
fn view_whole_at_quarter(bencher: Bencher) {
    let photo = opened();
    let size = photo.upright_size();
    let out = Size::new(size.width.div_ceil(4), size.height.div_ceil(4));
    bencher.bench_local(|| photo.view(size.rect().into(), out, 0).unwrap());
}

#[divan::bench(sample_count = 20, sample_size = 1)]
fn view_tile_at_full_resolution(bencher: Bencher) {
    let photo = opened();
    let size = photo.upright_size();
    let out = Size::new(size.width.min(896), size.height.min(896));
    let crop = BoxF::from(out.rect());
    bencher.bench_local(|| photo.view(crop, out, 0).unwrap());
}

#[divan::bench(sample_count = 3, sample_size = 1)]
fn detect(bencher: Bencher) {
    let mut photo = Some(opened());
    bencher.bench_local(|| {
        let (report, looked_at) = THREADS.detect(photo.take().unwrap());
        photo = Some(looked_at);
        report
    });
}

/// Painting, encoding and verification.
#[divan::bench(sample_count = 10, sample_size = 1)]
fn redact_encode_verify(bencher: Bencher) {
    let (report, _) = THREADS.detect(opened());
    bencher.with_inputs(opened).bench_local_values(|photo| {
        let redacted = redacted(photo, &report);
        *PARTS.lock().unwrap() = format!("{:?}", redacted.receipt().timings_ms);
        redacted
    });
}

#[divan::bench(sample_count = 10, sample_size = 1)]
fn thumbnail_of_result(bencher: Bencher) {
    let redacted = end_to_end_once();
    bencher.bench_local(|| thumbnail(&redacted, &CONFIG.limits, 320).unwrap());
}

#[divan::bench(sample_count = 3, sample_size = 1)]
fn end_to_end(bencher: Bencher) {
    bencher.bench_local(end_to_end_once);
}

fn end_to_end_once() -> RedactedPhoto {
    let (report, photo) = THREADS.detect(opened());
    redacted(photo, &report)
}

fn opened() -> Box<dyn Photo> {
    photo::open(black_box(&PHOTO.bytes), &CONFIG.limits).unwrap()
}

fn redacted(photo: Box<dyn Photo>, report: &DetectionReport) -> RedactedPhoto {
    let header = photo::read_header(&PHOTO.bytes, &CONFIG.limits).unwrap();
    let source = SourceFacts {
        sha256: sha256_hex(&PHOTO.bytes),
        bytes: PHOTO.bytes.len() as u64,
        format: header.format,
        width: header.upright.width,
        height: header.upright.height,
    };
    redact(photo, source, report, &CONFIG.redaction, &Maker::default(), &CONFIG.limits, &mut StageClock::default())
        .unwrap()
}

struct Threads {
    cpu: Arc<CpuPool>,
    detectors: DetectorPool,
}

impl Threads {
    fn start() -> Self {
        let gate = CoreGate::new(1);
        let detectors = started(ENGINE.detectors(&CONFIG, &gate, &Arc::new(Metrics::new(&[]))));
        Self { cpu: Arc::new(started(CpuPool::start(&gate))), detectors }
    }

    /// What is found, and the photo again.
    fn detect(&self, photo: Box<dyn Photo>) -> (DetectionReport, Box<dyn Photo>) {
        let photo = Arc::new(photo);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let report =
            runtime.block_on(self.detectors.detect(&photo, &CONFIG.redaction, &Wanted::default(), &self.cpu)).unwrap();
        (report, Arc::into_inner(photo).unwrap())
    }
}

fn started<T>(result: Result<T, obscura::error::FatalError>) -> T {
    result.unwrap_or_else(|error| panic!("{error}; {}", error.hint))
}
