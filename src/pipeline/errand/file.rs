//! From a file to a folder.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{Begin, Fetched, Workshop};
use crate::{
    config::Config,
    error::{ErrorCode, FatalError, PhotoError, PhotoResult, Stage},
    photo::Limits,
    redact::RedactedPhoto,
    source::{FileVersion, Origin, Upload},
    store::{LocalStore, OriginalFacts, Quarantine, store_failed},
    trust::ReceiptWriter,
};

/// Where results go.
#[derive(Clone, Debug)]
pub struct Destinations {
    pub store: LocalStore,
    pub quarantine: Quarantine,
}

impl Destinations {
    /// # Errors
    /// If the key that signs receipts is of no use.
    pub fn open(config: &Config, output_dir: PathBuf) -> Result<Self, FatalError> {
        let quarantine = Quarantine::new(config.quarantine_dir_for(&output_dir), config.keep_original);
        let writer = ReceiptWriter::open(config)?;
        Ok(Self { store: LocalStore::new(output_dir, config.receipts.then_some(writer)), quarantine })
    }

    /// Whether a file of this many bytes can be written now. Blocks.
    pub(in crate::pipeline) fn can_take(&self, bytes: u64) -> bool {
        self.store.can_take(bytes) && self.quarantine.can_take(0)
    }
}

pub(in crate::pipeline) struct FileErrand {
    places: Destinations,
    upload: Arc<Upload>,
}

impl FileErrand {
    pub(super) fn new(places: Destinations, upload: Arc<Upload>) -> Self {
        Self { places, upload }
    }

    pub(super) fn begin(&self) -> Begin {
        Begin::Fetch { expected_bytes: self.upload.version.map_or(0, |version| version.bytes) }
    }

    pub(super) async fn fetch(&self, shop: &Workshop) -> PhotoResult<Option<Vec<u8>>> {
        let attempt = || {
            let (upload, limits, settled) = (Arc::clone(&self.upload), shop.limits, shop.expect_settled);
            blocking(move || read_whole(&upload, &limits, settled))
        };
        shop.attempts(Stage::Fetch, None, attempt).await
    }

    pub(super) async fn is_published(&self, shop: &Workshop, fetched: &Fetched) -> PhotoResult<bool> {
        if !shop.skip_published {
            return Ok(false);
        }
        let (places, upload, sha256) = (self.places.clone(), Arc::clone(&self.upload), fetched.sha256.clone());
        let pipeline = shop.policy.pipeline.clone();
        blocking(move || Ok(places.store.holds(&upload.relative, &sha256, &pipeline))).await
    }

    pub(super) async fn publish(&self, shop: &Workshop, redacted: &Arc<RedactedPhoto>) -> PhotoResult<()> {
        let attempt = || {
            let (places, upload, redacted) = (self.places.clone(), Arc::clone(&self.upload), Arc::clone(redacted));
            blocking(move || places.store.put(&upload.relative, &redacted))
        };
        let breaker = shop.folder_breaker.as_deref().map(|breaker| (breaker, redacted.bytes().len() as u64));
        shop.attempts(Stage::Publish, breaker, attempt).await
    }

    pub(super) async fn succeeded(&self) -> Option<String> {
        let (places, upload) = (self.places.clone(), Arc::clone(&self.upload));
        let cleared = blocking(move || places.quarantine.clear(&upload.relative)).await;
        cleared.err().map(|error| format!("an old quarantine record remains: {error}"))
    }

    pub(super) async fn failed(
        &self,
        shop: &Workshop,
        error: &PhotoError,
        original: Option<Arc<Fetched>>,
    ) -> Option<String> {
        let facts = original
            .as_ref()
            .map(|original| OriginalFacts { sha256: original.sha256.clone(), bytes: original.bytes.len() as u64 });
        // Its budget is given back already: while the record waits for a store, the file must not stay in memory.
        let kept = original.filter(|_| shop.keep_original);
        let bytes = kept.as_ref().map_or(0, |kept| kept.bytes.len() as u64);
        let attempt = || {
            let (places, upload, error) = (self.places.clone(), Arc::clone(&self.upload), error.clone());
            let (facts, kept) = (facts.clone(), kept.clone());
            blocking(move || record(&places, &upload.relative, &upload, &error, facts, kept.as_deref()))
        };
        let breaker = shop.folder_breaker.as_deref().map(|breaker| (breaker, bytes.max(1)));
        let recorded = shop.attempts_without_limit(Stage::Publish, breaker, attempt).await;
        recorded.err().map(|failure| failure.detail)
    }
}

fn record(
    places: &Destinations,
    relative: &Path,
    upload: &Upload,
    error: &PhotoError,
    facts: Option<OriginalFacts>,
    kept: Option<&Fetched>,
) -> PhotoResult<()> {
    places.store.remove(relative).map_err(|failure| {
        let detail = format!("an older output remains: {}", failure.detail);
        failure.with_detail(detail)
    })?;
    let clear = kept.map(|kept| &kept.bytes[..]);
    places.quarantine.record(upload, error, facts, clear).map_err(|failure| {
        let detail = format!("the quarantine record could not be written: {failure}");
        store_failed(&failure).with_detail(detail)
    })
}

/// Work that waits for disks, away from the tasks.
async fn blocking<T: Send + 'static, E: From<Interrupted> + Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, E> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(Interrupted.into()))
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

/// Read a whole file, but not more than the limit; none if it is gone. With `settled` a file that changes meanwhile is
/// not taken: a part of a photo is no photo.
fn read_whole(upload: &Upload, limits: &Limits, settled: bool) -> PhotoResult<Option<Vec<u8>>> {
    if let Some(problem) = &upload.problem {
        return Err(problem.clone());
    }
    let unreadable = |error: io::Error| PhotoError::unreadable(&error);
    let Origin::File(place) = &upload.origin else {
        return Err(PhotoError::new(Stage::Fetch, ErrorCode::InternalError, "expected a file, found an event"));
    };
    let file = match File::open(&place.source) {
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
