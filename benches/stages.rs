//! The stages of one photo's path, and the whole of it, on one thread.

use std::sync::{LazyLock, Mutex};

use divan::{Bencher, black_box};
use obscura::{
    config::Config,
    detect::{ArmedDetector, detect_all},
    geometry::{BoxF, Size},
    photo::{self, Photo},
    pipeline::{Engine, StageClock},
    redact::{RedactedPhoto, SourceFacts, redact, sha256_hex, thumbnail},
};
use obscura_benches::{BenchPhoto, config, photos};

static PHOTO: LazyLock<BenchPhoto> = LazyLock::new(|| photos().remove(0));
static CONFIG: LazyLock<Config> = LazyLock::new(config);
/// One a process.
static ENGINE: LazyLock<Engine> = LazyLock::new(|| started(Engine::start(&CONFIG)));

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
    let (photo, mut detectors) = (opened(), detectors());
    bencher.bench_local(|| detect_all(photo.as_ref(), &mut detectors, &CONFIG.redaction).unwrap());
}

/// Painting, encoding and verification.
#[divan::bench(sample_count = 10, sample_size = 1)]
fn redact_encode_verify(bencher: Bencher) {
    let report = detect_all(opened().as_ref(), &mut detectors(), &CONFIG.redaction).unwrap();
    bencher.with_inputs(|| (opened(), source())).bench_local_values(|(photo, source)| {
        let mut clock = StageClock::default();
        let redacted = redact(photo, source, &report, &CONFIG.redaction, &CONFIG.limits, &mut clock).unwrap();
        *PARTS.lock().unwrap() = format!("{:?}", redacted.receipt().timings_ms);
        redacted
    });
}

#[divan::bench(sample_count = 10, sample_size = 1)]
fn thumbnail_of_result(bencher: Bencher) {
    let redacted = end_to_end_once(&mut detectors());
    bencher.bench_local(|| thumbnail(&redacted, &CONFIG.limits, 320).unwrap());
}

#[divan::bench(sample_count = 3, sample_size = 1)]
fn end_to_end(bencher: Bencher) {
    let mut detectors = detectors();
    bencher.bench_local(|| end_to_end_once(&mut detectors));
}

fn end_to_end_once(detectors: &mut [ArmedDetector]) -> RedactedPhoto {
    let photo = opened();
    let report = detect_all(photo.as_ref(), detectors, &CONFIG.redaction).unwrap();
    redact(photo, source(), &report, &CONFIG.redaction, &CONFIG.limits, &mut StageClock::default()).unwrap()
}

fn opened() -> Box<dyn Photo> {
    photo::open(black_box(&PHOTO.bytes), &CONFIG.limits).unwrap()
}

fn detectors() -> Vec<ArmedDetector> {
    started(ENGINE.detectors(&CONFIG))
}

fn source() -> SourceFacts {
    let header = photo::read_header(&PHOTO.bytes, &CONFIG.limits).unwrap();
    SourceFacts {
        sha256: sha256_hex(&PHOTO.bytes),
        bytes: PHOTO.bytes.len() as u64,
        format: header.format,
        width: header.upright.width,
        height: header.upright.height,
    }
}

fn started<T>(result: Result<T, obscura::error::FatalError>) -> T {
    result.unwrap_or_else(|error| panic!("{error}; {}", error.hint))
}
