//! Where results go. Writes are atomic and durable, and a photo is only ever written as a [`RedactedPhoto`].

mod quarantine;
pub mod remote;
mod state;

use std::{
    ffi::OsString,
    fs::{self, File, Permissions},
    io::{self, Read, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

pub use self::{
    quarantine::{OriginalFacts, Quarantine, QuarantineRecord},
    remote::{
        Capabilities, Deletion, FetchedObject, ObjectFacts, Put, RegionStore, Removal, StoreLimits, StoreSet,
        UrlFetcher, UrlRules,
    },
    state::StateDir,
};
use crate::{
    error::{ErrorCode, PhotoError, PhotoResult, Stage, is_transient},
    redact::{RedactedPhoto, sha256_hex},
    trust::{ReceiptWriter, Subject},
};

/// Start of the names of files that are not finished; nothing under such a name is a result.
pub const TEMPORARY_PREFIX: &str = ".obscura-tmp-";
/// No write takes this long.
const MIN_UNFINISHED_AGE: Duration = Duration::from_secs(600);
const RECEIPT_SUFFIX: &str = ".receipt.json";
/// Longest file name of common file systems, in bytes.
const MAX_NAME_BYTES: usize = 255;

/// A folder for redacted photos.
#[derive(Clone, Debug)]
pub struct LocalStore {
    root: PathBuf,
    /// None: no receipts.
    receipts: Option<ReceiptWriter>,
}

impl LocalStore {
    #[must_use]
    pub fn new(root: PathBuf, receipts: Option<ReceiptWriter>) -> Self {
        Self { root, receipts }
    }

    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Write the receipt, then the photo, under `relative`. What stood there is replaced.
    ///
    /// # Errors
    /// `store_failed`.
    pub fn put(&self, relative: &Path, photo: &RedactedPhoto) -> PhotoResult<()> {
        if let Some(writer) = &self.receipts {
            let receipt =
                writer.write(photo.receipt(), &Subject::default()).map_err(|error| store_failed(&error.into()))?;
            let path = self.root.join(with_suffix(relative, RECEIPT_SUFFIX));
            write_atomically(&path, &receipt, 0o666).map_err(|error| store_failed(&error))?;
        }
        write_atomically(&self.root.join(relative), photo.bytes(), 0o666).map_err(|error| store_failed(&error))
    }

    /// Whether `relative` already holds what would be published: its receipt names this source and this pipeline, and the
    /// photo is the one that the receipt names. Without receipts nothing can be told, and the answer is no.
    #[must_use]
    pub fn holds(&self, relative: &Path, source_sha256: &str, pipeline: &str) -> bool {
        if self.receipts.is_none() {
            return false;
        }
        let Some(receipt) = read_receipt(&self.root.join(with_suffix(relative, RECEIPT_SUFFIX))) else { return false };
        receipt["source"]["sha256"] == source_sha256
            && receipt["pipeline"] == pipeline
            && fs::read(self.root.join(relative)).is_ok_and(|photo| receipt["output"]["sha256"] == sha256_hex(&photo))
    }

    /// All receipts of photos that are there, in order of name. One whose name had to be cut is passed over.
    pub fn published_receipts(&self) -> impl Iterator<Item = PublishedReceipt> {
        let files = walkdir::WalkDir::new(&self.root).sort_by_file_name().into_iter().flatten();
        files.filter_map(|file| {
            let name = file.file_name().to_str()?.strip_suffix(RECEIPT_SUFFIX)?;
            let relative = file.path().strip_prefix(&self.root).ok()?.with_file_name(name);
            let pipeline = read_receipt(file.path())?["pipeline"].as_str()?.to_owned();
            self.root.join(&relative).is_file().then_some(PublishedReceipt { relative, pipeline })
        })
    }

    /// Whether a file of this many bytes can be written here now. Leaves nothing.
    #[must_use]
    pub fn can_take(&self, bytes: u64) -> bool {
        can_write(&self.root, bytes)
    }

    /// Remove what a process that was killed left unfinished, anywhere below.
    pub fn remove_unfinished(&self) {
        remove_unfinished(&self.root);
    }

    /// Make sure that the output holds nothing for `relative`, not even an older result.
    ///
    /// # Errors
    /// `store_failed`.
    pub fn remove(&self, relative: &Path) -> PhotoResult<()> {
        remove_if_there(&self.root.join(relative)).map_err(|error| store_failed(&error))?;
        remove_if_there(&self.root.join(with_suffix(relative, RECEIPT_SUFFIX))).map_err(|error| store_failed(&error))
    }
}

/// What the receipt of a published photo says of how it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedReceipt {
    /// Of the photo, below the output folder.
    pub relative: PathBuf,
    /// Names models, thresholds, policy and version.
    pub pipeline: String,
}

fn read_receipt(path: &Path) -> Option<serde_json::Value> {
    fs::read(path).ok().and_then(|json| serde_json::from_slice(&json).ok())
}

/// The error's own text holds no path. Permissions are the operator's to set: until then photos had better wait.
pub(crate) fn store_failed(error: &io::Error) -> PhotoError {
    let may_pass = is_transient(error) || error.kind() == io::ErrorKind::PermissionDenied;
    PhotoError::new(Stage::Publish, ErrorCode::StoreFailed, error.to_string()).retry_if(may_pass)
}

/// Write and remove a file without a name of its own.
fn can_write(folder: &Path, bytes: u64) -> bool {
    let attempt = || {
        fs::create_dir_all(folder)?;
        let mut file = tempfile::Builder::new().prefix(TEMPORARY_PREFIX).tempfile_in(folder)?;
        io::copy(&mut io::repeat(0).take(bytes.max(1)), &mut file)?;
        file.as_file().sync_all()
    };
    attempt().is_ok()
}

fn remove_unfinished(root: &Path) {
    for found in walkdir::WalkDir::new(root).into_iter().flatten() {
        let is_unfinished = found.file_name().to_string_lossy().starts_with(TEMPORARY_PREFIX);
        // Only these are looked at: there may be a million results beside them.
        if !is_unfinished || !found.file_type().is_file() {
            continue;
        }
        // A young one may be another worker's that writes to the same folder.
        let age = found.metadata().ok().and_then(|facts| facts.modified().ok()?.elapsed().ok());
        if age.is_some_and(|age| age >= MIN_UNFINISHED_AGE) {
            // What cannot be removed is no result all the same.
            let _ = fs::remove_file(found.path());
        }
    }
}

/// The name with `suffix` added; a name that would become too long is cut and ends in its hash.
fn with_suffix(relative: &Path, suffix: &str) -> PathBuf {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    let name = relative.file_name().unwrap_or_default().as_bytes();
    let mut with_suffix = name.to_vec();
    if name.len() + suffix.len() > MAX_NAME_BYTES {
        let hash = crate::redact::sha256_hex(name);
        with_suffix.truncate(MAX_NAME_BYTES - suffix.len() - 17);
        with_suffix.extend_from_slice(b"-");
        with_suffix.extend_from_slice(&hash.as_bytes()[..16]);
    }
    with_suffix.extend_from_slice(suffix.as_bytes());
    relative.with_file_name(OsString::from_vec(with_suffix))
}

/// Write under a temporary name in the same folder, flush to disk, rename, flush the folder. After a crash at any
/// point there is the whole file or none.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    fs::create_dir_all(folder)?;
    let mut file = tempfile::Builder::new()
        .prefix(TEMPORARY_PREFIX)
        .permissions(Permissions::from_mode(mode))
        .tempfile_in(folder)
        .map_err(bare)?;
    file.write_all(bytes).map_err(bare)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| bare(error.error))?;
    File::open(folder)?.sync_all()
}

/// The error without the path that some libraries add to it.
fn bare(error: io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => match error.get_ref().and_then(|inner| inner.downcast_ref::<io::Error>()) {
            Some(inner) => inner.raw_os_error().map_or_else(|| inner.kind().into(), io::Error::from_raw_os_error),
            None => error.kind().into(),
        },
    }
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_stay_different_and_short_enough() {
        let (a, b) = (format!("{}a", "x".repeat(254)), format!("{}b", "x".repeat(254)));
        let named = |name: &str| with_suffix(&Path::new("dir").join(name), ".receipt.json");
        assert_ne!(named(&a), named(&b));
        assert!(named(&a).file_name().unwrap().len() <= MAX_NAME_BYTES);
        assert_eq!(named("p.jpg"), Path::new("dir/p.jpg.receipt.json"));
    }

    #[test]
    fn writing_replaces_and_leaves_no_temporary_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b.jpg");
        write_atomically(&path, b"one", 0o666).unwrap();
        write_atomically(&path, b"two", 0o666).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(dir.path().join("a")).unwrap().count(), 1);
    }
}
