//! The record of photos that were not published. Lies beside the output, never under it, readable by its owner alone.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{can_write, remove_if_there, remove_unfinished, with_suffix, write_atomically};
use crate::{
    error::{ErrorCode, PhotoError, Stage},
    source::{PhotoKey, Upload},
};

const RECORD_SUFFIX: &str = ".quarantine.json";

/// The file as it came.
#[derive(Clone, Debug)]
pub struct OriginalFacts {
    pub sha256: String,
    pub bytes: u64,
}

/// What is known of a photo that failed. No pixels, no path.
#[derive(Clone, Debug, Serialize)]
pub struct QuarantineRecord {
    pub schema: u32,
    /// Names the photo in logs.
    pub photo: String,
    pub code: ErrorCode,
    pub stage: Stage,
    pub detail: String,
    pub hint: String,
    /// Of the file as it came; none if it could not be read.
    pub sha256: Option<String>,
    pub bytes: Option<u64>,
}

impl QuarantineRecord {
    #[must_use]
    pub fn new(photo: PhotoKey, error: &PhotoError, original: Option<OriginalFacts>) -> Self {
        let (sha256, bytes) = original.map(|facts| (facts.sha256, facts.bytes)).unzip();
        Self {
            schema: 1,
            photo: photo.to_string(),
            code: error.code,
            stage: error.stage,
            detail: error.detail.clone(),
            hint: error.hint.clone(),
            sha256,
            bytes,
        }
    }
}

/// The quarantine folder.
#[derive(Clone, Debug)]
pub struct Quarantine {
    root: PathBuf,
    keep_original: bool,
}

impl Quarantine {
    #[must_use]
    pub fn new(root: PathBuf, keep_original: bool) -> Self {
        Self { root, keep_original }
    }

    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Record why `upload` was not published; with `quarantine.keep_original` also keep the file as it came, `clear`.
    ///
    /// # Errors
    /// If the record cannot be written; the photo is then only named on the terminal.
    pub fn record(
        &self,
        upload: &Upload,
        error: &PhotoError,
        original: Option<OriginalFacts>,
        clear: Option<&[u8]>,
    ) -> io::Result<()> {
        self.make_root()?;
        let relative = &upload.relative;
        let record = QuarantineRecord::new(upload.key(), error, original);
        let record = serde_json::to_vec_pretty(&record).map_err(io::Error::other)?;
        write_atomically(&self.root.join(with_suffix(relative, RECORD_SUFFIX)), &record, 0o600)?;
        match clear {
            Some(bytes) if self.keep_original => write_atomically(&self.root.join(relative), bytes, 0o600),
            _ => Ok(()),
        }
    }

    /// Whether a file of this many bytes can be written here now. Leaves nothing.
    #[must_use]
    pub fn can_take(&self, bytes: u64) -> bool {
        self.make_root().is_ok() && can_write(&self.root, bytes)
    }

    /// Remove what a process that was killed left unfinished.
    pub fn remove_unfinished(&self) {
        remove_unfinished(&self.root);
    }

    fn make_root(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.root)?;
        // The folder may have been there before, more open.
        fs::set_permissions(&self.root, fs::Permissions::from_mode(0o700))
    }

    /// Forget an older failure of a photo that is published now.
    ///
    /// # Errors
    /// If an old record is there and cannot be removed.
    pub fn clear(&self, relative: &Path) -> io::Result<()> {
        remove_if_there(&self.root.join(with_suffix(relative, RECORD_SUFFIX)))?;
        if self.keep_original { remove_if_there(&self.root.join(relative)) } else { Ok(()) }
    }
}
