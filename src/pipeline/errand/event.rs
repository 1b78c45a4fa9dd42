//! From store to store, because an event told of an upload.
//!
//! What is published already is only brought to its end, so a delivery that comes twice, to whichever worker, leaves one
//! photo and one receipt.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::future::BoxFuture;
use serde_json::json;

use super::{Begin, Fetched, Workshop, stream::StreamPlaces};
use crate::{
    config::stream::Originals,
    error::{ErrorCode, PhotoError, PhotoResult, Stage},
    event::{
        EventUpload, FORWARDED_HEADER, Location, OutputName, PhotoRequest, RECORD_HEADER, Revision, Routed, SourcePhoto,
    },
    kafka::KafkaMessage,
    pipeline::{clock::StageClock, job::Done},
    source::{Origin, Upload},
    store::remote::{ObjectFacts, Present},
    trust::{Subject, audit::Action},
};

pub(in crate::pipeline) struct EventErrand {
    pub(super) places: Arc<StreamPlaces>,
    pub(super) upload: Arc<Upload>,
    /// Once its version is known.
    pinned: Option<Pinned>,
    /// The result that is replaced, once it was looked at.
    pub(super) replacing: Option<Present>,
    /// Exactly what was fetched, for a photo of which the event told no version.
    fetched: Option<SourcePhoto>,
}

/// One version of one photo, and where its result goes.
pub(super) struct Pinned {
    pub(super) source: SourcePhoto,
    pub(super) output: OutputName,
    pub(super) output_key: String,
}

impl EventErrand {
    pub(super) fn new(places: Arc<StreamPlaces>, upload: Arc<Upload>) -> Self {
        Self { places, upload, pinned: None, replacing: None, fetched: None }
    }

    pub(super) fn event(&self) -> PhotoResult<&EventUpload> {
        match &self.upload.origin {
            Origin::Event(event) => Ok(event),
            Origin::File(_) => Err(defect("expected an event, found a file")),
        }
    }

    pub(super) fn request(&self) -> PhotoResult<&PhotoRequest> {
        match &self.event()?.routed {
            Routed::Redact(request) => Ok(request),
            _ => Err(defect("expected a photo, found an event without one")),
        }
    }

    pub(super) fn pinned(&self) -> PhotoResult<&Pinned> {
        self.pinned.as_ref().ok_or_else(|| defect("expected a pinned photo, found none"))
    }

    /// Who sent the photo, as pseudonyms.
    pub(super) fn subject<'a>(&'a self, shop: &'a Workshop) -> BoxFuture<'a, PhotoResult<Subject>> {
        Box::pin(async move {
            // The event of the upload is gone; who sent it is what the result that is there tells.
            if let Some(replacing) = &self.replacing {
                return Ok(replacing.facts.subject.clone());
            }
            let request = self.request()?;
            let (uploader, device) = (request.uploader.as_deref(), request.device.as_deref());
            let naming = || async { self.places.pseudonyms.subject(&request.owner.tenant, uploader, device) };
            shop.attempts(Stage::Publish, None, naming).await
        })
    }

    /// Find out what there is to do.
    pub(super) async fn begin(&mut self, shop: &Workshop, clock: &mut StageClock) -> PhotoResult<Begin> {
        let event = self.event()?;
        match &event.routed {
            Routed::Ignore(_) => Ok(Begin::End(Done::Ignored)),
            Routed::Refuse { error, .. } => Err(error.clone()),
            Routed::Forward { topic, region } => {
                let message = Arc::clone(&event.message);
                let headers = self.forwarded_headers(&message, event.record);
                self.send(shop, topic, message.key.as_deref(), &headers, &message.payload).await?;
                self.audit(shop, Action::Forwarded, json!({ "region": region })).await?;
                Ok(Begin::End(Done::Forwarded))
            }
            Routed::Redact(request) => {
                self.check_not_wiped(shop).await?;
                let source = request.source.clone();
                shop.limits.check_encoded(source.size_bytes.unwrap_or(0))?;
                let expected_bytes = source.size_bytes.unwrap_or(shop.limits.max_encoded_bytes);
                if request.replaces.is_some() {
                    return Ok(Begin::Fetch { expected_bytes });
                }
                // Without a revision the name of the result is not known before the photo is.
                if let Some(revision) = Revision::named_in(&source) {
                    let looking = self.pin(shop, source, &revision);
                    if clock.follow(Stage::Fetch, Duration::MAX, looking).await? {
                        return Ok(Begin::End(Done::AlreadyPublished));
                    }
                }
                Ok(Begin::Fetch { expected_bytes })
            }
        }
    }

    /// Nothing is published any more of a project that was wiped.
    pub(super) fn check_not_wiped<'a>(&'a self, shop: &'a Workshop) -> BoxFuture<'a, PhotoResult<()>> {
        Box::pin(async move {
            let (_, breaker) = self.places.store(&self.places.region_store)?;
            shop.attempts(Stage::Publish, Some((breaker, 0)), || self.check_not_wiped_now()).await
        })
    }

    /// Before each attempt to write: however long an outage lasts, nothing is written after a wipe.
    pub(super) async fn check_not_wiped_now(&self) -> PhotoResult<()> {
        let (home, _) = self.places.store(&self.places.region_store)?;
        self.places.tombstones.check(home, &self.request()?.owner).await
    }

    /// The message's own, and what keeps it from going round in circles and its other records from being done twice.
    fn forwarded_headers(&self, message: &KafkaMessage, record: u32) -> Vec<(String, Vec<u8>)> {
        let own = message.headers.iter().filter(|(name, _)| name != FORWARDED_HEADER && name != RECORD_HEADER).cloned();
        let from = (FORWARDED_HEADER.to_owned(), self.places.region.clone().into_bytes());
        own.chain([from, (RECORD_HEADER.to_owned(), record.to_string().into_bytes())]).collect()
    }

    pub(super) async fn fetch(&mut self, shop: &Workshop) -> PhotoResult<Bytes> {
        let source = self.request()?.source.clone();
        self.audit(shop, Action::OriginalRead, json!({})).await?;
        // An event that tells a smaller size than is true must not cost more memory than it told.
        let max_bytes = source.size_bytes.unwrap_or(u64::MAX).min(shop.limits.max_encoded_bytes);
        let fetched = match (&source.store, &source.location) {
            (Some(name), _) => {
                let (store, breaker) = self.places.store(name)?;
                shop.attempts(Stage::Fetch, Some((breaker, 0)), || store.fetch(&source, max_bytes)).await?
            }
            (None, Location::Url(_)) => {
                shop.attempts(Stage::Fetch, None, || self.places.urls.fetch(&source, max_bytes)).await?
            }
            (None, Location::Object { .. }) => return Err(defect("expected a store, found none")),
        };
        // From now on exactly what was fetched: only that may be removed later.
        let exact = fetched.pin(&source);
        match &mut self.pinned {
            Some(pinned) => pinned.source = exact,
            None => self.fetched = Some(exact),
        }
        self.opened(shop, fetched.bytes).await
    }

    /// An original as it was uploaded: one that is taken from a vault may be sealed.
    async fn opened(&self, shop: &Workshop, bytes: Bytes) -> PhotoResult<Bytes> {
        let request = self.request()?;
        let (Some(output), Originals::Move { vault, prefix }) = (&request.replaces, &request.route.originals) else {
            return Ok(bytes);
        };
        let kept = output.original_key(prefix);
        let is_kept = matches!(&request.source.location, Location::Object { key, .. } if *key == kept);
        if request.source.store.as_ref() != Some(vault) || !is_kept {
            return Ok(bytes);
        }
        match self.object_key(shop, vault, &kept).await? {
            Some(object_key) => object_key
                .open(&bytes)
                .map(Bytes::from)
                .map_err(|problem| PhotoError::new(Stage::Fetch, ErrorCode::Unreadable, problem.to_string())),
            None => Ok(bytes),
        }
    }

    /// Look at the result that is to be replaced. Returns whether it is this pipeline's already; it is brought to its end
    /// then.
    async fn look_at_replaced(&mut self, shop: &Workshop, fetched: &Fetched, output: OutputName) -> PhotoResult<bool> {
        let source = self.fetched.take().ok_or_else(|| defect("expected what was fetched, found nothing"))?;
        let (target, breaker) = self.places.store(&self.request()?.route.destination)?;
        let output_key = output.key();
        let found = shop.attempts(Stage::Fetch, Some((breaker, 0)), || target.present_result(&output_key)).await?;
        let Some(found) = found else {
            return Err(conflict_over("expected a result to replace under the output's name, found nothing"));
        };
        if found.facts.source_sha256 != fetched.sha256 {
            return Err(conflict_over("expected the result of this very original, found another's"));
        }
        let is_current = found.facts.pipeline == shop.policy_for(&self.upload).pipeline;
        let output_sha256 = found.facts.output_sha256.clone();
        self.pinned = Some(Pinned { source, output, output_key });
        self.replacing = Some(found);
        if is_current {
            Box::pin(self.finish(shop, Action::AlreadyPublished, &output_sha256, None)).await?;
        }
        Ok(is_current)
    }

    /// Whether the photo's result is there, for one whose name was not known before; it is brought to its end then.
    pub(super) async fn is_published(&mut self, shop: &Workshop, fetched: &Fetched) -> PhotoResult<bool> {
        if self.pinned.is_some() {
            return Ok(false);
        }
        if let Some(output) = self.request()?.replaces.clone() {
            return self.look_at_replaced(shop, fetched, output).await;
        }
        let source = self.fetched.take().ok_or_else(|| defect("expected what was fetched, found nothing"))?;
        let revision = Revision::named_in(&source).unwrap_or_else(|| Revision::Content(fetched.sha256.clone()));
        self.pin(shop, source, &revision).await
    }

    /// Settle the names that belong to this revision, and look whether its result is there.
    async fn pin(&mut self, shop: &Workshop, source: SourcePhoto, revision: &Revision) -> PhotoResult<bool> {
        let request = self.request()?;
        let output = OutputName::new(request, revision);
        let output_key = output.key();
        let (target, breaker) = self.places.store(&request.route.destination)?;
        let found = shop.attempts(Stage::Fetch, Some((breaker, 0)), || target.facts(&output_key)).await?;
        if let Some(found) = &found {
            self.check_same(shop, found, &output)?;
        }
        self.pinned = Some(Pinned { source, output, output_key });
        if let Some(found) = &found {
            Box::pin(self.finish(shop, Action::AlreadyPublished, &found.output_sha256, None)).await?;
        }
        Ok(found.is_some())
    }

    fn check_same(&self, shop: &Workshop, found: &ObjectFacts, output: &OutputName) -> PhotoResult<()> {
        if found.source_identity.as_deref().is_some_and(|identity| identity != output.hash()) {
            return Err(conflict("the result of another photo"));
        }
        if found.pipeline != shop.policy_for(&self.upload).pipeline {
            return Err(conflict("a result by other models, thresholds or policy"));
        }
        Ok(())
    }
}

pub(super) fn defect(detail: &str) -> PhotoError {
    PhotoError::new(Stage::Intake, ErrorCode::InternalError, detail)
}

pub(super) fn conflict(found: &str) -> PhotoError {
    conflict_over(&format!("expected nothing or this very result under the output's name, found {found}"))
}

fn conflict_over(detail: &str) -> PhotoError {
    PhotoError::new(Stage::Publish, ErrorCode::OutputConflict, detail)
}
