//! The record of photos that were not published. Lies beside the output, never under it, readable by its owner alone.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{remove_if_there, with_suffix, write_atomically};
use crate::error::{ErrorCode, PhotoError, Stage};

const RECORD_SUFFIX: &str = ".quarantine.json";

/// What is known of a photo that failed. No pixels, no path.
#[derive(Clone, Debug, Serialize)]
pub struct QuarantineRecord {
    pub schema: u32,
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
    pub fn new(error: &PhotoError, original: Option<&[u8]>) -> Self {
        Self {
            schema: 1,
            code: error.code,
            stage: error.stage,
            detail: error.detail.clone(),
            hint: error.hint.clone(),
            sha256: original.map(crate::redact::sha256_hex),
            bytes: original.map(|bytes| bytes.len() as u64),
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

    /// Record why `relative` was not published; with `quarantine.keep_original` also keep the file as it came.
    ///
    /// # Errors
    /// If the record cannot be written; the photo is then only named on the terminal.
    pub fn record(&self, relative: &Path, error: &PhotoError, original: Option<&[u8]>) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.root)?;
        // The folder may have been there before, more open.
        fs::set_permissions(&self.root, fs::Permissions::from_mode(0o700))?;
        let record = serde_json::to_vec_pretty(&QuarantineRecord::new(error, original)).map_err(io::Error::other)?;
        write_atomically(&self.root.join(with_suffix(relative, RECORD_SUFFIX)), &record, 0o600)?;
        match original {
            Some(bytes) if self.keep_original => write_atomically(&self.root.join(relative), bytes, 0o600),
            _ => Ok(()),
        }
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
