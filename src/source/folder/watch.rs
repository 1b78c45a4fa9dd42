//! Finding the files of a folder: those that are there, those that arrive, and by looking again now and then, those
//! that nobody told of.

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
    sync::{
        Arc, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError, sync_channel},
    },
    thread,
    time::{Duration, Instant, SystemTime},
};

use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher,
    event::{AccessKind, AccessMode, CreateKind, ModifyKind, RenameMode},
};
use tokio::sync::mpsc::Sender;

use super::{FolderOptions, Gone, ledger::Done, settle::Settler};
use crate::{
    error::FatalError,
    source::{
        FileVersion, PhotoKey, Upload,
        walk::{Tree, look_at},
    },
};

/// Events that may wait to be looked at. More are dropped, and the folder is looked through again instead.
const MAX_EVENTS: usize = 8192;
/// A new folder is looked through again after these times: its own watch begins only some time after the news of it.
const SECOND_LOOKS: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(3)];
/// How often to see whether anybody still listens.
const PATIENCE: Duration = Duration::from_secs(1);
/// So many files must be gone before the ledger is rid of them, beside a quarter of those it holds.
const MIN_FORGOTTEN: usize = 1000;

/// What the finder tells.
#[derive(Debug)]
pub(super) enum Found {
    Upload(Upload),
    /// These files are gone for good.
    Forget(HashSet<PhotoKey>),
    /// All files that were there have been told, and no more are waited for.
    End,
    Failed(FatalError),
}

/// A file that has been told, or was done before.
#[derive(Clone, Copy, Debug)]
struct Known {
    version: FileVersion,
    /// The last look through the folder that saw it.
    seen: u64,
}

/// Nobody listens any more.
struct Deaf;

pub(super) struct Finder {
    tree: Tree,
    options: FolderOptions,
    found: Sender<Found>,
    backlog: Arc<AtomicU64>,
    gone: Gone,
    known: HashMap<PhotoKey, Known>,
    settler: Settler,
    /// New folders, and when to look through them again.
    revisits: Vec<(Instant, PathBuf)>,
    looks: u64,
}

impl Finder {
    /// Watch the folder, then look through it, on a thread of its own that ends when nobody listens any more.
    ///
    /// # Errors
    /// If the folder cannot be watched.
    pub(super) fn start(
        tree: Tree,
        options: FolderOptions,
        done: Done,
        found: Sender<Found>,
        backlog: Arc<AtomicU64>,
        gone: Gone,
    ) -> Result<(), FatalError> {
        let (sender, events) = sync_channel(MAX_EVENTS);
        let lost = Arc::new(AtomicBool::new(false));
        let watcher = if options.once {
            None
        } else {
            let lost = Arc::clone(&lost);
            // Watched before the first look, so that no file can arrive in between.
            Some(watch(&tree.root, move |event| {
                let is_lost = event.as_ref().map_or(true, Event::need_rescan);
                if is_lost || event.is_ok_and(|event| sender.try_send(event).is_err()) {
                    lost.store(true, Ordering::Release);
                }
            })?)
        };
        let known = done.into_iter().map(|(key, version)| (key, Known { version, seen: 0 })).collect();
        let settler = Settler::new(options.stable);
        let finder = Self { tree, options, found, backlog, gone, known, settler, revisits: Vec::new(), looks: 0 };
        let started = thread::Builder::new().name("finder".into()).spawn(move || {
            // Dropped last: without its watcher the channel of events would be closed.
            let _watcher = watcher;
            let _ = finder.run(&events, &lost);
        });
        started.map(drop).map_err(|error| FatalError::new(format!("cannot start a thread: {error}"), "check limits"))
    }

    fn run(mut self, events: &Receiver<Event>, lost: &AtomicBool) -> Result<(), Deaf> {
        self.look_through()?;
        let mut next_look = Instant::now() + self.options.rescan;
        loop {
            self.tell_ready()?;
            if self.options.once && self.settler.len() == 0 {
                return self.tell(Found::End);
            }
            let now = Instant::now();
            let due = self.settler.next_ready().into_iter().chain(self.revisits.iter().map(|(due, _)| *due));
            let wake = due.min().map_or(next_look, |due| due.min(next_look));
            let wait = wake.saturating_duration_since(now).min(PATIENCE);
            if self.options.once {
                thread::sleep(wait);
            } else {
                match events.recv_timeout(wait) {
                    Ok(event) => self.take(event),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return Err(Deaf),
                }
                while let Ok(event) = events.try_recv() {
                    self.take(event);
                }
            }
            if self.found.is_closed() {
                return Err(Deaf);
            }
            self.revisit();
            let events_were_lost = lost.swap(false, Ordering::AcqRel);
            if events_were_lost {
                tracing::warn!("file events were lost; looking through the folder again");
                self.settler.forget_open(Instant::now());
            }
            if events_were_lost || Instant::now() >= next_look {
                self.look_through()?;
                next_look = Instant::now() + self.options.rescan;
            }
        }
    }

    /// Look at every file of the folder, tell the new ones that are ready, and find out which are gone.
    fn look_through(&mut self) -> Result<(), Deaf> {
        if !self.tree.root.is_dir() {
            return self.give_up();
        }
        self.looks += 1;
        for key in self.gone.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            self.known.remove(&key);
        }
        let tree = self.tree.clone();
        // Only the first look can find so many that somebody wants to know how many are left.
        let is_first = self.looks == 1;
        let waiting = if is_first { tree.uploads().filter(|upload| !self.is_known(upload)).count() } else { 0 };
        let (mut whole, mut any) = (true, false);
        let mut left = waiting as u64;
        for upload in tree.uploads() {
            if upload.location() == self.tree.root {
                return self.give_up();
            }
            whole &= upload.problem.is_none();
            any = true;
            if self.is_known(&upload) {
                self.remember(&upload);
                continue;
            }
            left = left.saturating_sub(1);
            self.backlog.store(left + self.settler.len() as u64, Ordering::Relaxed);
            let version = upload.version;
            if self.settler.found(upload.location(), version, age(version), Instant::now()) {
                self.tell_upload(upload)?;
            }
        }
        // A folder that could not be read hides its files, and one without any may be a mount that is missing.
        if whole && any { self.forget_unseen() } else { Ok(()) }
    }

    /// Without its folder a finder would take every file for gone.
    fn give_up(&self) -> Result<(), Deaf> {
        let problem = FatalError::new(
            "the source folder is gone or cannot be read",
            "mount or create it, check its permissions, then start again",
        );
        self.tell(Found::Failed(problem))?;
        Err(Deaf)
    }

    fn forget_unseen(&mut self) -> Result<(), Deaf> {
        let looks = self.looks;
        let unseen: HashSet<_> =
            self.known.iter().filter(|(_, known)| known.seen < looks).map(|(key, _)| *key).collect();
        if unseen.len() < MIN_FORGOTTEN + self.known.len() / 4 {
            return Ok(());
        }
        self.known.retain(|key, _| !unseen.contains(key));
        self.tell(Found::Forget(unseen))
    }

    fn take(&mut self, event: Event) {
        let now = Instant::now();
        let closed = |settler: &mut Settler, path: &Path| settler.closed(path, look_at(path).ok(), now);
        let Event { kind, paths, .. } = event;
        match (kind, paths.as_slice()) {
            (EventKind::Modify(ModifyKind::Name(RenameMode::Both)), [from, to]) => {
                self.settler.gone(from);
                self.arrived(to, now);
            }
            (EventKind::Modify(ModifyKind::Name(RenameMode::From)) | EventKind::Remove(_), [path]) => {
                self.settler.gone(path);
            }
            (EventKind::Modify(ModifyKind::Name(_)) | EventKind::Create(CreateKind::Folder), [path]) => {
                self.arrived(path, now);
            }
            // A link or a second name of a file is created complete; anything else is about to be written.
            (EventKind::Create(_), [path]) => {
                if is_complete_when_created(path) {
                    self.arrived(path, now);
                } else {
                    self.settler.written(path, now);
                }
            }
            (EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Any), [path]) => self.settler.written(path, now),
            (EventKind::Access(AccessKind::Close(AccessMode::Write)), [path]) => closed(&mut self.settler, path),
            (EventKind::Modify(ModifyKind::Metadata(_)), [path]) => {
                // Perhaps it can be read now. Who writes it keeps it.
                let version = look_at(path).ok();
                if !path.is_dir() && self.settler.found(path, version, Duration::ZERO, now) {
                    closed(&mut self.settler, path);
                }
            }
            _ => {}
        }
    }

    /// A file or folder was moved here, or a folder was made: what it holds may have been there before the watch was.
    fn arrived(&mut self, path: &Path, now: Instant) {
        if !path.is_dir() {
            return self.settler.closed(path, look_at(path).ok(), now);
        }
        self.look_into(path, now);
        self.revisits.extend(SECOND_LOOKS.map(|after| (now + after, path.to_owned())));
    }

    fn look_into(&mut self, folder: &Path, now: Instant) {
        let inside = Tree { root: folder.to_owned(), skip: self.tree.skip.clone() };
        for upload in inside.uploads() {
            self.settler.found(upload.location(), upload.version, Duration::ZERO, now);
        }
    }

    fn revisit(&mut self) {
        let now = Instant::now();
        let (due, later) = std::mem::take(&mut self.revisits).into_iter().partition(|(due, _)| *due <= now);
        self.revisits = later;
        let due: Vec<(Instant, PathBuf)> = due;
        for (_, folder) in due {
            self.look_into(&folder, now);
        }
    }

    fn tell_ready(&mut self) -> Result<(), Deaf> {
        for path in self.settler.take_ready(Instant::now(), |path| look_at(path).ok()) {
            // A file that is gone again leaves nothing to redact.
            if path.symlink_metadata().is_err() {
                continue;
            }
            let Some(upload) = self.tree.upload(&path) else { continue };
            if !self.is_known(&upload) {
                self.tell_upload(upload)?;
            }
        }
        self.backlog.store(self.settler.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    fn is_known(&self, upload: &Upload) -> bool {
        self.known.get(&upload.name_key()).is_some_and(|known| known.version == upload.version_or_none())
    }

    fn remember(&mut self, upload: &Upload) {
        let known = Known { version: upload.version_or_none(), seen: self.looks };
        self.known.insert(upload.name_key(), known);
    }

    fn tell_upload(&mut self, upload: Upload) -> Result<(), Deaf> {
        self.remember(&upload);
        self.tell(Found::Upload(upload))
    }

    fn tell(&self, found: Found) -> Result<(), Deaf> {
        self.found.blocking_send(found).map_err(|_| Deaf)
    }
}

fn watch(
    root: &Path,
    tell: impl FnMut(notify::Result<Event>) + Send + 'static,
) -> Result<RecommendedWatcher, FatalError> {
    let cannot = |error: notify::Error| {
        FatalError::new(
            format!("cannot watch the source folder: {}", notify_text(&error)),
            "raise the limit of watched folders (`sysctl fs.inotify.max_user_watches`), or check permissions",
        )
    };
    let mut watcher = notify::recommended_watcher(tell).map_err(cannot)?;
    watcher.watch(root, RecursiveMode::Recursive).map_err(cannot)?;
    Ok(watcher)
}

/// The error without the paths that it carries.
fn notify_text(error: &notify::Error) -> String {
    match &error.kind {
        notify::ErrorKind::Io(error) => error.to_string(),
        notify::ErrorKind::MaxFilesWatch => "the limit of watched folders is reached".into(),
        other => format!("{other:?}"),
    }
}

fn is_complete_when_created(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    path.symlink_metadata().is_ok_and(|facts| !facts.is_file() || facts.nlink() > 1)
}

/// For how long a file has not changed, as far as its time stamp can be believed.
fn age(version: Option<FileVersion>) -> Duration {
    let Some(version) = version else { return Duration::MAX };
    let now_ns = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |now| now.as_nanos() as i128);
    Duration::from_nanos(u64::try_from((now_ns - version.modified_ns).max(0)).unwrap_or(u64::MAX))
}
