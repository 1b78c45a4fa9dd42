//! Bringing segments into the store, each once, and checkpoints to a topic, where they cannot be taken back.

use std::{io, time::Duration};

use bytes::Bytes;

use super::{
    chain::{Chain, Sealed},
    journal::new_worker,
    log::AuditLog,
    record::Action,
    segment_key,
};
use crate::{
    error::{ErrorCode, FatalError, PhotoError, PhotoResult, Stage},
    kafka::Producer,
    store::remote::RegionStore,
    trust::SigningKey,
};

/// Between attempts while the store is out of reach.
const PAUSE: Duration = Duration::from_secs(5);
/// For what waits when a worker ends; the rest goes with its next start.
const LAST_ATTEMPT: Duration = Duration::from_secs(10);

/// Where a log goes.
#[derive(Clone)]
pub(crate) struct Destination {
    pub store: RegionStore,
    /// Checkpoints go there too.
    pub topic: Option<(Producer, String)>,
}

impl Destination {
    /// Store segments for as long as the worker works.
    pub async fn follow(self, log: AuditLog) {
        loop {
            if let Err(error) = self.store_waiting(&log).await {
                tracing::warn!(%error, "audit segments wait for their store");
                tokio::time::sleep(PAUSE).await;
            }
            log.until_sealed(PAUSE).await;
        }
    }

    /// End the chain and store it, as far as the store takes it now.
    pub async fn end(&self, log: &AuditLog) {
        if let Err(error) = log.stop().await {
            tracing::warn!(%error, "the end of the audit log could not be recorded");
        }
        let stored = tokio::time::timeout(LAST_ATTEMPT, self.store_waiting(log)).await;
        if !matches!(stored, Ok(Ok(()))) {
            tracing::warn!("audit segments are left for the next start");
        }
    }

    async fn store_waiting(&self, log: &AuditLog) -> io::Result<()> {
        for (segment, _) in log.waiting().list()? {
            let sealed = log.waiting().read(segment)?;
            let kept = self.keep(log.worker(), &sealed).await;
            kept.map_err(|error| io::Error::other(error.detail))?;
            log.waiting().forget(segment)?;
        }
        Ok(())
    }

    async fn keep(&self, worker: &str, sealed: &Sealed) -> PhotoResult<()> {
        put_segment(&self.store, worker, sealed.segment, sealed.bytes.clone()).await?;
        if let Some((producer, topic)) = &self.topic {
            let mut lines = sealed.bytes.rsplit(|&byte| byte == b'\n').filter(|line| !line.is_empty());
            let checkpoint = lines.next().unwrap_or_default();
            producer
                .send(topic, Some(worker.as_bytes()), &[], checkpoint)
                .await
                .map_err(|error| PhotoError::new(Stage::Publish, ErrorCode::StoreFailed, error.detail))?;
        }
        Ok(())
    }
}

/// Store a segment under its name, where nothing else may lie.
///
/// # Errors
/// `output_conflict` if something else lies there, `store_failed`.
pub async fn put_segment(store: &RegionStore, worker: &str, segment: u64, bytes: Vec<u8>) -> PhotoResult<()> {
    store.put_once(&segment_key(worker, segment), Bytes::from(bytes)).await
}

/// The chain of a command, which ends with it.
pub struct CommandLog {
    chain: Chain,
    key: SigningKey,
    store: RegionStore,
}

impl CommandLog {
    /// # Errors
    /// If the system gives no random numbers.
    pub fn begin(store: RegionStore, key: SigningKey, command: &str) -> Result<Self, FatalError> {
        let worker = new_worker().map_err(|error| FatalError::new(error.to_string(), "try again later"))?;
        let mut log = Self { chain: Chain::new(worker, 0), key, store };
        log.record(Action::Started, serde_json::json!({ "command": command, "version": env!("CARGO_PKG_VERSION") }))?;
        Ok(log)
    }

    /// # Errors
    /// If the facts are no JSON.
    pub fn record(&mut self, action: Action, facts: serde_json::Value) -> Result<(), FatalError> {
        self.chain.push(action, facts).map_err(|error| FatalError::new(error.to_string(), "report this"))
    }

    /// Store what was recorded so far.
    ///
    /// # Errors
    /// If the store does not take it.
    pub async fn keep(&mut self) -> Result<(), FatalError> {
        let sealed = self.chain.seal(&self.key).map_err(|error| FatalError::new(error.to_string(), "report this"))?;
        let kept = put_segment(&self.store, &self.chain.worker, sealed.segment, sealed.bytes).await;
        kept.map_err(|error| FatalError::new(format!("the audit log takes no records: {}", error.detail), error.hint))?;
        self.chain.go_on();
        Ok(())
    }

    /// # Errors
    /// If the store does not take it.
    pub async fn end(mut self) -> Result<(), FatalError> {
        self.record(Action::Stopped, serde_json::json!({}))?;
        self.keep().await
    }
}
