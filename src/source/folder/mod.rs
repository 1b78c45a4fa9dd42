//! A folder as a source: the files that are there, then those that arrive, each once for each version of its content.

mod ledger;
mod settle;
mod watch;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::mpsc;

use self::{
    ledger::Ledger,
    watch::{Finder, Found},
};
use super::{Delivered, FileVersion, LowWaterMark, Partition, PhotoKey, Source, SourceEvent, Upload, walk::Tree};
use crate::error::FatalError;

/// Files that are found ahead of the pipeline.
const FOUND_AHEAD: usize = 256;

/// How a folder is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FolderOptions {
    /// A file is taken when it was closed and has not changed for this long.
    pub stable: Duration,
    /// How often to look through the whole folder, for what no event told of: network file systems send none.
    pub rescan: Duration,
    /// End when all files that are there have been delivered.
    pub once: bool,
}

impl Upload {
    /// Names the photo whatever its version.
    fn name_key(&self) -> PhotoKey {
        PhotoKey::of(&self.relative, None)
    }

    /// What cannot be looked at has a version too, so that it is recorded once.
    fn version_or_none(&self) -> FileVersion {
        self.version.unwrap_or(FileVersion { bytes: 0, modified_ns: 0, inode: 0 })
    }
}

/// Files that the finder shall forget to have told of.
type Gone = Arc<Mutex<Vec<PhotoKey>>>;

/// Follows one folder.
#[derive(Debug)]
pub struct FolderSource {
    found: mpsc::Receiver<Found>,
    backlog: Arc<AtomicU64>,
    ledger: Ledger,
    /// Delivered and not done, by offset. Offsets count from the start of the process.
    delivered: BTreeMap<i64, (PhotoKey, FileVersion)>,
    /// Done and not in the ledger yet.
    done: Vec<(PhotoKey, FileVersion)>,
    /// Files that were gone when their turn came, for the finder to forget.
    gone: Gone,
    next_offset: i64,
    assigned: bool,
}

impl FolderSource {
    /// Begin to follow `root`, passing over the folders in `skip`. What is done is remembered in `state_dir`.
    ///
    /// # Errors
    /// If the folder cannot be watched, or the state not be read.
    pub fn open(root: &Path, skip: &[PathBuf], state_dir: &Path, options: FolderOptions) -> Result<Self, FatalError> {
        let root = root.canonicalize().ok().filter(|root| root.is_dir()).ok_or_else(|| {
            FatalError::new(
                format!("expected a folder at `{}`, found none", root.display()),
                "create it, or name another with `--source DIR` or `source.dir`",
            )
        })?;
        let (ledger, done) = Ledger::open(state_dir).map_err(|error| {
            FatalError::new(
                format!("cannot use the ledger in `{}`: {error}", state_dir.display()),
                "restore it; or move it away, and every photo will be redacted again",
            )
        })?;
        let (sender, found) = mpsc::channel(FOUND_AHEAD);
        let backlog = Arc::new(AtomicU64::new(0));
        let gone = Gone::default();
        Finder::start(Tree::new(root, skip), options, done, sender, Arc::clone(&backlog), Arc::clone(&gone))?;
        Ok(Self {
            found,
            backlog,
            ledger,
            delivered: BTreeMap::new(),
            done: Vec::new(),
            gone,
            next_offset: 0,
            assigned: false,
        })
    }
}

impl Source for FolderSource {
    async fn next(&mut self, wants_uploads: bool) -> SourceEvent {
        if !self.assigned {
            self.assigned = true;
            return SourceEvent::Assigned(Partition::ONLY);
        }
        if !wants_uploads {
            return std::future::pending().await;
        }
        loop {
            match self.found.recv().await {
                Some(Found::Upload(upload)) => {
                    let offset = self.next_offset;
                    self.next_offset += 1;
                    self.delivered.insert(offset, (upload.name_key(), upload.version_or_none()));
                    return SourceEvent::Delivered(Delivered { partition: Partition::ONLY, offset, upload });
                }
                Some(Found::Forget(gone)) => {
                    if let Err(error) = self.ledger.forget(&gone) {
                        tracing::warn!(%error, "the ledger could not be shortened");
                    }
                }
                Some(Found::End) => return SourceEvent::End,
                Some(Found::Failed(error)) => return SourceEvent::Failed(error),
                None => {
                    let error = FatalError::new("the folder's watcher ended unexpectedly", "report this");
                    return SourceEvent::Failed(error);
                }
            }
        }
    }

    fn done(&mut self, _partition: Partition, offset: i64) {
        self.done.extend(self.delivered.remove(&offset));
    }

    /// The marks say less than what is done singly: in the ledger no file has to wait for an older one.
    fn commit(&mut self, _marks: &[LowWaterMark]) -> Result<(), String> {
        self.ledger.append(&self.done).map_err(|error| error.to_string())?;
        self.done.clear();
        Ok(())
    }

    fn gone(&mut self, _partition: Partition, offset: i64) {
        if let Some((key, _)) = self.delivered.remove(&offset) {
            self.gone.lock().unwrap_or_else(PoisonError::into_inner).push(key);
        }
    }

    fn backlog(&self) -> u64 {
        self.backlog.load(Ordering::Relaxed) + self.found.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, io::Write as _};

    use super::*;

    const OPTIONS: FolderOptions =
        FolderOptions { stable: Duration::from_millis(100), rescan: Duration::from_secs(3600), once: false };

    struct Place {
        dir: tempfile::TempDir,
    }

    impl Place {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            fs::create_dir(dir.path().join("in")).unwrap();
            Self { dir }
        }

        fn root(&self) -> PathBuf {
            self.dir.path().join("in")
        }

        fn open(&self, options: FolderOptions) -> FolderSource {
            FolderSource::open(&self.root(), &[self.root().join("skipped")], self.dir.path(), options).unwrap()
        }

        fn put(&self, name: &str, bytes: &[u8]) {
            let path = self.root().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
    }

    async fn next_upload(source: &mut FolderSource) -> Option<Upload> {
        loop {
            match source.next(true).await {
                SourceEvent::Delivered(delivered) => return Some(delivered.upload),
                SourceEvent::End => return None,
                SourceEvent::Assigned(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    async fn names(source: &mut FolderSource, count: usize) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for _ in 0..count {
            names.insert(next_upload(source).await.unwrap().relative.to_string_lossy().into_owned());
        }
        names
    }

    fn set<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
        names.map(str::to_owned).into()
    }

    fn finish(source: &mut FolderSource, offsets: &[i64]) {
        for &offset in offsets {
            source.done(Partition::ONLY, offset);
        }
        source.commit(&[]).unwrap();
    }

    #[tokio::test]
    async fn finds_what_is_there_and_what_arrives_in_any_way() {
        let place = Place::new();
        place.put("old.jpg", b"1");
        place.put("deep/er/old.jpg", b"2");
        place.put("skipped/out.jpg", b"3");
        let mut source = place.open(OPTIONS);
        assert_eq!(names(&mut source, 2).await, set(["old.jpg", "deep/er/old.jpg"]));
        // Written, moved in, linked in, in a new folder, and in a folder that is moved in.
        place.put("new.jpg", b"4");
        fs::write(place.dir.path().join("beside.jpg"), b"5").unwrap();
        fs::rename(place.dir.path().join("beside.jpg"), place.root().join("moved.jpg")).unwrap();
        fs::hard_link(place.root().join("moved.jpg"), place.root().join("linked.jpg")).unwrap();
        place.put("fresh/folder/photo.jpg", b"6");
        fs::create_dir(place.dir.path().join("outside")).unwrap();
        fs::write(place.dir.path().join("outside/inner.jpg"), b"7").unwrap();
        fs::rename(place.dir.path().join("outside"), place.root().join("arrived")).unwrap();
        place.put("skipped/more.jpg", b"8");
        let expected = set(["new.jpg", "moved.jpg", "linked.jpg", "fresh/folder/photo.jpg", "arrived/inner.jpg"]);
        assert_eq!(names(&mut source, 5).await, expected);
    }

    #[tokio::test]
    async fn a_file_is_taken_when_closed_and_never_in_between() {
        let place = Place::new();
        let mut source = place.open(OPTIONS);
        let mut file = fs::File::create(place.root().join("slow.jpg")).unwrap();
        file.write_all(b"first half").unwrap();
        file.flush().unwrap();
        // Far longer than it must be stable, but open all the while: what comes next is the other file.
        tokio::time::sleep(OPTIONS.stable * 5).await;
        place.put("quick.jpg", b"x");
        assert_eq!(names(&mut source, 1).await, set(["quick.jpg"]));
        file.write_all(b", second half").unwrap();
        drop(file);
        let upload = next_upload(&mut source).await.unwrap();
        assert_eq!((upload.relative.to_str(), upload.version.unwrap().bytes), (Some("slow.jpg"), 23));
    }

    #[tokio::test]
    async fn restarts_go_on_where_they_were_and_new_versions_come_again() {
        let place = Place::new();
        for name in ["a", "b", "c"] {
            place.put(name, b"1");
        }
        let once = FolderOptions { once: true, ..OPTIONS };
        let mut source = place.open(once);
        assert_eq!(names(&mut source, 3).await, set(["a", "b", "c"]));
        // Done in any order; what is done and not committed is done again, what is gone is not done.
        finish(&mut source, &[2, 0]);
        source.done(Partition::ONLY, 1);
        drop(source);
        let mut source = place.open(once);
        assert_eq!(next_upload(&mut source).await.unwrap().relative.to_str(), Some("b"));
        assert!(next_upload(&mut source).await.is_none());
        source.gone(Partition::ONLY, 0);
        source.commit(&[]).unwrap();
        drop(source);
        let mut source = place.open(once);
        assert_eq!(next_upload(&mut source).await.unwrap().relative.to_str(), Some("b"));
        finish(&mut source, &[0]);
        drop(source);
        place.put("b", b"longer");
        let mut source = place.open(once);
        assert_eq!(next_upload(&mut source).await.unwrap().relative.to_str(), Some("b"));
        assert!(next_upload(&mut source).await.is_none());
    }

    #[tokio::test]
    async fn looking_again_finds_what_no_event_told_of() {
        let place = Place::new();
        // `once` watches nothing; here only the look at the start sees anything.
        let mut source = place.open(FolderOptions { once: true, ..OPTIONS });
        assert!(next_upload(&mut source).await.is_none());
        let mut source = place.open(FolderOptions { rescan: Duration::from_millis(50), ..OPTIONS });
        place.put("late.jpg", b"1");
        assert_eq!(names(&mut source, 1).await, set(["late.jpg"]));
        fs::remove_dir_all(place.root()).unwrap();
        let failed = loop {
            match source.next(true).await {
                SourceEvent::Failed(error) => break error,
                SourceEvent::Assigned(_) => {}
                other => panic!("{other:?}"),
            }
        };
        assert!(failed.message.contains("gone"));
    }
}
