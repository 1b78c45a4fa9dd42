//! What differs between photos: where they come from and where they go. A file goes to a folder, an event's photo from
//! store to store; everything between is the same.

mod audit;
mod dead_letter;
mod event;
mod file;
mod outcome;
mod publish;
mod stream;

use std::sync::Arc;

use bytes::Bytes;

pub use self::{
    dead_letter::{StoredMessage, original_message},
    file::Destinations,
    stream::StreamPlaces,
};
use super::{
    Workshop,
    clock::StageClock,
    job::{Done, Fetched},
};
use crate::{
    error::{PhotoError, PhotoResult},
    redact::RedactedPhoto,
    source::Upload,
};

/// Where photos come from and go to.
pub enum Places {
    Folder(Destinations),
    Stream(Arc<StreamPlaces>),
}

/// One photo on its way.
pub(super) enum Errand {
    File(file::FileErrand),
    Event(event::EventErrand),
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
        let upload = Arc::clone(upload);
        match &shop.places {
            Places::Folder(places) => Self::File(file::FileErrand::new(places.clone(), upload)),
            Places::Stream(places) => Self::Event(event::EventErrand::new(Arc::clone(places), upload)),
        }
    }

    /// Find out what there is to do.
    pub(super) async fn begin(&mut self, shop: &Workshop, clock: &mut StageClock) -> PhotoResult<Begin> {
        match self {
            Self::File(errand) => Ok(errand.begin()),
            Self::Event(errand) => errand.begin(shop, clock).await,
        }
    }

    /// The photo's bytes, complete; none if it is gone.
    pub(super) async fn fetch(&mut self, shop: &Workshop) -> PhotoResult<Option<Bytes>> {
        match self {
            Self::File(errand) => Ok(errand.fetch(shop).await?.map(Bytes::from)),
            Self::Event(errand) => errand.fetch(shop).await.map(Some),
        }
    }

    /// Whether this very result is published already.
    pub(super) async fn is_published(&mut self, shop: &Workshop, fetched: &Fetched) -> PhotoResult<bool> {
        match self {
            Self::File(errand) => errand.is_published(shop, fetched).await,
            Self::Event(errand) => errand.is_published(shop, fetched).await,
        }
    }

    /// Every step of publishing, in order. Each may have been done before.
    pub(super) async fn publish(
        &self,
        shop: &Workshop,
        fetched: &Fetched,
        redacted: &Arc<RedactedPhoto>,
    ) -> PhotoResult<()> {
        match self {
            Self::File(errand) => errand.publish(shop, redacted).await,
            Self::Event(errand) => errand.publish(shop, fetched, redacted).await,
        }
    }

    /// The photo is published: forget what was recorded of it before. Returns what went wrong.
    pub(super) async fn succeeded(&self) -> Option<String> {
        match self {
            Self::File(errand) => errand.succeeded().await,
            // A dead letter of an earlier delivery is history.
            Self::Event(_) => None,
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
            Self::Event(errand) => errand.failed(shop, error).await,
        }
    }
}
