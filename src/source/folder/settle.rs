//! Waiting until files are written: a file is ready when whoever wrote it has closed it and it has stayed as it is for a
//! while. Keeps no clock and touches no file itself, so that every order of events can be tested.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use crate::source::FileVersion;

#[derive(Clone, Copy, Debug)]
struct Pending {
    quiet_since: Instant,
    /// Somebody was seen writing and has not closed it.
    open: bool,
    /// As it was when it was last looked at.
    version: Option<FileVersion>,
}

/// The files that are not ready yet.
#[derive(Debug)]
pub(super) struct Settler {
    stable: Duration,
    pending: HashMap<PathBuf, Pending>,
}

impl Settler {
    pub(super) fn new(stable: Duration) -> Self {
        Self { stable, pending: HashMap::new() }
    }

    /// Somebody writes to the file.
    pub(super) fn written(&mut self, path: &Path, now: Instant) {
        self.pending.insert(path.to_owned(), Pending { quiet_since: now, open: true, version: None });
    }

    /// The file was closed, moved here or linked, and is `version` now.
    pub(super) fn closed(&mut self, path: &Path, version: Option<FileVersion>, now: Instant) {
        self.pending.insert(path.to_owned(), Pending { quiet_since: now, open: false, version });
    }

    /// The file was found by looking, unchanged for `age`. Returns whether it is ready at once.
    pub(super) fn found(&mut self, path: &Path, version: Option<FileVersion>, age: Duration, now: Instant) -> bool {
        if self.pending.contains_key(path) {
            return false;
        }
        if age >= self.stable {
            return true;
        }
        let quiet_since = now.checked_sub(age).unwrap_or(now);
        self.pending.insert(path.to_owned(), Pending { quiet_since, open: false, version });
        false
    }

    pub(super) fn gone(&mut self, path: &Path) {
        self.pending.remove(path);
    }

    /// Events were lost: what is still open cannot be known any more, only what stays unchanged.
    pub(super) fn forget_open(&mut self, now: Instant) {
        for pending in self.pending.values_mut().filter(|pending| pending.open) {
            *pending = Pending { quiet_since: now, open: false, version: None };
        }
    }

    /// Take the files that are ready. `look` tells what a file is now, none if it is gone.
    pub(super) fn take_ready(
        &mut self,
        now: Instant,
        mut look: impl FnMut(&Path) -> Option<FileVersion>,
    ) -> Vec<PathBuf> {
        let stable = self.stable;
        let mut ready = Vec::new();
        self.pending.retain(|path, pending| {
            if pending.open || now.saturating_duration_since(pending.quiet_since) < stable {
                return true;
            }
            let version = look(path);
            if version.is_some() && version != pending.version {
                *pending = Pending { quiet_since: now, open: false, version };
                return true;
            }
            // What is gone or is no file is handed on too: whoever takes it looks again.
            ready.push(path.clone());
            false
        });
        ready.sort();
        ready
    }

    /// When the next file can be ready; none if only open ones wait.
    pub(super) fn next_ready(&self) -> Option<Instant> {
        self.pending.values().filter(|pending| !pending.open).map(|pending| pending.quiet_since + self.stable).min()
    }

    pub(super) fn len(&self) -> usize {
        self.pending.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STABLE: Duration = Duration::from_secs(2);

    #[expect(clippy::unnecessary_wraps, reason = "that is how it is asked for")]
    fn version(bytes: u64) -> Option<FileVersion> {
        Some(FileVersion { bytes, modified_ns: 0, inode: 0 })
    }

    #[test]
    fn a_file_is_ready_only_when_closed_and_quiet() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let path = Path::new("a");
        let mut settler = Settler::new(STABLE);
        settler.written(path, at(0));
        assert!(settler.take_ready(at(3600), |_| version(1)).is_empty(), "still open after an hour");
        assert_eq!(settler.next_ready(), None);
        settler.closed(path, version(7), at(3600));
        assert_eq!(settler.next_ready(), Some(at(3602)));
        assert!(settler.take_ready(at(3601), |_| version(7)).is_empty(), "not quiet for long enough");
        assert_eq!(settler.take_ready(at(3602), |_| version(7)), [path]);
        assert_eq!(settler.len(), 0);
    }

    #[test]
    fn a_file_that_grows_unseen_waits_again() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let path = Path::new("a");
        let mut settler = Settler::new(STABLE);
        // Written by another machine: no events, only what a look tells.
        assert!(!settler.found(path, version(1), Duration::ZERO, at(0)));
        assert!(settler.take_ready(at(2), |_| version(2)).is_empty());
        assert!(settler.take_ready(at(3), |_| version(2)).is_empty());
        assert_eq!(settler.take_ready(at(4), |_| version(2)), [path]);
    }

    #[test]
    fn old_files_are_ready_at_once_unless_somebody_writes_them() {
        let now = Instant::now();
        let mut settler = Settler::new(STABLE);
        assert!(settler.found(Path::new("old"), version(1), Duration::from_secs(60), now));
        settler.written(Path::new("open"), now);
        assert!(!settler.found(Path::new("open"), version(1), Duration::from_secs(60), now));
        settler.forget_open(now);
        assert_eq!(settler.next_ready(), Some(now + STABLE), "after lost events, quiet is all there is");
        settler.gone(Path::new("open"));
        assert_eq!(settler.len(), 0);
    }
}
