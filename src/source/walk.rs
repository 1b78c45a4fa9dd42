//! Finding files in a folder, and what each is called in the output. Names are not trusted: everything that is not a
//! folder is an upload, and what cannot be read is one with a problem.

use std::{
    collections::HashSet,
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use walkdir::{DirEntry, WalkDir};

use super::{FileVersion, Upload};
use crate::{
    error::{ErrorCode, PhotoError, Stage},
    store::TEMPORARY_PREFIX,
};

/// A folder to look through, and what to pass over in it.
#[derive(Clone, Debug)]
pub struct Tree {
    /// Links resolved.
    pub root: PathBuf,
    /// Folders that are not looked into, links resolved: outputs, records.
    pub skip: HashSet<PathBuf>,
}

impl Tree {
    #[must_use]
    pub fn new(root: PathBuf, skip: &[PathBuf]) -> Self {
        Self { root, skip: skip.iter().filter_map(|dir| dir.canonicalize().ok()).collect() }
    }

    /// Every file below, in order of name.
    pub fn uploads(&self) -> impl Iterator<Item = Upload> + '_ {
        let wanted = |found: &DirEntry| self.wants(found.path());
        WalkDir::new(&self.root).sort_by_file_name().into_iter().filter_entry(wanted).filter_map(|found| match found {
            Ok(found) if found.file_type().is_dir() => None,
            Ok(found) => self.upload(found.path()),
            Err(error) => {
                let path = error.path().unwrap_or(&self.root).to_owned();
                let problem =
                    PhotoError::unreadable(&error.into_io_error().unwrap_or_else(|| io::ErrorKind::Other.into()));
                Some(Upload::new(path.clone(), self.relative(&path), path, Some(problem)))
            }
        })
    }

    /// The upload at `path`, which lies below the root; none for a folder or what is passed over.
    #[must_use]
    pub fn upload(&self, path: &Path) -> Option<Upload> {
        let below = path.strip_prefix(&self.root).ok()?;
        if below.ancestors().any(|part| !part.as_os_str().is_empty() && !self.wants(&self.root.join(part))) {
            return None;
        }
        match fs::symlink_metadata(path) {
            Ok(facts) if facts.is_dir() => None,
            Ok(facts) if facts.is_symlink() => self.follow(path),
            _ => Some(Upload::new(path.to_owned(), self.relative(path), path.to_owned(), None)),
        }
    }

    fn wants(&self, path: &Path) -> bool {
        let is_unfinished = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(TEMPORARY_PREFIX));
        !is_unfinished && !self.skip.contains(path)
    }

    /// A link to a file inside the folder is that file under another name. A link to a folder inside needs no following.
    fn follow(&self, link: &Path) -> Option<Upload> {
        let found = |source: PathBuf, problem| Some(Upload::new(source, self.relative(link), link.to_owned(), problem));
        match link.canonicalize() {
            Ok(target) if !target.starts_with(&self.root) => {
                let problem = PhotoError::new(
                    Stage::Fetch,
                    ErrorCode::LinkOutsideInput,
                    "expected a link to a file inside the input folder, found one that leads out of it",
                );
                found(link.to_owned(), Some(problem))
            }
            Ok(target) if target.is_dir() => None,
            Ok(target) => found(target, None),
            Err(error) => found(link.to_owned(), Some(PhotoError::unreadable(&error))),
        }
    }

    /// The name below the root; the folder's own name for the root itself.
    fn relative(&self, path: &Path) -> PathBuf {
        relative_to(&self.root, path)
    }
}

/// The name of `path` below `root`, or its last part.
pub(super) fn relative_to(root: &Path, path: &Path) -> PathBuf {
    match path.strip_prefix(root) {
        Ok(relative) if !relative.as_os_str().is_empty() => relative.to_owned(),
        _ => PathBuf::from(path.file_name().unwrap_or_else(|| "input".as_ref())),
    }
}

/// What can be told of a file without reading it.
pub(super) fn look_at(path: &Path) -> Result<FileVersion, PhotoError> {
    match fs::metadata(path) {
        Ok(facts) if facts.is_file() => Ok(FileVersion::of(&facts)),
        Ok(_) => Err(PhotoError::new(
            Stage::Fetch,
            ErrorCode::Unreadable,
            "expected a file, found something else (a pipe, socket or device)",
        )),
        Err(error) => Err(PhotoError::unreadable(&error)),
    }
}

impl FileVersion {
    #[must_use]
    pub fn of(facts: &fs::Metadata) -> Self {
        let modified_ns = i128::from(facts.mtime()) * 1_000_000_000 + i128::from(facts.mtime_nsec());
        Self { bytes: facts.len(), modified_ns, inode: facts.ino() }
    }
}
