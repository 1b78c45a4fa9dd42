//! The folder in which a worker remembers where it is. One worker at a time.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use crate::error::FatalError;

const LOCK_FILE: &str = "lock";

/// A locked state folder. The lock ends with the process, however that ends.
#[derive(Debug)]
pub struct StateDir {
    path: PathBuf,
    _lock: File,
}

impl StateDir {
    /// Make the folder if it is not there, readable by its owner alone, and lock it.
    ///
    /// # Errors
    /// If it cannot be used, or another worker uses it.
    pub fn open(path: &Path) -> Result<Self, FatalError> {
        let cannot = |error: &io::Error| {
            FatalError::new(
                format!("cannot use the state folder `{}`: {error}", path.display()),
                "choose a folder that this user may write, with `--state-dir` or `state.dir`",
            )
        };
        let lock = make(path).map_err(|error| cannot(&error))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(FatalError::new(
                format!("another worker uses the state folder `{}`", path.display()),
                "stop it first, or give this one folders of its own",
            )),
            Err(TryLockError::Error(error)) => Err(cannot(&error)),
        }
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn make(path: &Path) -> io::Result<File> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
    OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path.join(LOCK_FILE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_worker_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        let first = StateDir::open(&path).unwrap();
        assert!(StateDir::open(&path).unwrap_err().message.contains("another worker"));
        drop(first);
        StateDir::open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    }
}
