//! The one shape that all kinds of events are turned into.

use std::fmt;

/// A message as it came, without its place.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    pub headers: &'a [(String, Vec<u8>)],
    pub payload: &'a [u8],
}

/// What one record of a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    Upload(UploadEvent),
    Ignored(Ignored),
}

/// Why a record asks for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ignored {
    /// A store's test of its own configuration.
    TestEvent,
    /// Something was removed.
    Deletion,
    /// Of a kind that is no upload, such as a changed tag or a restored archive.
    OtherKind,
    /// A folder's marker: a name that ends in `/` without content.
    FolderMarker,
    /// What Obscura wrote itself.
    OwnOutput,
    /// Not meant: the message was forwarded or put back for the sake of another of its records.
    OtherRecord,
}

impl Ignored {
    pub const ALL: [Self; 6] =
        [Self::TestEvent, Self::Deletion, Self::OtherKind, Self::FolderMarker, Self::OwnOutput, Self::OtherRecord];

    /// The name as it is written in labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TestEvent => "test_event",
            Self::Deletion => "deletion",
            Self::OtherKind => "other_kind",
            Self::FolderMarker => "folder_marker",
            Self::OwnOutput => "own_output",
            Self::OtherRecord => "other_record",
        }
    }
}

/// A photo has arrived.
#[derive(Clone, PartialEq, Eq)]
pub struct UploadEvent {
    pub tenant: Option<String>,
    pub project: Option<String>,
    /// Who uploaded it. Personal: never logged.
    pub uploader: Option<String>,
    /// What it was taken or sent with. Personal, too.
    pub device: Option<String>,
    /// The region that the event itself names, in the operator's words.
    pub region: Option<String>,
    /// The region that the cloud names, in the cloud's words, such as `eu-central-1`.
    pub cloud_region: Option<String>,
    /// Another region's worker sent it here, so it is not sent on again.
    pub forwarded: bool,
    pub location: Location,
    /// The store's version id (S3, Azure) or generation (GCS).
    pub version: Option<String>,
    /// Without quotation marks.
    pub etag: Option<String>,
    pub size_bytes: Option<u64>,
    /// The result that this photo's new one is to take the place of; none for an upload.
    pub replaces: Option<Replaces>,
}

/// A result by another pipeline, and the route that it was published by.
#[derive(Clone, PartialEq, Eq)]
pub struct Replaces {
    pub route: String,
    pub output_key: String,
}

impl UploadEvent {
    /// A photo of which nothing but its place is known.
    #[must_use]
    pub fn at(location: Location) -> Self {
        Self {
            tenant: None,
            project: None,
            uploader: None,
            device: None,
            region: None,
            cloud_region: None,
            forwarded: false,
            location,
            version: None,
            etag: None,
            size_bytes: None,
            replaces: None,
        }
    }
}

/// Where the photo lies.
#[derive(Clone, PartialEq, Eq)]
pub enum Location {
    /// In a bucket or container; `key` as the store knows it, decoded.
    Object { service: Service, bucket: String, key: String },
    /// Behind a signed URL. A secret: whoever has it has the photo.
    Url(String),
}

/// Which kind of store a bucket belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Service {
    S3,
    /// With the storage account.
    Azure {
        account: String,
    },
    Gcs,
    /// The event names only a bucket; the configuration knows which store it is in.
    Any,
}

/// The message is no upload event that Obscura knows. Told without repeating its content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an upload event, found {found}")]
pub struct UnknownEvent {
    pub found: String,
}

impl UnknownEvent {
    pub(super) fn new(found: impl Into<String>) -> Self {
        Self { found: found.into() }
    }
}

/// Names and keys are not for logs.
impl fmt::Debug for UploadEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UploadEvent").field("size_bytes", &self.size_bytes).finish_non_exhaustive()
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Object { .. } => "Object",
            Self::Url(_) => "Url",
        })
    }
}
