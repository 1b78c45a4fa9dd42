//! The way of one photo, from its upload to the store or to quarantine. There is no third way.

use std::{
    fs::File,
    io::{self, Read},
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Workshop, breaker::retrying, clock::StageClock};
use crate::{
    detect::{Class, SharedPhoto},
    error::{ErrorCode, PhotoError, PhotoResult, Stage},
    failpoint,
    photo::{self, Limits},
    redact::{Receipt, RedactedPhoto, SourceFacts, redact, sha256_hex, thumbnail},
    source::{FileVersion, Upload},
    store::{OriginalFacts, store_failed},
    telemetry::{Direction, Ended},
};

/// What became of one photo.
#[derive(Debug)]
pub struct Outcome {
    pub upload: Arc<Upload>,
    pub elapsed: Duration,
    pub result: Result<Done, PhotoError>,
    /// Why the quarantine record could not be written, or the output not be cleared.
    pub record_problem: Option<String>,
}

/// How a photo's way ended well.
#[derive(Debug)]
pub enum Done {
    Published(Box<Published>),
    /// The store holds this very result already: a delivery came twice.
    AlreadyPublished,
    /// The file was not there any more when its turn came.
    Gone,
    /// The pipeline stops, and nothing was done with the photo yet.
    NotStarted,
}

/// Facts of a published photo.
#[derive(Debug)]
pub struct Published {
    pub faces: usize,
    pub plates: usize,
    pub megapixels: f64,
    pub receipt: Receipt,
    /// A small JPEG of the result, if it was asked for.
    pub thumbnail: Option<Vec<u8>>,
}

/// A photo that has been read.
pub(super) struct Fetched {
    bytes: Vec<u8>,
    sha256: String,
}

impl Workshop {
    /// Lead a photo to its end. `alone` tells the journal that nothing else is in work.
    pub(super) async fn process(&self, upload: Arc<Upload>, alone: bool) -> Outcome {
        let started = Instant::now();
        let key = upload.key();
        let mut clock = StageClock::default();
        let mut original = None;
        let result = self.publish(&upload, alone, &mut original, &mut clock).await;
        for &(stage, spent) in clock.spent() {
            self.metrics.stage(stage, spent);
        }
        let (result, record_problem) = match result {
            Ok(done @ (Done::Gone | Done::NotStarted)) => (Ok(done), None),
            Ok(done) => {
                let cleared = self.blocking({
                    let (shop, upload) = (self.destinations.clone(), Arc::clone(&upload));
                    move || shop.quarantine.clear(&upload.relative)
                });
                let problem = cleared.await.err().map(|error| format!("an old quarantine record remains: {error}"));
                (Ok(done), problem)
            }
            Err(error) => {
                let problem = self.quarantine(&upload, &error, original).await;
                (Err(error), problem)
            }
        };
        // One whose record could not be written is not at its end, and stays under suspicion.
        if result.is_ok() || record_problem.is_none() {
            self.leave_journal(key);
        }
        Outcome { upload, elapsed: started.elapsed(), result, record_problem }
    }

    /// Record why a photo is not published, and make sure that the output holds nothing of it. Returns what went wrong.
    pub(super) async fn quarantine(
        &self,
        upload: &Arc<Upload>,
        error: &PhotoError,
        original: Option<Arc<Fetched>>,
    ) -> Option<String> {
        self.metrics.failed(error);
        let facts = original
            .as_ref()
            .map(|original| OriginalFacts { sha256: original.sha256.clone(), bytes: original.bytes.len() as u64 });
        // Its budget is given back already: while the record waits for a store, the file must not stay in memory.
        let kept = original.filter(|_| self.keep_original);
        let bytes = kept.as_ref().map_or(0, |kept| kept.bytes.len() as u64);
        let attempt = || {
            let (places, upload, error) = (self.destinations.clone(), Arc::clone(upload), error.clone());
            let (facts, kept) = (facts.clone(), kept.clone());
            self.blocking(move || {
                places.store.remove(&upload.relative).map_err(|failure| {
                    let detail = format!("an older output remains: {}", failure.detail);
                    failure.with_detail(detail)
                })?;
                let clear = kept.as_ref().map(|kept| kept.bytes.as_slice());
                places.quarantine.record(&upload, &error, facts, clear).map_err(|failure| {
                    let detail = format!("the quarantine record could not be written: {failure}");
                    store_failed(&failure).with_detail(detail)
                })
            })
        };
        let breaker = self.breaker.as_deref().map(|breaker| (breaker, bytes));
        let recorded = retrying(Stage::Publish, self.retry, breaker, &self.metrics, attempt).await;
        recorded.err().map(|failure| failure.detail)
    }

    async fn publish(
        &self,
        upload: &Arc<Upload>,
        alone: bool,
        original: &mut Option<Arc<Fetched>>,
        clock: &mut StageClock,
    ) -> PhotoResult<Done> {
        let waiting = self.metrics.waits_for(Stage::Fetch);
        // The file as it came, and about as much for the result.
        let expected_bytes = 2 * upload.version.map_or(0, |version| version.bytes);
        let _encoded = self.encoded.take(expected_bytes.min(2 * self.limits.max_encoded_bytes)).await;
        drop(waiting);
        let Some(fetched) = self.fetch(upload, clock).await? else { return Ok(Done::Gone) };
        let fetched = &*original.insert(fetched);
        self.metrics.moved(Direction::In, fetched.bytes.len() as u64);
        if self.skip_published && self.is_published(upload, fetched).await? {
            return Ok(Done::AlreadyPublished);
        }
        let Some(redacted) = self.redact(upload, fetched, alone, clock).await?.map(Arc::new) else {
            return Ok(Done::NotStarted);
        };
        let thumbnail = self.thumbnail_of(&redacted).await;
        let attempt = || {
            let (places, upload, redacted) = (self.destinations.clone(), Arc::clone(upload), Arc::clone(&redacted));
            let writing = self.blocking(move || places.store.put(&upload.relative, &redacted));
            attempt_within(Stage::Publish, self.limits_of_time.publish, writing)
        };
        let breaker = self.breaker.as_deref().map(|breaker| (breaker, redacted.bytes().len() as u64));
        let put = retrying(Stage::Publish, self.retry, breaker, &self.metrics, attempt);
        // An outage may last for as long as it likes; each attempt has its own limit.
        clock.follow(Stage::Publish, Duration::MAX, put).await?;
        self.metrics.moved(Direction::Out, redacted.bytes().len() as u64);
        let receipt = redacted.receipt().clone();
        let count = |class| receipt.regions.iter().filter(|region| region.class == class).count();
        let pixels = u64::from(receipt.source.width) * u64::from(receipt.source.height);
        Ok(Done::Published(Box::new(Published {
            faces: count(Class::Face),
            plates: count(Class::Plate),
            megapixels: pixels as f64 / 1e6,
            receipt,
            thumbnail,
        })))
    }

    /// The file's bytes, complete; none if it is gone.
    async fn fetch(&self, upload: &Arc<Upload>, clock: &mut StageClock) -> PhotoResult<Option<Arc<Fetched>>> {
        let attempt = || {
            let (upload, limits, settled) = (Arc::clone(upload), self.limits, self.expect_settled);
            let reading = self.blocking(move || read_whole(&upload, &limits, settled));
            attempt_within(Stage::Fetch, self.limits_of_time.fetch, reading)
        };
        let reading = retrying(Stage::Fetch, self.retry, None, &self.metrics, attempt);
        let bytes = clock.follow(Stage::Fetch, Duration::MAX, reading).await?;
        let Some(bytes) = bytes else { return Ok(None) };
        let hashed = self.cpu.run(move || Fetched { sha256: sha256_hex(&bytes), bytes }).await;
        hashed.map(|fetched| Some(Arc::new(fetched))).map_err(|_| ended(Stage::Fetch))
    }

    async fn is_published(&self, upload: &Arc<Upload>, fetched: &Arc<Fetched>) -> PhotoResult<bool> {
        let (places, upload, fetched) = (self.destinations.clone(), Arc::clone(upload), Arc::clone(fetched));
        let pipeline = self.pipeline.clone();
        self.blocking(move || Ok(places.store.holds(&upload.relative, &fetched.sha256, &pipeline))).await
    }

    async fn redact(
        &self,
        upload: &Arc<Upload>,
        fetched: &Arc<Fetched>,
        alone: bool,
        clock: &mut StageClock,
    ) -> PhotoResult<Option<RedactedPhoto>> {
        let (limits, time) = (self.limits, self.limits_of_time);
        let waiting = self.metrics.waits_for(Stage::Open);
        // Closed when the pipeline stops.
        let Ok(_turn) = self.turns.acquire().await else { return Ok(None) };
        self.enter_journal(upload, alone);
        let bytes = Arc::clone(fetched);
        let header = self.cpu.run(move || photo::read_header(&bytes.bytes, &limits)).await;
        let header = header.map_err(|_| ended(Stage::Open)).and_then(|header| header);
        let decoded_bytes = header.as_ref().map_or(0, |header| header.decoded_bytes);
        let _decoded = self.decoded.take(decoded_bytes).await;
        drop(waiting);
        let bytes = Arc::clone(fetched);
        let opening = async {
            let header = header?;
            let photo =
                self.cpu.run(move || photo::open(&bytes.bytes, &limits)).await.map_err(|_| ended(Stage::Open))??;
            Ok((header, photo))
        };
        let (header, photo) = clock.follow(Stage::Open, time.open, opening).await?;
        failpoint::crash_on(upload);
        let photo: SharedPhoto = Arc::new(photo);
        let looking = self.detectors.detect(&photo, &self.policy, &self.cpu);
        let report = clock.follow(Stage::Detect, time.detect, looking).await?;
        let photo = Arc::into_inner(photo).ok_or_else(|| {
            PhotoError::new(Stage::Redact, ErrorCode::InternalError, "a detector still looks at the photo")
        })?;
        let source = SourceFacts {
            sha256: fetched.sha256.clone(),
            bytes: fetched.bytes.len() as u64,
            format: header.format,
            width: header.upright.width,
            height: header.upright.height,
        };
        let (policy, pipeline) = (self.policy, self.pipeline.clone());
        // The clock goes along: redaction is three stages, and tells their times in the receipt.
        let mut inner = std::mem::take(clock);
        let redacting = self.cpu.run(move || {
            let result = redact(photo, source, &report, &policy, &pipeline, &limits, &mut inner);
            (result, report, inner)
        });
        let finished = tokio::time::timeout(time.redact, redacting).await;
        let (result, report, inner) =
            finished.map_err(|_| timed_out(Stage::Redact, time.redact))?.map_err(|_| ended(Stage::Redact))?;
        *clock = inner;
        let redacted = result?;
        for class in Class::REQUIRED {
            self.metrics.found(class, report.detections().iter().filter(|found| found.class == class).count());
        }
        let pixels = header.upright.pixels() as f64;
        let area: u64 = redacted.receipt().redacted.iter().map(|region| region.rect.area()).sum();
        self.metrics.published(pixels / 1e6, (area as f64 / pixels).min(1.0));
        Ok(Some(redacted))
    }

    /// Only for people to look at: a photo without one is published all the same.
    async fn thumbnail_of(&self, redacted: &Arc<RedactedPhoto>) -> Option<Vec<u8>> {
        let side_px = self.thumbnail_px?;
        let (redacted, limits) = (Arc::clone(redacted), self.limits);
        self.cpu.run(move || thumbnail(&redacted, &limits, side_px)).await.ok()?.ok()
    }

    fn enter_journal(&self, upload: &Upload, alone: bool) {
        if let Some(Err(error)) = self.journal.as_ref().map(|journal| journal.started(upload.key(), alone)) {
            tracing::warn!(%error, "the journal cannot be written; a crash now would be blamed on nobody");
        }
    }

    fn leave_journal(&self, key: crate::source::PhotoKey) {
        if let Some(Err(error)) = self.journal.as_ref().map(|journal| journal.ended(key)) {
            tracing::warn!(%error, "the journal cannot be written; a crash now would be blamed on the innocent");
        }
    }

    /// Work that waits for disks, away from the tasks.
    async fn blocking<T: Send + 'static, E: From<Interrupted> + Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(Interrupted.into()))
    }

    /// Count how a photo ended.
    pub(super) fn count(&self, result: &Result<Done, PhotoError>) {
        self.metrics.photo_ended(match result {
            Ok(Done::Published(_)) => Ended::Published,
            Ok(Done::AlreadyPublished) => Ended::AlreadyPublished,
            Ok(Done::Gone) => Ended::Gone,
            Ok(Done::NotStarted) => return,
            Err(_) => Ended::Quarantined,
        });
        if let Err(error) = result {
            self.metrics.dead_letter(error.code);
        }
    }
}

/// Blocking work that panicked.
struct Interrupted;

impl From<Interrupted> for PhotoError {
    fn from(_: Interrupted) -> Self {
        Self::new(Stage::Publish, ErrorCode::InternalError, "work on disk panicked")
    }
}

impl From<Interrupted> for io::Error {
    fn from(_: Interrupted) -> Self {
        Self::other("work on disk panicked")
    }
}

fn ended(stage: Stage) -> PhotoError {
    PhotoError::new(stage, ErrorCode::InternalError, "the pipeline ended")
}

fn timed_out(stage: Stage, limit: Duration) -> PhotoError {
    PhotoError::new(stage, ErrorCode::TimedOut, format!("expected an end within {} s, found none", limit.as_secs()))
}

/// One attempt of something that may go better the next time.
async fn attempt_within<T>(
    stage: Stage,
    limit: Duration,
    attempt: impl Future<Output = PhotoResult<T>>,
) -> PhotoResult<T> {
    let ended = tokio::time::timeout(limit, attempt).await;
    ended.unwrap_or_else(|_| Err(timed_out(stage, limit).retry_if(true)))
}

/// Read a whole file, but not more than the limit; none if it is gone. With `settled` a file that changes meanwhile is
/// not taken: a part of a photo is no photo.
fn read_whole(upload: &Upload, limits: &Limits, settled: bool) -> PhotoResult<Option<Vec<u8>>> {
    if let Some(problem) = &upload.problem {
        return Err(problem.clone());
    }
    let unreadable = |error: io::Error| PhotoError::unreadable(&error);
    let file = match File::open(&upload.source) {
        Err(error) if settled && error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(unreadable)?,
    };
    let before = file.metadata().map_err(unreadable)?;
    let length = before.len();
    let mut bytes = Vec::with_capacity(usize::try_from(length.min(limits.max_encoded_bytes)).unwrap_or(0));
    // One byte more than allowed tells a file that is too long, or grew.
    (&file).take(limits.max_encoded_bytes.saturating_add(1)).read_to_end(&mut bytes).map_err(unreadable)?;
    limits.check_encoded(length.max(bytes.len() as u64))?;
    if settled {
        let after = file.metadata().map_err(unreadable)?;
        if FileVersion::of(&before) != FileVersion::of(&after) || bytes.len() as u64 != after.len() {
            let detail = format!("expected a complete file, found one that grew or changed from {length} bytes");
            return Err(PhotoError::new(Stage::Fetch, ErrorCode::SourceChanged, detail).retry_if(true));
        }
    }
    Ok(Some(bytes))
}
