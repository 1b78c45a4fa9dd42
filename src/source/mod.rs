//! Where uploads come from. A source delivers each upload with its place in a partition, is told how far everything is
//! done, and goes on from there after a restart: at least once, in order within a partition.
//!
//! Two promises tie it to the pipeline: [`Source::next`] loses nothing when its future is dropped, and a
//! [`LowWaterMark`] is only ever committed when everything before it is published or recorded as failed.

mod ack;
mod folder;
mod list;
mod tracker;
mod walk;

use std::{
    fmt,
    path::{Path, PathBuf},
};

pub use self::{
    ack::{Ack, AckGuard, AckSender, Acks, acks},
    folder::{FolderOptions, FolderSource},
    list::{Inputs, ListSource, collect},
    tracker::{AfterDrop, DeliveryId, OffsetTracker},
};
use crate::{
    error::{FatalError, PhotoError},
    event::EventUpload,
};

/// A part of a source with an order of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partition(pub u32);

impl Partition {
    /// That of a source with one order for everything.
    pub const ONLY: Self = Self(0);
}

/// The first offset that is not done: what a restart begins with. Never the last one that is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NextOffset(pub i64);

/// Everything of `partition` before `next` is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LowWaterMark {
    pub partition: Partition,
    pub next: NextOffset,
}

/// What tells one content of a file from another, without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileVersion {
    pub bytes: u64,
    /// Nanoseconds since 1970.
    pub modified_ns: i128,
    /// Differs when a file was replaced by another of the same size and time.
    pub inode: u64,
}

/// Names one version of one photo without telling its name: for logs, records and journals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PhotoKey([u8; 16]);

impl PhotoKey {
    fn of(name: &Path, version: Option<FileVersion>) -> Self {
        use sha2::{Digest, Sha256};
        use std::os::unix::ffi::OsStrExt;
        let mut hash = Sha256::new();
        hash.update(name.as_os_str().as_bytes());
        if let Some(version) = version {
            hash.update([0]);
            hash.update(version.bytes.to_le_bytes());
            hash.update(version.modified_ns.to_le_bytes());
            hash.update(version.inode.to_le_bytes());
        }
        let mut key = [0; 16];
        key.copy_from_slice(&hash.finalize()[..16]);
        Self(key)
    }

    /// From what [`PhotoKey`]'s `Display` wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut key = [0; 16];
        let digits = text.as_bytes();
        if digits.len() != 32 {
            return None;
        }
        for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self(key))
    }
}

impl fmt::Display for PhotoKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// One photo to redact, or what a message said instead of naming one.
#[derive(Clone, Debug)]
pub struct Upload {
    pub origin: Origin,
    /// Its name in the output; for events that name no photo, a name that is theirs alone.
    pub relative: PathBuf,
    /// What the file was when it was found; none if it cannot be looked at, or is none.
    pub version: Option<FileVersion>,
    /// Why it cannot even be read, found while looking for files.
    pub problem: Option<PhotoError>,
}

/// Where an upload comes from.
#[derive(Clone, Debug)]
pub enum Origin {
    File(FilePlace),
    Event(Box<EventUpload>),
}

/// A file and where it stands.
#[derive(Clone, Debug)]
pub struct FilePlace {
    /// Where the bytes are, links resolved.
    pub source: PathBuf,
    /// Where it stands, without resolving the file itself.
    location: PathBuf,
}

impl Upload {
    fn new(source: PathBuf, relative: PathBuf, location: PathBuf, problem: Option<PhotoError>) -> Self {
        let (version, problem) = match (walk::look_at(&source), problem) {
            (Ok(version), problem) => (Some(version), problem),
            (Err(found), problem) => (None, problem.or(Some(found))),
        };
        Self { origin: Origin::File(FilePlace { source, location }), relative, version, problem }
    }

    /// A record of a message, under a name that no other record has.
    #[must_use]
    pub fn of_event(event: EventUpload, name: PathBuf) -> Self {
        Self { origin: Origin::Event(Box::new(event)), relative: name, version: None, problem: None }
    }

    fn location(&self) -> &Path {
        match &self.origin {
            Origin::File(file) => &file.location,
            Origin::Event(_) => Path::new(""),
        }
    }

    /// Names this version of this photo.
    #[must_use]
    pub fn key(&self) -> PhotoKey {
        PhotoKey::of(&self.relative, self.version)
    }
}

/// An upload and its place.
#[derive(Debug)]
pub struct Delivered {
    pub partition: Partition,
    pub offset: i64,
    pub upload: Upload,
}

/// What a source has to say.
#[derive(Debug)]
pub enum SourceEvent {
    /// From now on this partition's uploads come here.
    Assigned(Partition),
    /// From now on they go elsewhere. The source waits for [`Source::release`] before it lets go, but not for ever.
    Revoked(Partition),
    /// They went elsewhere already: nothing of this partition counts any more.
    Lost(Partition),
    Delivered(Delivered),
    /// Nothing more will come.
    End,
    /// The source cannot go on.
    Failed(FatalError),
}

/// A member's place in its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Membership {
    /// How often partitions were shared out anew.
    pub rebalances: u64,
    /// How many are its own.
    pub partitions: u64,
    /// Messages of its partitions behind which its commits are.
    pub lag: u64,
}

/// Yields uploads and remembers what is done.
pub trait Source: Send {
    /// Wait for what comes next: without `wants_uploads` only for what concerns partitions. Nothing is lost if the future
    /// is dropped before it is ready.
    fn next(&mut self, wants_uploads: bool) -> impl Future<Output = SourceEvent> + Send;

    /// Deliver nothing of this partition until it is told otherwise: its window is full.
    fn hold(&mut self, _partition: Partition, _is_held: bool) {}

    /// A revoked partition has come to rest; `mark` is what is left to be committed before letting go of it.
    fn release(&mut self, _partition: Partition, _mark: Option<LowWaterMark>) {}

    /// Commit what is left to commit and leave in order; called once, after the last upload is done.
    fn close(&mut self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }

    /// The upload at this place is done, whatever is before it. For sources that can remember single uploads.
    fn done(&mut self, _partition: Partition, _offset: i64) {}

    /// Remember that everything before these marks is done, and what was told to be done singly. A mark that could not be
    /// kept is given again later.
    ///
    /// # Errors
    /// Why it could not be remembered.
    fn commit(&mut self, marks: &[LowWaterMark]) -> Result<(), String>;

    /// The upload at this place was not there any more. It is not done: should it come back, it is to be delivered again.
    fn gone(&mut self, _partition: Partition, _offset: i64) {}

    /// How many uploads are known to wait before they are delivered.
    fn backlog(&self) -> u64;

    /// Its place in a consumer group, if it is in one.
    fn membership(&self) -> Option<Membership> {
        None
    }

    /// Whether it is known which partitions are its own, be it none.
    fn has_joined(&self) -> bool {
        true
    }
}
