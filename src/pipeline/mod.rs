//! The path of a photo: fetch, open, detect, redact, encode, verify, publish, or quarantine at any of them.

mod budget;
mod clock;
mod engine;
mod inputs;

use std::{
    fs::File,
    io::Read,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc::{SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use budget::Budget;

pub use self::{
    clock::StageClock,
    engine::{Engine, models_dir, onnxruntime_library},
    inputs::{InputPhoto, Inputs, collect},
};
use crate::{
    config::Config,
    detect::{ArmedDetector, Class, detect_all},
    error::{FatalError, PhotoError, PhotoResult, Stage},
    photo::{self, Limits},
    redact::{RedactedPhoto, SourceFacts, redact, sha256_hex},
    store::{LocalStore, Quarantine},
};

/// What became of one photo.
#[derive(Debug)]
pub struct Outcome {
    /// Its place in the list of inputs.
    pub index: usize,
    pub elapsed: Duration,
    pub result: Result<Published, PhotoError>,
    /// Why the quarantine record could not be written, or the output not be cleared.
    pub record_problem: Option<String>,
}

/// Facts of a published photo.
#[derive(Debug)]
pub struct Published {
    pub faces: usize,
    pub plates: usize,
    pub megapixels: f64,
    pub receipt: crate::redact::Receipt,
}

/// Where results go.
pub struct Destinations {
    pub store: LocalStore,
    pub quarantine: Quarantine,
}

/// Redact all photos, `config.worker_count()` at a time, and report each as it ends, in any order.
///
/// # Errors
/// If the detectors cannot be started.
pub fn run(
    engine: &Engine,
    config: &Config,
    photos: &[InputPhoto],
    destinations: &Destinations,
    mut report: impl FnMut(Outcome),
) -> Result<(), FatalError> {
    let workers = config.worker_count().min(photos.len().max(1));
    // All sessions before the first photo: a missing execution provider must not be found out halfway.
    let sessions = (0..workers).map(|_| engine.detectors(config)).collect::<Result<Vec<_>, _>>()?;
    let budget = Budget::new(config.decoded_bytes);
    let next = AtomicUsize::new(0);
    let (sender, outcomes) = sync_channel(2 * workers);
    thread::scope(|scope| {
        for detectors in sessions {
            let worker = Worker { config, photos, destinations, budget: &budget, next: &next, detectors };
            let sender = sender.clone();
            scope.spawn(move || worker.run(&sender));
        }
        drop(sender);
        outcomes.iter().for_each(&mut report);
    });
    Ok(())
}

struct Worker<'a> {
    config: &'a Config,
    photos: &'a [InputPhoto],
    destinations: &'a Destinations,
    budget: &'a Budget,
    next: &'a AtomicUsize,
    detectors: Vec<ArmedDetector>,
}

impl Worker<'_> {
    fn run(mut self, sender: &SyncSender<Outcome>) {
        loop {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(input) = self.photos.get(index) else { return };
            let started = Instant::now();
            let (result, record_problem) = self.finish(input);
            let outcome = Outcome { index, elapsed: started.elapsed(), result, record_problem };
            if sender.send(outcome).is_err() {
                return;
            }
        }
    }

    /// Publish or quarantine; there is no third way.
    fn finish(&mut self, input: &InputPhoto) -> (Result<Published, PhotoError>, Option<String>) {
        let mut original = None;
        match self.publish(input, &mut original) {
            Ok(published) => {
                let cleared = self.destinations.quarantine.clear(&input.relative);
                (Ok(published), cleared.err().map(|error| format!("an old quarantine record remains: {error}")))
            }
            Err(error) => {
                let removed = self.destinations.store.remove(&input.relative);
                let recorded = self.destinations.quarantine.record(&input.relative, &error, original.as_deref());
                let problem = match (removed, recorded) {
                    (Err(failure), _) => Some(format!("an older output remains: {}", failure.detail)),
                    (_, Err(failure)) => Some(format!("the quarantine record could not be written: {failure}")),
                    _ => None,
                };
                (Err(error), problem)
            }
        }
    }

    fn publish(&mut self, input: &InputPhoto, original: &mut Option<Vec<u8>>) -> PhotoResult<Published> {
        let mut clock = StageClock::default();
        let bytes = &*original.insert(clock.run(Stage::Fetch, || fetch(input, &self.config.limits))?);
        let redacted = self.redact(bytes, &mut clock)?;
        clock.run(Stage::Publish, || self.destinations.store.put(&input.relative, &redacted))?;
        let receipt = redacted.into_receipt();
        let count = |class| receipt.regions.iter().filter(|region| region.class == class).count();
        Ok(Published {
            faces: count(Class::Face),
            plates: count(Class::Plate),
            megapixels: f64::from(receipt.source.width) * f64::from(receipt.source.height) / 1e6,
            receipt,
        })
    }

    fn redact(&mut self, bytes: &[u8], clock: &mut StageClock) -> PhotoResult<RedactedPhoto> {
        let limits = &self.config.limits;
        let (header, photo, _permit) = clock.run(Stage::Open, || {
            let header = photo::read_header(bytes, limits)?;
            let permit = self.budget.take(header.decoded_bytes);
            let photo = photo::open(bytes, limits)?;
            Ok((header, photo, permit))
        })?;
        let policy = &self.config.redaction;
        let report = clock.run(Stage::Detect, || detect_all(photo.as_ref(), &mut self.detectors, policy))?;
        let source = SourceFacts {
            sha256: sha256_hex(bytes),
            bytes: bytes.len() as u64,
            format: header.format,
            width: header.upright.width,
            height: header.upright.height,
        };
        redact(photo, source, &report, policy, limits, clock)
    }
}

/// Read a whole file, but not more than the limit.
fn fetch(input: &InputPhoto, limits: &Limits) -> PhotoResult<Vec<u8>> {
    if let Some(problem) = &input.problem {
        return Err(problem.clone());
    }
    let unreadable = |error: std::io::Error| PhotoError::unreadable(&error);
    let file = File::open(&input.source).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    let mut bytes = Vec::with_capacity(usize::try_from(length.min(limits.max_encoded_bytes)).unwrap_or(0));
    // One byte more than allowed tells a file that is too long, or grew.
    file.take(limits.max_encoded_bytes.saturating_add(1)).read_to_end(&mut bytes).map_err(unreadable)?;
    limits.check_encoded(length.max(bytes.len() as u64))?;
    Ok(bytes)
}
