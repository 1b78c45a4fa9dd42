//! Publishing, a sequence that can go on from any point: receipt, photo, outcome event acknowledged, original removed as
//! the route asks. Each step may be told to have been done before.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use serde_json::json;

use super::{
    Fetched, Workshop,
    event::{EventErrand, Pinned, conflict, defect},
    outcome::{OutcomeEvent, outcome_event},
};
use crate::{
    config::{Delivery, stream::Originals},
    error::{ErrorCode, PhotoError, PhotoResult, Stage},
    event::PhotoRequest,
    failpoint,
    kafka::SendError,
    redact::RedactedPhoto,
    store::remote::{ObjectFacts, Put, Removal},
    trust::{ObjectKey, audit::Action},
};

impl EventErrand {
    pub(super) async fn publish(
        &self,
        shop: &Workshop,
        fetched: &Fetched,
        redacted: &Arc<RedactedPhoto>,
    ) -> PhotoResult<()> {
        let (request, pinned) = (self.request()?, self.pinned()?);
        let (target, breaker) = self.places.store(&request.route.destination)?;
        let receipt = redacted.receipt();
        let subject = self.subject(shop).await?;
        let json =
            Bytes::from(self.places.receipts.write(receipt, &subject).map_err(|error| defect(&error.to_string()))?);
        let output_sha256 = &receipt.output.sha256;
        let facts = ObjectFacts {
            source_sha256: fetched.sha256.clone(),
            source_identity: Some(pinned.output.hash().to_owned()),
            subject,
            pipeline: receipt.maker.pipeline.clone(),
            output_sha256: output_sha256.clone(),
        };
        failpoint::kill_at("publish:begin");
        let receipt_key = pinned.output.receipt_key(output_sha256);
        let putting = || async {
            self.check_not_wiped_now().await?;
            match &self.replacing {
                // The same bytes may have come out as before: that receipt tells of the former pipeline.
                Some(_) => target.put_receipt_again(&receipt_key, json.clone(), &facts).await.map(|()| Put::Created),
                None => target.put_new(&receipt_key, json.clone(), "application/json", &facts).await,
            }
        };
        let put = shop.attempts(Stage::Publish, Some((breaker, json.len() as u64)), putting).await?;
        // A receipt that is there is of the same result, as its name tells, but tells the times of an earlier attempt.
        let receipt_json = (put == Put::Created).then_some(json);
        failpoint::kill_at("publish:receipt");
        let plain = (redacted.shared_bytes(), receipt.output.format.media_type());
        let (bytes, media_type) = match self.object_key(shop, &request.route.destination, &pinned.output_key).await? {
            Some(key) => (seal(shop, key, plain.0).await?, "application/octet-stream"),
            None => plain,
        };
        let putting = || async {
            self.check_not_wiped_now().await?;
            let (key, bytes) = (&pinned.output_key, bytes.clone());
            match &self.replacing {
                Some(present) => target.replace(key, bytes, media_type, &facts, present).await,
                None => target.put_new(key, bytes, media_type, &facts).await,
            }
        };
        let put = shop.attempts(Stage::Publish, Some((breaker, bytes.len() as u64)), putting).await?;
        failpoint::kill_at("publish:object");
        match put {
            // Somebody was faster.
            Put::AlreadyThere(there) if there.output_sha256 != *output_sha256 => {
                Box::pin(self.finish(shop, Action::AlreadyPublished, &there.output_sha256, None)).await
            }
            Put::Created => {
                let action = if self.replacing.is_some() { Action::Replaced } else { Action::Published };
                Box::pin(self.finish(shop, action, output_sha256, receipt_json)).await
            }
            Put::AlreadyThere(_) => {
                Box::pin(self.finish(shop, Action::AlreadyPublished, output_sha256, receipt_json)).await
            }
        }
    }

    /// The key by which an object is sealed; none where the store needs no sealed objects.
    pub(super) fn object_key<'a>(
        &'a self,
        shop: &'a Workshop,
        store: &'a str,
        key: &'a str,
    ) -> BoxFuture<'a, PhotoResult<Option<ObjectKey>>> {
        Box::pin(async move {
            let (target, breaker) = self.places.store(store)?;
            if !target.seals() {
                return Ok(None);
            }
            let owner = &self.request()?.owner;
            let asking = || async { target.object_key(key, &self.places.project_keys.of(owner)?).await };
            shop.attempts(Stage::Publish, Some((breaker, 0)), asking).await.map(Some)
        })
    }

    /// What comes after the photo is published. The receipt, as JSON, is read where it is not at hand.
    pub(super) async fn finish(
        &self,
        shop: &Workshop,
        action: Action,
        output_sha256: &str,
        receipt: Option<Bytes>,
    ) -> PhotoResult<()> {
        let (request, pinned) = (self.request()?, self.pinned()?);
        let pipeline = &shop.policy_for(&self.upload).pipeline;
        self.audit(shop, action, json!({ "output_sha256": output_sha256, "pipeline": pipeline })).await?;
        if let Some(topic) = &self.places.outcome_topic {
            let (target, breaker) = self.places.store(&request.route.destination)?;
            let receipt_key = pinned.output.receipt_key(output_sha256);
            let receipt = if let Some(receipt) = receipt {
                receipt
            } else {
                let reading = || target.get_small(&receipt_key);
                let found = shop.attempts(Stage::Publish, Some((breaker, 0)), reading).await?;
                match (found, self.places.delivery) {
                    (Some(receipt), _) => receipt,
                    // It is removed once it was told.
                    (None, Delivery::Topic) => return self.settle(shop, request, pinned).await,
                    (None, _) => return Err(conflict("a photo without its receipt")),
                }
            };
            let event = OutcomeEvent {
                region: &self.places.region,
                request,
                subject: &self.subject(shop).await?,
                source: &pinned.source,
                output_key: &pinned.output_key,
                receipt_key: (self.places.delivery != Delivery::Topic).then_some(&receipt_key),
                receipt: (self.places.delivery != Delivery::Object).then_some(&receipt),
                replaces: self.replacing.is_some(),
                output_sha256,
            };
            let (headers, payload) = outcome_event(&event).map_err(|error| defect(&error))?;
            self.send(shop, topic, Some(pinned.output_key.as_bytes()), &headers, &payload).await?;
            failpoint::kill_at("publish:outcome");
            if self.places.delivery == Delivery::Topic {
                let removing = || target.delete(&receipt_key);
                shop.attempts(Stage::Publish, Some((breaker, 0)), removing).await?;
            }
        }
        self.settle(shop, request, pinned).await
    }

    async fn settle(&self, shop: &Workshop, request: &PhotoRequest, pinned: &Pinned) -> PhotoResult<()> {
        self.settle_original(shop, request, pinned).await?;
        failpoint::kill_at("publish:original");
        Ok(())
    }

    async fn settle_original(&self, shop: &Workshop, request: &PhotoRequest, pinned: &Pinned) -> PhotoResult<()> {
        // The route's end of the original came when it was uploaded.
        if request.replaces.is_some() {
            return Ok(());
        }
        // What came by a signed URL is not ours to remove.
        let Some(name) = &pinned.source.store else { return Ok(()) };
        let (source, breaker) = self.places.store(name)?;
        let removal = match &request.route.originals {
            Originals::Keep => return Ok(()),
            Originals::Delete => {
                let removing = || source.delete_original(&pinned.source);
                shop.attempts(Stage::Publish, Some((breaker, 0)), removing).await?
            }
            Originals::Move { vault, prefix } => {
                let (vault, _) = self.places.store(vault)?;
                let key = pinned.output.original_key(prefix);
                let object_key = self.object_key(shop, vault.name(), &key).await?;
                let most_bytes = shop.limits.max_encoded_bytes;
                let moving = || source.move_sealed(&pinned.source, vault, &key, most_bytes, object_key.as_ref());
                shop.attempts(Stage::Publish, Some((breaker, 0)), moving).await?
            }
        };
        match removal {
            Removal::Deleted | Removal::AlreadyGone => {
                let is_moved = matches!(request.route.originals, Originals::Move { .. });
                let action = if is_moved { Action::OriginalMoved } else { Action::OriginalRemoved };
                self.audit(shop, action, json!({})).await
            }
            Removal::Changed => {
                let detail = "expected the version that was redacted, found another";
                Err(PhotoError::new(Stage::Publish, ErrorCode::OriginalNotRemoved, detail))
            }
        }
    }

    /// Until the broker has acknowledged it. While no broker can be reached, that may take as long as it likes.
    pub(super) async fn send(
        &self,
        shop: &Workshop,
        topic: &str,
        key: Option<&[u8]>,
        headers: &[(String, Vec<u8>)],
        payload: &[u8],
    ) -> PhotoResult<()> {
        let sending = || async {
            self.places.producer.send(topic, key, headers, payload).await.map_err(|error: SendError| {
                let detail = format!("the broker did not take a message: {}", error.detail);
                PhotoError::new(Stage::Publish, ErrorCode::StoreFailed, detail)
                    .with_hint("check the topic, its size limit and this worker's rights on it")
                    .retry_if(error.transient)
            })
        };
        let breaker = Some((self.places.broker_breaker.as_ref(), 1));
        shop.attempts_without_limit(Stage::Publish, breaker, sending).await
    }
}

/// Milliseconds of computing, which belong to the cores.
async fn seal(shop: &Workshop, key: ObjectKey, plain: Bytes) -> PhotoResult<Bytes> {
    let sealed = shop.cpu.run(move || key.seal(&plain)).await.map_err(|_| defect("the pipeline ended"))?;
    sealed
        .map(Bytes::from)
        .map_err(|problem| PhotoError::new(Stage::Publish, ErrorCode::StoreFailed, problem.to_string()).retry_if(true))
}
