//! The way of one photo, from its upload to the store or to quarantine. There is no third way.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{
    Workshop,
    breaker::{Breaker, retrying},
    clock::StageClock,
    engine::Policy,
    errand::{Begin, Errand},
    shadow::{Missed, Shadow},
};
use crate::{
    detect::{Class, Detection, SharedPhoto},
    error::{ErrorCode, PhotoError, PhotoResult, Stage},
    failpoint, photo,
    redact::{Receipt, RedactedPhoto, SourceFacts, redact, sha256_hex, thumbnail},
    source::Upload,
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
    /// The event asks for nothing.
    Ignored,
    /// The photo belongs to another region, whose workers were told.
    Forwarded,
    /// The pipeline stops, or lets go of the partition, and nothing was done with the photo yet.
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
    pub(super) bytes: Bytes,
    pub(super) sha256: String,
}

impl Workshop {
    /// Lead a photo to its end. `alone` tells the journal that nothing else is in work. Before anything is begun that
    /// cannot be stopped, `leave` is asked whether the photo is still this worker's.
    pub(super) async fn process(&self, upload: Arc<Upload>, alone: bool, leave: &AtomicBool) -> Outcome {
        let started = Instant::now();
        let key = upload.key();
        let mut clock = StageClock::default();
        let mut original = None;
        let mut errand = Errand::new(self, &upload);
        let result = self.lead(&upload, &mut errand, alone, leave, &mut original, &mut clock).await;
        for &(stage, spent) in clock.spent() {
            self.metrics.stage(stage, spent);
        }
        let (result, record_problem) = match result {
            Ok(done @ (Done::Published(_) | Done::AlreadyPublished)) => (Ok(done), errand.succeeded().await),
            Ok(done) => (Ok(done), None),
            Err(error) => {
                self.metrics.failed(&error);
                let problem = errand.failed(self, &error, original).await;
                (Err(error), problem)
            }
        };
        // One whose record could not be written is not at its end, and stays under suspicion.
        if result.is_ok() || record_problem.is_none() {
            self.leave_journal(key);
        }
        Outcome { upload, elapsed: started.elapsed(), result, record_problem }
    }

    /// Record a photo as failed without working on it. Returns what went wrong.
    pub(super) async fn condemn(&self, upload: &Arc<Upload>, error: &PhotoError) -> Option<String> {
        self.metrics.failed(error);
        Errand::new(self, upload).failed(self, error, None).await
    }

    /// What could not even be recorded comes again, but not at once: whoever refuses the record had better be left alone.
    pub(super) async fn pause(&self) {
        if !self.turns.is_closed() {
            tokio::time::sleep(self.retry.longest_pause).await;
        }
    }

    async fn lead(
        &self,
        upload: &Arc<Upload>,
        errand: &mut Errand,
        alone: bool,
        leave: &AtomicBool,
        original: &mut Option<Arc<Fetched>>,
        clock: &mut StageClock,
    ) -> PhotoResult<Done> {
        let expected_bytes = match errand.begin(self, clock).await? {
            Begin::Fetch { expected_bytes } => expected_bytes,
            Begin::End(done) => return Ok(done),
        };
        let waiting = self.metrics.waits_for(Stage::Fetch);
        // The file as it came, and about as much for the result.
        let _encoded = self.encoded.take((2 * expected_bytes).min(2 * self.limits.max_encoded_bytes)).await;
        drop(waiting);
        if leave.load(Ordering::Acquire) {
            return Ok(Done::NotStarted);
        }
        let Some(fetched) = self.fetch(errand, clock).await? else { return Ok(Done::Gone) };
        let fetched = &*original.insert(fetched);
        self.metrics.moved(Direction::In, fetched.bytes.len() as u64);
        if errand.is_published(self, fetched).await? {
            return Ok(Done::AlreadyPublished);
        }
        let Some(redacted) = self.redact(upload, fetched, alone, leave, clock).await?.map(Arc::new) else {
            return Ok(Done::NotStarted);
        };
        let thumbnail = self.thumbnail_of(&redacted).await;
        // An outage may last for as long as it likes; each attempt has its own limit.
        clock.follow(Stage::Publish, Duration::MAX, errand.publish(self, fetched, &redacted)).await?;
        self.metrics.moved(Direction::Out, redacted.bytes().len() as u64);
        self.look_again(upload, fetched, &redacted).await;
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

    /// The file's bytes and their hash; none if it is gone.
    async fn fetch(&self, errand: &mut Errand, clock: &mut StageClock) -> PhotoResult<Option<Arc<Fetched>>> {
        let bytes = clock.follow(Stage::Fetch, Duration::MAX, errand.fetch(self)).await?;
        let Some(bytes) = bytes else { return Ok(None) };
        let hashed = self.cpu.run(move || Fetched { sha256: sha256_hex(&bytes), bytes }).await;
        hashed.map(|fetched| Some(Arc::new(fetched))).map_err(|_| ended(Stage::Fetch))
    }

    /// Try `attempt`, each time within the stage's limit, as often as is due.
    pub(super) async fn attempts<T, F: Future<Output = PhotoResult<T>>>(
        &self,
        stage: Stage,
        breaker: Option<(&Breaker, u64)>,
        mut attempt: impl FnMut() -> F,
    ) -> PhotoResult<T> {
        let limits = &self.limits_of_time;
        let limit = if stage == Stage::Fetch { limits.fetch } else { limits.publish };
        self.attempts_without_limit(stage, breaker, || attempt_within(stage, limit, attempt())).await
    }

    /// Try `attempt` as often as is due.
    pub(super) async fn attempts_without_limit<T, F: Future<Output = PhotoResult<T>>>(
        &self,
        stage: Stage,
        breaker: Option<(&Breaker, u64)>,
        attempt: impl FnMut() -> F,
    ) -> PhotoResult<T> {
        retrying(stage, self.retry, breaker, &self.metrics, attempt).await
    }

    async fn redact(
        &self,
        upload: &Arc<Upload>,
        fetched: &Arc<Fetched>,
        alone: bool,
        leave: &AtomicBool,
        clock: &mut StageClock,
    ) -> PhotoResult<Option<RedactedPhoto>> {
        let (limits, time) = (self.limits, self.limits_of_time);
        let waiting = self.metrics.waits_for(Stage::Open);
        // Closed when the pipeline stops.
        let Ok(_turn) = self.turns.acquire().await else { return Ok(None) };
        if leave.load(Ordering::Acquire) {
            return Ok(None);
        }
        let policy = Arc::clone(self.policy_for(upload));
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
            let scale = self.detectors.opening_scale(header.upright);
            let opened = self.cpu.run(move || photo::open_for(&bytes.bytes, &limits, scale)).await;
            Ok((header, opened.map_err(|_| ended(Stage::Open))??))
        };
        let (header, photo) = clock.follow(Stage::Open, time.open, opening).await?;
        failpoint::crash_on(upload, &fetched.sha256);
        let photo: SharedPhoto = Arc::new(photo);
        let looking = self.detectors.detect(&photo, &policy.redaction, &policy.wanted, &self.cpu);
        let mut report = clock.follow(Stage::Detect, time.detect, looking).await?;
        if let Some(shadow) = self.shadow_for(fetched).filter(|shadow| shadow.redacts_again())
            && let Some(missed) = self.second_look(shadow, &photo, report.detections(), &policy).await
            && !missed.detections.is_empty()
        {
            report.add(missed.detections, missed.model);
        }
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
        // The clock goes along: redaction is three stages, and tells their times in the receipt.
        let mut inner = std::mem::take(clock);
        let redacting = self.cpu.run(move || {
            let result = redact(photo, source, &report, &policy.redaction, &policy.maker, &limits, &mut inner);
            (result, report, inner)
        });
        let finished = tokio::time::timeout(time.redact, redacting).await;
        let (result, report, inner) =
            finished.map_err(|_| timed_out(Stage::Redact, time.redact))?.map_err(|_| ended(Stage::Redact))?;
        *clock = inner;
        let redacted = result?;
        for class in Class::ALL {
            self.metrics.found(class, report.detections().iter().filter(|found| found.class == class).count());
        }
        let pixels = header.upright.pixels() as f64;
        let area: u64 = redacted.receipt().redacted.iter().map(|region| region.rect.area()).sum();
        self.metrics.published(pixels / 1e6, (area as f64 / pixels).min(1.0));
        Ok(Some(redacted))
    }

    /// The second look, if the photo is of the sample.
    fn shadow_for(&self, fetched: &Fetched) -> Option<&Shadow> {
        self.shadow.as_ref().filter(|shadow| shadow.takes(&fetched.sha256))
    }

    /// What the first look missed, counted. None if the second one did not come to its end, which is no failure of the
    /// photo.
    async fn second_look(
        &self,
        shadow: &Shadow,
        photo: &SharedPhoto,
        first: &[Detection],
        policy: &Policy,
    ) -> Option<Missed> {
        match Box::pin(shadow.look(photo, first, policy, &self.cpu)).await {
            Ok(missed) => {
                let missed = missed?;
                self.metrics.shadow_checked(missed.detections.iter().map(|found| found.class));
                Some(missed)
            }
            Err(error) => {
                tracing::warn!(code = %error.code, detail = error.detail, "a second look failed");
                None
            }
        }
    }

    /// Look again at what is published, where that changes nothing any more.
    async fn look_again(&self, upload: &Upload, fetched: &Arc<Fetched>, redacted: &RedactedPhoto) {
        let Some(shadow) = self.shadow_for(fetched).filter(|shadow| !shadow.redacts_again()) else { return };
        let first: Vec<Detection> = redacted
            .receipt()
            .regions
            .iter()
            .map(|region| Detection { class: region.class, area: region.rect.into(), score: region.score })
            .collect();
        let (bytes, limits) = (Arc::clone(fetched), self.limits);
        let header = self.cpu.run(move || photo::read_header(&bytes.bytes, &limits)).await;
        let Ok(Ok(header)) = header else { return };
        let _decoded = self.decoded.take(header.decoded_bytes).await;
        let bytes = Arc::clone(fetched);
        if let Ok(Ok(photo)) = self.cpu.run(move || photo::open(&bytes.bytes, &limits)).await {
            let policy = Arc::clone(self.policy_for(upload));
            self.second_look(shadow, &Arc::new(photo), &first, &policy).await;
        }
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

    /// Count how a photo ended.
    pub(super) fn count(&self, result: &Result<Done, PhotoError>) {
        self.metrics.photo_ended(match result {
            Ok(Done::Published(_)) => Ended::Published,
            Ok(Done::AlreadyPublished) => Ended::AlreadyPublished,
            Ok(Done::Gone) => Ended::Gone,
            Ok(Done::Ignored) => Ended::Ignored,
            Ok(Done::Forwarded) => Ended::Forwarded,
            Ok(Done::NotStarted) => return,
            Err(_) => Ended::Quarantined,
        });
        if let Err(error) = result {
            self.metrics.dead_letter(error.code);
        }
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
