//! What differs between photos: where they come from and where they go. A file goes to a folder, an event's photo from
//! store to store; everything between is the same.

mod file;

use std::sync::Arc;

pub use self::file::Destinations;
use super::{
    Workshop,
    clock::StageClock,
    job::{Done, Fetched},
};
use crate::{
    error::{PhotoError, PhotoResult},
    redact::RedactedPhoto,
    source::{Origin, Upload},
};

/// Where photos come from and go to.
pub enum Places {
    Folder(Destinations),
}

/// One photo on its way.
pub(super) enum Errand {
    File(file::FileErrand),
}

/// How a photo's way begins.
pub(super) enum Begin {
    /// With a fetch of about so many bytes.
    Fetch { expected_bytes: u64 },
    /// There is nothing to fetch.
    End(Done),
}

impl Errand {
    pub(super) fn new(shop: &Workshop, upload: &Arc<Upload>) -> Self {
        match (&shop.places, &upload.origin) {
            (Places::Folder(destinations), Origin::File(_) | Origin::Event(_)) => {
                Self::File(file::FileErrand::new(destinations.clone(), Arc::clone(upload)))
            }
        }
    }

    /// Find out what there is to do.
    pub(super) async fn begin(&mut self, _shop: &Workshop, _clock: &mut StageClock) -> PhotoResult<Begin> {
        match self {
            Self::File(errand) => Ok(errand.begin()),
        }
    }

    /// The file's bytes, complete; none if it is gone.
    pub(super) async fn fetch(&self, shop: &Workshop) -> PhotoResult<Option<Vec<u8>>> {
        match self {
            Self::File(errand) => errand.fetch(shop).await,
        }
    }

    /// Whether this very result is published already.
    pub(super) async fn is_published(&self, shop: &Workshop, fetched: &Fetched) -> PhotoResult<bool> {
        match self {
            Self::File(errand) => errand.is_published(shop, fetched).await,
        }
    }

    /// Every step of publishing, in order. Each may have been done before.
    pub(super) async fn publish(&self, shop: &Workshop, redacted: &Arc<RedactedPhoto>) -> PhotoResult<()> {
        match self {
            Self::File(errand) => errand.publish(shop, redacted).await,
        }
    }

    /// The photo is published: forget what was recorded of it before. Returns what went wrong.
    pub(super) async fn succeeded(&self) -> Option<String> {
        match self {
            Self::File(errand) => errand.succeeded().await,
        }
    }

    /// Record why the photo is not published, and make sure that the output holds nothing of it. Returns what went wrong.
    pub(super) async fn failed(
        &self,
        shop: &Workshop,
        error: &PhotoError,
        original: Option<Arc<Fetched>>,
    ) -> Option<String> {
        match self {
            Self::File(errand) => errand.failed(shop, error, original).await,
        }
    }
}
