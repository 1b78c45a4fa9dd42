//! Reading exactly one version of a photo, whole and undamaged, or not at all.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use futures::StreamExt;
use hyper::HeaderMap;
use object_store::{GetOptions, GetResult, path::Path};

use super::{
    http::AnswerHeaders,
    integrity::{Tag, Verdict, judge},
    open::Kind,
    region_store::RegionStore,
    trouble::{Trouble, source_changed, unreadable},
};
use crate::{
    error::{ErrorCode, PhotoError, PhotoResult, Stage},
    event::{Location, SourcePhoto},
};

/// A photo as its store keeps it.
#[derive(Clone)]
pub struct FetchedObject {
    pub bytes: Bytes,
    /// Without quotation marks.
    pub etag: Option<String>,
    /// Version id or generation, where the store has versions.
    pub version: Option<String>,
}

impl FetchedObject {
    /// The same photo, now named by what was fetched: only that may be removed or moved later.
    #[must_use]
    pub fn pin(&self, photo: &SourcePhoto) -> SourcePhoto {
        SourcePhoto {
            version: self.version.clone(),
            etag: self.etag.clone(),
            size_bytes: Some(self.bytes.len() as u64),
            ..photo.clone()
        }
    }
}

impl fmt::Debug for FetchedObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FetchedObject").field("bytes", &self.bytes.len()).finish_non_exhaustive()
    }
}

/// Which version is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pin {
    pub version: Option<String>,
    pub etag: Option<String>,
}

impl Pin {
    pub fn new(version: Option<&str>, etag: Option<&str>) -> Self {
        // `null` is what S3 calls the version of a bucket without versions; its successor has the same name.
        let version = version.filter(|version| !version.is_empty() && *version != "null");
        Self { version: version.map(str::to_owned), etag: etag.and_then(bare) }
    }

    pub fn of(photo: &SourcePhoto) -> Self {
        Self::new(photo.version.as_deref(), photo.etag.as_deref())
    }
}

pub(super) fn quoted(etag: &str) -> String {
    format!("\"{etag}\"")
}

/// Without quotation marks.
fn bare(etag: &str) -> Option<String> {
    let bare = etag.strip_prefix("W/").unwrap_or(etag).trim_matches('"');
    (!bare.is_empty()).then(|| bare.to_owned())
}

impl RegionStore {
    /// Fetch the version that `photo` names, or the present one if it names none: one answer tells which that is and what
    /// is in it, so that nobody has to ask before.
    ///
    /// # Errors
    /// `source_changed` if that version is not there any more but another is, `source_missing`, `source_refused` for keys
    /// that no photo has, `encoded_too_large` above `max_bytes`, `unreadable` for failures of the store; those that may
    /// pass are transient.
    pub async fn fetch(&self, photo: &SourcePhoto, max_bytes: u64) -> PhotoResult<FetchedObject> {
        let key = self.key_of(photo)?;
        if let Some(size) = photo.size_bytes.filter(|size| *size > max_bytes) {
            return Err(too_large(size, max_bytes));
        }
        if let Kind::Folder(root) = &self.0.kind {
            stays_inside(root, key.as_ref()).await?;
        }
        let pin = Pin::of(photo);
        let pin = self.resolved(&key, pin).await?;
        self.read_pinned(&key, &pin, max_bytes).await
    }

    pub(super) fn key_of(&self, photo: &SourcePhoto) -> PhotoResult<Path> {
        match &photo.location {
            Location::Object { key, .. } => self.key(key),
            Location::Url(_) => {
                Err(PhotoError::new(Stage::Fetch, ErrorCode::InternalError, "a signed URL is no object of a store"))
            }
        }
    }

    /// What is there now.
    pub(super) async fn present(&self, key: &Path) -> Result<Pin, Trouble> {
        let options = GetOptions { head: true, ..GetOptions::default() };
        let meta = self.0.store.get_opts(key, options).await.map_err(|error| Trouble::of(&error))?.meta;
        Ok(Pin::new(meta.version.as_deref(), meta.e_tag.as_deref()))
    }

    /// Google's tags are others in events than in answers, and folders have no versions: there, what is given has to agree
    /// with what is found.
    pub(super) async fn resolved(&self, key: &Path, pin: Pin) -> PhotoResult<Pin> {
        match (&self.0.kind, &pin) {
            (Kind::Gcs { .. }, Pin { version: None, etag: Some(etag) }) => {
                let present = self.present(key).await.map_err(Trouble::reading)?;
                if present.etag.as_ref() == Some(etag) { Ok(present) } else { Err(source_changed()) }
            }
            (Kind::Gcs { .. }, _) => Ok(Pin { etag: None, ..pin }),
            (Kind::Folder(_), Pin { version: Some(_), .. }) => {
                Err(PhotoError::new(Stage::Fetch, ErrorCode::SourceRefused, "expected no version, a folder keeps none"))
            }
            _ => Ok(pin),
        }
    }

    async fn read_pinned(&self, key: &Path, pin: &Pin, max_bytes: u64) -> PhotoResult<FetchedObject> {
        let if_match = match pin {
            Pin { version: Some(_), .. } => None,
            Pin { etag, .. } => etag.as_deref().map(quoted),
        };
        let options = GetOptions { version: pin.version.clone(), if_match, ..GetOptions::default() };
        let result = match self.0.store.get_opts(key, options).await.map_err(|error| Trouble::of(&error)) {
            Ok(result) => result,
            // Some stores say so of an object that is not there.
            Err(Trouble::Changed) if self.present(key).await == Err(Trouble::Missing) => {
                return Err(Trouble::Missing.reading());
            }
            Err(trouble) => return Err(trouble.reading()),
        };
        let found = Pin::new(result.meta.version.as_deref(), result.meta.e_tag.as_deref());
        // A store that does not know a condition answers with whatever is there; one that does, and still names another
        // version, sent a damaged answer.
        let is_meant = match (&pin.version, &pin.etag) {
            (Some(version), _) if found.version.is_some() => found.version.as_ref() == Some(version),
            (_, Some(etag)) => found.etag.as_ref() == Some(etag),
            (Some(_), None) => false,
            (None, None) => true,
        };
        if !is_meant {
            return Err(source_changed().retry_if(true));
        }
        let size = result.meta.size;
        if size > max_bytes {
            return Err(too_large(size, max_bytes));
        }
        let headers = result.extensions.get::<AnswerHeaders>().map(|headers| Arc::clone(&headers.0));
        let bytes = collect(result, size).await?;
        let tag = match self.0.kind {
            Kind::S3 { is_amazon: true } => Tag::Amazon,
            Kind::S3 { is_amazon: false } => Tag::Compatible,
            _ => Tag::Nothing,
        };
        check(headers, tag, bytes.clone()).await?;
        Ok(FetchedObject { bytes, etag: found.etag, version: found.version })
    }
}

/// Refuse a body that disagrees with its checksums. Hashing a photo takes milliseconds, which belong to no task's thread.
pub(super) async fn check(headers: Option<Arc<HeaderMap>>, tag: Tag, bytes: Bytes) -> PhotoResult<()> {
    let Some(headers) = headers else { return Ok(()) };
    let judging = tokio::task::spawn_blocking(move || judge(&headers, tag, &bytes));
    match judging.await {
        Ok(Verdict::Sound) => Ok(()),
        Ok(Verdict::Damaged) => Err(unreadable("expected the content that the store's checksum names, found another")
            .with_hint("something on the way damages files, or the store's ETags look like MD5 and are not; see docs/stores.md")
            .retry_if(true)),
        Err(_) => Err(PhotoError::new(Stage::Fetch, ErrorCode::InternalError, "a checksum panicked")),
    }
}

async fn collect(result: GetResult, size: u64) -> PhotoResult<Bytes> {
    let wrong_length = || unreadable("expected a body of the length that was announced, found another").retry_if(true);
    let mut bytes = Vec::with_capacity(size as usize);
    let mut stream = result.into_stream();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|error| Trouble::of(&error).reading())?;
        if bytes.len() as u64 + chunk.len() as u64 > size {
            return Err(wrong_length());
        }
        bytes.extend_from_slice(&chunk);
    }
    if bytes.len() as u64 == size { Ok(bytes.into()) } else { Err(wrong_length()) }
}

/// A link in the folder must not lead to what lies outside.
async fn stays_inside(root: &std::path::Path, key: &str) -> PhotoResult<()> {
    let (root, path) = (root.to_owned(), root.join(key));
    let real = tokio::task::spawn_blocking(move || path.canonicalize()).await;
    match real {
        Ok(Ok(real)) if real.starts_with(&root) => Ok(()),
        Ok(Ok(_)) => Err(PhotoError::new(
            Stage::Fetch,
            ErrorCode::SourceRefused,
            "expected a file in the folder, found a link that leads out of it",
        )),
        Ok(Err(error)) => Err(Trouble::of_io(&error).reading()),
        Err(_) => Err(PhotoError::new(Stage::Fetch, ErrorCode::InternalError, "work on disk panicked")),
    }
}

pub(super) fn too_large(size: u64, max_bytes: u64) -> PhotoError {
    let detail = format!("expected at most {max_bytes} bytes, found {size}");
    PhotoError::new(Stage::Fetch, ErrorCode::EncodedTooLarge, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_lose_their_marks_and_null_is_no_version() {
        let pin = Pin::new(Some("null"), Some("\"abc\""));
        assert_eq!(pin, Pin { version: None, etag: Some("abc".into()) });
        assert_eq!(Pin::new(Some(""), Some("W/\"x\"")), Pin { version: None, etag: Some("x".into()) });
        assert_eq!(Pin::new(None, Some("\"\"")), Pin { version: None, etag: None });
    }
}
