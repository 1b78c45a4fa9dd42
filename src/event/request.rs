//! What one record of a message asks of this worker, after routing.

use std::{fmt, sync::Arc};

use super::{Ignored, Location, OutputName};
use crate::{config::stream::RouteConfig, error::PhotoError, kafka::KafkaMessage};

/// One record of a message, and what is to be done about it.
#[derive(Clone, Debug)]
pub struct EventUpload {
    pub message: Arc<KafkaMessage>,
    /// Which of the message's records.
    pub record: u32,
    pub routed: Routed,
}

impl EventUpload {
    /// The route of its photo, if it has one.
    #[must_use]
    pub fn route(&self) -> Option<&RouteConfig> {
        match &self.routed {
            Routed::Redact(request) => Some(&request.route),
            _ => None,
        }
    }
}

/// The answer of the routes to one record.
#[derive(Clone, Debug)]
pub enum Routed {
    Redact(PhotoRequest),
    Ignore(Ignored),
    /// Another region's: not a byte of the photo is fetched here.
    Forward {
        region: String,
        topic: String,
    },
    /// A dead letter; with its owner, if that is known.
    Refuse {
        error: PhotoError,
        owner: Option<Owner>,
    },
}

/// Whose photo it is. Both are safe as parts of a key: letters, digits, `.`, `_` and `-`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Owner {
    pub tenant: String,
    pub project: String,
}

/// A photo to fetch, redact and publish.
#[derive(Clone, Debug)]
pub struct PhotoRequest {
    pub route: Arc<RouteConfig>,
    pub owner: Owner,
    /// Personal: leaves this process only as a keyed hash.
    pub uploader: Option<String>,
    /// The same.
    pub device: Option<String>,
    pub source: SourcePhoto,
    /// The result that is to be replaced; none for an upload.
    pub replaces: Option<OutputName>,
}

/// Exactly one version of one photo, or the present one if the event names none.
#[derive(Clone, PartialEq, Eq)]
pub struct SourcePhoto {
    /// Name of the configured store; none for a signed URL.
    pub store: Option<String>,
    pub location: Location,
    pub version: Option<String>,
    pub etag: Option<String>,
    pub size_bytes: Option<u64>,
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Owner")
    }
}

impl fmt::Debug for SourcePhoto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourcePhoto").field("store", &self.store).finish_non_exhaustive()
    }
}
