//! What a worker records of each photo. A record is on disk before the step that follows.

use futures::future::BoxFuture;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::{Workshop, event::EventErrand};
use crate::{
    config::{Config, StreamConfig},
    error::{FatalError, PhotoResult, Stage},
    event::Routed,
    kafka::{Producer, RecordPlace},
    redact::sha256_hex,
    store::remote::StoreSet,
    trust::{
        SigningKey,
        audit::{Action, AuditJournal, AuditLog, Destination, scope},
    },
};

/// The log of this worker, on its way to the store.
pub(super) struct Audit {
    log: AuditLog,
    destination: Destination,
    following: JoinHandle<()>,
}

impl Audit {
    /// None if the configuration asks for none.
    ///
    /// # Errors
    /// If the key, the journal, the store or the topic cannot be used.
    pub async fn open(
        config: &Config,
        stream: &StreamConfig,
        stores: &StoreSet,
        producer: &Producer,
    ) -> Result<Option<Self>, FatalError> {
        let Some(audit) = &stream.audit else { return Ok(None) };
        let key = SigningKey::read(&audit.key_file);
        let key = key.map_err(|error| FatalError::new(error.to_string(), error.hint()))?;
        let store = stores.get(&audit.store).map_err(|error| FatalError::new(error.detail, "see `audit.store`"))?;
        store.check_destination().await?;
        if let Some(topic) = &audit.topic {
            producer.check_topic(topic).await?;
        }
        let state = config.worker.state_dir.as_ref().ok_or_else(|| {
            FatalError::new("expected a folder for the audit log, found none", "name one with `state.dir`")
        })?;
        let hash = sha256_hex(config.to_toml().as_bytes());
        let journal = AuditJournal::open(state, key, audit.interval.as_secs(), &hash).map_err(|error| {
            FatalError::new(
                format!("cannot go on with the audit log in the state folder: {error}"),
                "check permissions and free space; a damaged log is kept for you to look at: move `audit/` away to begin another",
            )
        })?;
        let log = AuditLog::start(journal, audit.interval)?;
        let facts = json!({ "version": env!("CARGO_PKG_VERSION"), "region": stream.region, "config": hash });
        log.record(Action::Started, facts).await.map_err(|error| FatalError::new(error.detail, error.hint))?;
        let topic = audit.topic.clone().map(|topic| (producer.clone(), topic));
        let destination = Destination { store: store.clone(), topic };
        let following = tokio::spawn(destination.clone().follow(log.clone()));
        Ok(Some(Self { log, destination, following }))
    }

    /// Record the end and bring everything into the store.
    pub async fn end(&self) {
        self.following.abort();
        self.destination.end(&self.log).await;
    }
}

impl EventErrand {
    /// Record something of this photo. Nothing goes on before that is done.
    pub(super) fn audit<'a>(
        &'a self,
        shop: &'a Workshop,
        action: Action,
        more: Value,
    ) -> BoxFuture<'a, PhotoResult<()>> {
        Box::pin(async move {
            let Some(audit) = &self.places.audit else { return Ok(()) };
            let event = self.event()?;
            let mut facts = json!({ "record": RecordPlace::new(&event.message, event.record).dead_letter_id() });
            let owner = match &event.routed {
                Routed::Redact(request) => Some(&request.owner),
                Routed::Refuse { owner, .. } => owner.as_ref(),
                Routed::Ignore(_) | Routed::Forward { .. } => None,
            };
            if let Some(owner) = owner {
                facts["scope"] = scope(owner).into();
            }
            if let Ok(pinned) = self.pinned() {
                facts["photo"] = pinned.output.hash().into();
            }
            if let (Some(facts), Value::Object(more)) = (facts.as_object_mut(), more) {
                facts.extend(more);
            }
            let recording = || audit.log.record(action, facts.clone());
            shop.attempts_without_limit(Stage::Publish, None, recording).await
        })
    }
}
