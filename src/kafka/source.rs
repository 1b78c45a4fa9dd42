//! A member of a consumer group as a source: each record of each message once an epoch, in order within a partition,
//! committed only as far as everything is done.
//!
//! The consumer has a thread of its own that polls and never works, so that the group never takes a slow worker for dead.
//! Between it and the intake each partition has a buffer, bounded in messages and bytes. A full buffer pauses its
//! partition; no partition blocks another.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError},
    thread,
    time::Duration,
};

use tokio::sync::{Notify, oneshot};

use rdkafka::consumer::Consumer;

use super::{
    commit::Committer,
    connection::{buffer_bytes, consumer_config, not_created},
    poll::{self, Commits, Refusal},
    rebalance::{KafkaConsumer, MemberContext},
    state::{Interpret, State},
    stats::KafkaStats,
};
use crate::{
    config::stream::KafkaConfig,
    error::FatalError,
    source::{LowWaterMark, Membership, Partition, Source, SourceEvent},
};

/// How long the last commit may wait for the broker.
const MAX_LAST_COMMIT: Duration = Duration::from_secs(10);
/// How long closing may take, the last commit and leaving the group.
const CLOSE_LIMIT: Duration = Duration::from_secs(20);

/// What the thread and the intake share.
pub(super) struct Shared {
    state: Mutex<State>,
    /// Something changed for the intake.
    pub(super) news: Notify,
    /// Something changed for the thread, while it waits to let go.
    released: Condvar,
    pub(super) commits: Mutex<Commits>,
    /// The client's text about its last error.
    pub(super) last_reason: Mutex<String>,
    pub(super) refusal: Mutex<Option<Refusal>>,
    pub(super) stats: Arc<KafkaStats>,
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn wait<'a>(&self, state: MutexGuard<'a, State>, limit: Duration) -> MutexGuard<'a, State> {
        self.released.wait_timeout(state, limit).unwrap_or_else(PoisonError::into_inner).0
    }
}

/// Follows topics as a member of a group.
pub struct KafkaSource {
    shared: Arc<Shared>,
    interpret: Interpret,
    /// Resolves when the thread has ended.
    ended: Option<oneshot::Receiver<()>>,
}

impl KafkaSource {
    /// Join the group and begin to fetch. A broker that cannot be reached is waited for.
    ///
    /// `interpret` turns a message into its uploads: at least one, at most [`super::MAX_RECORDS`]; it must be quick and
    /// always give the same number for the same message. `drain` is for how long letting go of a partition may wait for
    /// the photos in work, within a third of `max_poll_interval`.
    ///
    /// # Errors
    /// If a file of the configuration cannot be read, or the client does not take it. What the broker does not take is
    /// told by [`SourceEvent::Failed`].
    pub fn start(config: &KafkaConfig, drain: Duration, interpret: Interpret) -> Result<Self, FatalError> {
        let stats = Arc::new(KafkaStats::default());
        let shared = Arc::new(Shared {
            state: Mutex::new(State::new(buffer_bytes(config))),
            news: Notify::new(),
            released: Condvar::new(),
            commits: Mutex::default(),
            last_reason: Mutex::default(),
            refusal: Mutex::default(),
            stats,
        });
        let context = MemberContext {
            shared: Arc::clone(&shared),
            sasl: config.sasl.clone(),
            drain: drain.min(config.max_poll_interval / 3),
            commit_limit: MAX_LAST_COMMIT.min(config.max_poll_interval / 3),
            committer: OnceLock::new(),
        };
        let consumer: KafkaConsumer =
            consumer_config(config)?.create_with_context(context).map_err(|error| not_created(&error))?;
        let consumer = Arc::new(consumer);
        let no_thread = |error| FatalError::new(format!("no thread for Kafka: {error}"), "raise the limit of threads");
        let committer = Committer::start(Arc::downgrade(&consumer)).map_err(no_thread)?;
        // Set once, here.
        let _ = consumer.context().committer.set(committer);
        let topics: Vec<&str> = config.topics.iter().map(String::as_str).collect();
        consumer.subscribe(&topics).map_err(|error| {
            FatalError::new(format!("the topics could not be subscribed to: {error}"), "check `kafka.topics`")
        })?;
        let (end, ended) = oneshot::channel();
        let thread_shared = Arc::clone(&shared);
        thread::Builder::new()
            .name("kafka-consumer".to_owned())
            .spawn(move || {
                poll::run(thread_shared, consumer);
                let _ = end.send(());
            })
            .map_err(no_thread)?;
        Ok(Self { shared, interpret, ended: Some(ended) })
    }

    /// Counts for metrics and readiness.
    #[must_use]
    pub fn stats(&self) -> Arc<KafkaStats> {
        Arc::clone(&self.shared.stats)
    }

    /// Topic and number of the partitions that are this member's now.
    #[must_use]
    pub fn assigned(&self) -> Vec<(String, i32)> {
        self.shared.lock().places()
    }

    /// What the messages take that wait in the partitions' buffers.
    #[must_use]
    pub fn waiting_bytes(&self) -> u64 {
        self.shared.lock().waiting_bytes()
    }

    fn begin_to_close(&self) {
        self.shared.lock().is_closing = true;
        self.shared.released.notify_all();
    }
}

impl Source for KafkaSource {
    fn has_joined(&self) -> bool {
        self.shared.stats.has_joined()
    }

    fn membership(&self) -> Option<Membership> {
        let stats = self.stats();
        let (rebalances, partitions) = (stats.rebalances_total(), stats.assigned_partitions());
        Some(Membership { rebalances, partitions, lag: stats.consumer_lag() })
    }

    async fn next(&mut self, wants_uploads: bool) -> SourceEvent {
        loop {
            // What is taken is returned at once: there is no place where it could be dropped.
            let event = self.shared.lock().take(wants_uploads, &self.interpret);
            match event {
                Some(event) => return event,
                None => self.shared.news.notified().await,
            }
        }
    }

    fn hold(&mut self, partition: Partition, is_held: bool) {
        self.shared.lock().hold(partition, is_held);
        self.shared.news.notify_one();
    }

    fn release(&mut self, partition: Partition, mark: Option<LowWaterMark>) {
        self.shared.lock().release(partition, mark);
        self.shared.released.notify_all();
    }

    fn commit(&mut self, marks: &[LowWaterMark]) -> Result<(), String> {
        // Kept here and given to the broker until it has taken it.
        self.shared.lock().commit(marks);
        Ok(())
    }

    async fn close(&mut self) {
        self.begin_to_close();
        let Some(ended) = self.ended.take() else { return };
        if tokio::time::timeout(CLOSE_LIMIT, ended).await.is_err() {
            tracing::warn!("the group could not be left in time; its broker will notice");
        }
    }

    fn backlog(&self) -> u64 {
        self.shared.lock().backlog()
    }
}

impl Drop for KafkaSource {
    fn drop(&mut self) {
        self.begin_to_close();
    }
}
