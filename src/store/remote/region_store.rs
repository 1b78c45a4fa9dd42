//! One store of this worker's region, and the small things that are done with it.

use std::{
    fmt,
    hash::{BuildHasher, Hasher, RandomState},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use futures::StreamExt;
use hyper::Method;
use object_store::{
    Attribute, Attributes, GetOptions, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutResult, path::Path,
};

use super::{
    facts::conflict,
    open::{Kind, Opened, open},
    set::StoreLimits,
    trouble::Trouble,
    wire::{About, Wire},
};
use crate::{
    config::stream::{Encryption, StoreConfig},
    error::{ErrorCode, FatalError, PhotoError, PhotoResult, Stage},
};

/// Longest key of the clouds, in bytes.
const MAX_KEY_BYTES: usize = 1024;
/// Start of the keys that this worker writes to find out about a store. No upload has such a key.
pub(super) const OWN_PREFIX: &str = "_obscura/";
/// Receipts and records are far smaller.
pub(super) const MAX_SMALL_BYTES: u64 = 16 << 20;

/// A store that belongs to the worker's region. Only [`super::StoreSet`] makes them. Cheap to clone.
#[derive(Clone)]
pub struct RegionStore(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub name: String,
    pub region: String,
    pub kind: Kind,
    pub store: Arc<dyn ObjectStore>,
    pub wire: Option<Wire>,
    pub encryption: Encryption,
    /// Removal under the condition of an ETag is known to be obeyed.
    pub deletes_by_etag: AtomicBool,
}

/// What can be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Objects carry metadata; without, facts are told from the object and its receipt.
    pub attributes: bool,
    pub deletion: Deletion,
}

/// How an original can be removed so that never its successor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// By version or on a condition that the store itself checks.
    Exact,
    /// By version where the bucket has versions; else the store must show that it obeys conditions
    /// ([`RegionStore::check_exact_deletion`]).
    MustBeShown,
    /// Compared, then removed: a successor that comes within that moment is lost.
    Compared,
}

impl RegionStore {
    pub(super) fn open(config: &StoreConfig, limits: StoreLimits) -> Result<Self, FatalError> {
        let Opened { kind, store, wire } = open(config, limits)?;
        let deletes_by_etag = AtomicBool::new(kind == Kind::S3 { is_amazon: true });
        let (name, region) = (config.name.clone(), config.region.clone());
        let encryption = config.encryption.clone();
        Ok(Self(Arc::new(Inner { name, region, kind, store, wire, encryption, deletes_by_etag })))
    }

    #[cfg(any(test, feature = "failpoints"))]
    pub(super) fn for_tests(name: &str, region: &str, store: Arc<dyn ObjectStore>) -> Self {
        let (name, region, deletes_by_etag) = (name.to_owned(), region.to_owned(), AtomicBool::new(false));
        let encryption = Encryption::Store;
        Self(Arc::new(Inner { name, region, kind: Kind::Any, store, wire: None, encryption, deletes_by_etag }))
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    #[must_use]
    pub fn region(&self) -> &str {
        &self.0.region
    }

    /// What is published here has to be sealed.
    #[must_use]
    pub fn seals(&self) -> bool {
        self.0.encryption == Encryption::Envelope
    }

    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        let deletion = match self.0.kind {
            Kind::Azure | Kind::S3 { is_amazon: true } | Kind::Gcs { is_google: true } => Deletion::Exact,
            Kind::S3 { is_amazon: false } | Kind::Gcs { is_google: false } => {
                if self.0.deletes_by_etag.load(Ordering::Relaxed) { Deletion::Exact } else { Deletion::MustBeShown }
            }
            Kind::Folder(_) => Deletion::Compared,
            #[cfg(any(test, feature = "failpoints"))]
            Kind::Any => Deletion::Compared,
        };
        Capabilities { attributes: !matches!(self.0.kind, Kind::Folder(_)), deletion }
    }

    /// A small object, such as a receipt; none if there is none.
    ///
    /// # Errors
    /// `store_failed`.
    pub async fn get_small(&self, key: &str) -> PhotoResult<Option<Bytes>> {
        let key = self.key(key).map_err(|error| error.at(Stage::Publish))?;
        match self.read(&key, MAX_SMALL_BYTES).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(Trouble::Missing) => Ok(None),
            Err(trouble) => Err(trouble.writing()),
        }
    }

    /// Write an object, whatever lies there.
    ///
    /// # Errors
    /// `store_failed`.
    pub async fn put(&self, key: &str, bytes: Bytes) -> PhotoResult<()> {
        let path = self.key(key).map_err(|error| error.at(Stage::Publish))?;
        let is_json = key.rsplit_once('.').is_some_and(|(_, extension)| extension == "json");
        let content_type = if is_json { "application/json" } else { "application/octet-stream" };
        let attributes = Attributes::from_iter([(Attribute::ContentType, content_type)]);
        self.write(&path, bytes, PutMode::Overwrite, attributes).await.map(drop).map_err(Trouble::writing)
    }

    /// Write an object under a key that has none. One with the same bytes may lie there from an earlier attempt.
    ///
    /// # Errors
    /// `output_conflict` if something else lies there, `store_failed`.
    pub async fn put_once(&self, key: &str, bytes: Bytes) -> PhotoResult<()> {
        let path = self.key(key).map_err(|error| error.at(Stage::Publish))?;
        let attributes = Attributes::from_iter([(Attribute::ContentType, "application/octet-stream")]);
        match self.write(&path, bytes.clone(), PutMode::Create, attributes).await {
            Ok(_) => Ok(()),
            Err(Trouble::Exists) => match self.read(&path, MAX_SMALL_BYTES.max(bytes.len() as u64)).await {
                Ok(there) if there == bytes => Ok(()),
                Ok(_) => Err(conflict("expected nothing or this very object, found another")),
                Err(trouble) => Err(trouble.writing()),
            },
            Err(trouble) => Err(trouble.writing()),
        }
    }

    /// The keys below a prefix that ends at a slash, in order. Of objects that are there now; old versions are not listed.
    ///
    /// # Errors
    /// `store_failed`.
    pub async fn list_below(&self, prefix: &str) -> PhotoResult<Vec<String>> {
        let prefix = (!prefix.is_empty()).then(|| self.key(prefix)).transpose();
        let prefix = prefix.map_err(|error| error.at(Stage::Publish))?;
        let mut keys = Vec::new();
        let mut listed = self.0.store.list(prefix.as_ref());
        while let Some(found) = listed.next().await {
            keys.push(found.map_err(|error| Trouble::of(&error).writing())?.location.as_ref().to_owned());
        }
        keys.sort_unstable();
        Ok(keys)
    }

    /// Remove an object, if it is there.
    ///
    /// # Errors
    /// `store_failed`.
    pub async fn delete(&self, key: &str) -> PhotoResult<()> {
        let key = self.key(key).map_err(|error| error.at(Stage::Publish))?;
        self.remove(&key).await.map_err(Trouble::writing)
    }

    /// Whether the store takes writes now. Leaves nothing behind where this worker may remove.
    pub async fn probe(&self) -> bool {
        let key = probe_key();
        let written = self.write(&key, Bytes::from_static(b"probe"), PutMode::Overwrite, Attributes::new()).await;
        if written.is_ok() && self.remove(&key).await.is_err() {
            tracing::debug!(store = self.name(), "the store takes writes, but a probe could not be removed");
        }
        written.is_ok()
    }

    /// Whether the store answers reads now.
    pub async fn can_read(&self) -> bool {
        if let Kind::Folder(root) = &self.0.kind {
            return root.is_dir();
        }
        let options = GetOptions { head: true, ..GetOptions::default() };
        match self.0.store.get_opts(&probe_key(), options).await {
            Ok(_) => true,
            Err(error) => Trouble::of(&error) == Trouble::Missing,
        }
    }

    /// The key as a path of the store. Only keys that name the same object in every store are taken.
    pub(super) fn key(&self, key: &str) -> PhotoResult<Path> {
        let refused = |found: &str| {
            let detail = format!("expected the key of an object, found {found}");
            PhotoError::new(Stage::Fetch, ErrorCode::SourceRefused, detail)
                .with_hint("keys of photos have no empty, `.` or `..` parts and at most 1024 bytes")
        };
        if key.is_empty() || key.len() > MAX_KEY_BYTES {
            return Err(refused(&format!("{} bytes", key.len())));
        }
        // Parsing drops slashes at the ends, and with them names another object.
        let path = Path::parse(key).ok().filter(|path| path.as_ref() == key);
        let path = path.ok_or_else(|| refused("one with empty, relative or unprintable parts"))?;
        if let Kind::Folder(_) = self.0.kind {
            let is_staging = |(_, end): (&str, &str)| !end.is_empty() && end.bytes().all(|byte| byte.is_ascii_digit());
            if path.filename().and_then(|name| name.split_once('#')).is_some_and(is_staging) {
                return Err(refused("the name of an unfinished file"));
            }
        }
        Ok(path)
    }

    /// The whole of an object of at most `max_bytes`.
    pub(super) async fn read(&self, key: &Path, max_bytes: u64) -> Result<Bytes, Trouble> {
        let failed = |error: object_store::Error| Trouble::of(&error);
        let result = self.0.store.get_opts(key, GetOptions::default()).await.map_err(failed)?;
        let size = result.meta.size;
        if size > max_bytes {
            return Err(Trouble::Permanent(format!("expected at most {max_bytes} bytes, found {size}")));
        }
        let mut bytes = Vec::with_capacity(size as usize);
        let mut stream = result.into_stream();
        while let Some(chunk) = stream.next().await {
            bytes.extend_from_slice(&chunk.map_err(failed)?);
            if bytes.len() as u64 > size {
                break;
            }
        }
        if bytes.len() as u64 == size {
            Ok(bytes.into())
        } else {
            Err(Trouble::Passing("the answer is too short or too long".to_owned()))
        }
    }

    pub(super) async fn write(
        &self,
        key: &Path,
        bytes: Bytes,
        mode: PutMode,
        attributes: Attributes,
    ) -> Result<PutResult, Trouble> {
        let attributes = if self.capabilities().attributes { attributes } else { Attributes::new() };
        let options = PutOptions { mode, attributes, ..PutOptions::default() };
        self.0.store.put_opts(key, bytes.into(), options).await.map_err(|error| Trouble::of(&error))
    }

    pub(super) async fn remove(&self, key: &Path) -> Result<(), Trouble> {
        let removed = match &self.0.wire {
            Some(wire) => {
                let answer = wire.ask(Method::DELETE, About::Object(key), &[], &[]).await?;
                if answer.status.is_success() { Ok(()) } else { Err(answer.trouble()) }
            }
            None => self.0.store.delete(key).await.map_err(|error| Trouble::of(&error)),
        };
        match removed {
            Err(Trouble::Missing) => Ok(()),
            other => other,
        }
    }
}

/// The same for the life of this process, so that probes that may not be removed do not pile up.
fn probe_key() -> Path {
    static KEY: OnceLock<String> = OnceLock::new();
    Path::from(KEY.get_or_init(|| format!("{OWN_PREFIX}probe-{}", random())).as_str())
}

/// 16 letters that nobody else has.
pub(super) fn random() -> String {
    format!("{:016x}", RandomState::new().build_hasher().finish())
}

impl fmt::Debug for RegionStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegionStore")
            .field("name", &self.0.name)
            .field("region", &self.0.region)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn routes_know_what_this_worker_writes_to_find_out() {
        assert_eq!(super::OWN_PREFIX, format!("{}/", crate::event::PROBES));
    }
}
