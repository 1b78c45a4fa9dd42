//! The consumer's thread: it polls, whatever happens, and passes messages on. Work never makes it wait.

use std::{
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use rdkafka::{
    Message,
    consumer::Consumer,
    error::{KafkaError, KafkaResult},
    message::{BorrowedMessage, Headers},
    types::RDKafkaErrorCode,
};

use super::{
    KafkaMessage,
    failure::{Verdict, judge},
    rebalance::{KafkaConsumer, partition_list},
    source::Shared,
    state::{Kept, Place},
};
use crate::error::FatalError;

/// How long it waits for a message before it looks after the rest.
const POLL: Duration = Duration::from_millis(20);
/// A refusal is fatal if so long after it nothing has come of it: a broker that starts may refuse at first. Longer than
/// the client takes to say that it is connected.
const REFUSAL_PATIENCE: Duration = Duration::from_secs(12);
/// How soon a commit that failed is tried again.
const COMMIT_PAUSE: Duration = Duration::from_secs(1);
/// How often the same missing topic is told.
const TELL_AGAIN: Duration = Duration::from_secs(60);

/// Commits that were asked for.
#[derive(Debug, Default)]
pub(super) struct Commits {
    is_under_way: bool,
    /// The last one failed.
    not_before: Option<Instant>,
}

/// The broker did not want us.
#[derive(Debug)]
pub(super) struct Refusal {
    since: Instant,
    error: FatalError,
    /// No connection was made; one that is made later ends it.
    pub(super) is_unconnected: bool,
}

/// Tells the intake if the thread ends before it was asked to.
struct Watch(Arc<Shared>);

impl Drop for Watch {
    fn drop(&mut self) {
        let error = FatalError::new("the Kafka consumer's thread ended unexpectedly", "report this");
        self.0.lock().fail(error);
        self.0.stats.left();
        self.0.stats.set_assigned(0);
        self.0.news.notify_one();
    }
}

/// Poll until the source is closed; then commit what is left and leave the group.
pub(super) fn run(shared: Arc<Shared>, consumer: Arc<KafkaConsumer>) {
    let watch = Watch(shared);
    let shared = &watch.0;
    let mut told_at = None;
    while !shared.lock().is_closing {
        match consumer.poll(POLL) {
            Some(Ok(message)) => take(shared, &consumer, &message),
            Some(Err(error)) => hear(shared, &error, &mut told_at),
            None => {}
        }
        resume(shared, &consumer);
        commit(shared, &consumer);
        judge_refusal(shared);
    }
    let marks = shared.lock().to_commit();
    consumer.context().commit_now(marks);
    // Leaves the group, unless it is a static member, with a last call of `rebalance`.
    drop(consumer);
}

fn take(shared: &Shared, consumer: &KafkaConsumer, message: &BorrowedMessage<'_>) {
    let place: Place = (message.topic().to_owned(), message.partition());
    let kept = shared.lock().push(owned(message));
    shared.news.notify_one();
    if kept == Kept::Full
        && let Err(error) = consumer.pause(&partition_list(std::slice::from_ref(&place)))
    {
        tracing::debug!(%error, "a partition could not be paused; trying again");
        shared.lock().set_paused(&[place], false);
    }
}

fn resume(shared: &Shared, consumer: &KafkaConsumer) {
    let places = shared.lock().take_resumable();
    if !places.is_empty()
        && let Err(error) = consumer.resume(&partition_list(&places))
    {
        tracing::debug!(%error, "partitions could not be resumed; trying again");
        shared.lock().set_paused(&places, true);
    }
}

fn commit(shared: &Arc<Shared>, consumer: &KafkaConsumer) {
    let mut commits = shared.commits.lock().unwrap_or_else(PoisonError::into_inner);
    if commits.is_under_way || commits.not_before.is_some_and(|at| Instant::now() < at) {
        return;
    }
    let marks = shared.lock().to_commit();
    let Some(committer) = consumer.context().committer.get().filter(|_| !marks.is_empty()) else { return };
    commits.is_under_way = true;
    drop(commits);
    let (answer_to, told) = (Arc::clone(shared), marks.clone());
    committer.commit(marks, Box::new(move |result| committed(&answer_to, &told, result)));
}

fn committed(shared: &Shared, marks: &[(Place, i64)], result: KafkaResult<()>) {
    let mut commits = shared.commits.lock().unwrap_or_else(PoisonError::into_inner);
    commits.is_under_way = false;
    commits.not_before = None;
    match result {
        Ok(()) => {
            let mut state = shared.lock();
            for (place, next) in marks {
                state.committed(place, *next);
            }
        }
        Err(error) => {
            commits.not_before = Some(Instant::now() + COMMIT_PAUSE);
            tracing::warn!(%error, "offsets could not be committed; trying again");
        }
    }
}

fn hear(shared: &Shared, error: &KafkaError, told_at: &mut Option<Instant>) {
    let mut reason = std::mem::take(&mut *shared.last_reason.lock().unwrap_or_else(PoisonError::into_inner));
    if reason.is_empty() {
        reason = error.to_string();
    }
    match judge(error, &reason) {
        Verdict::Fatal(error) => {
            shared.lock().fail(error);
            shared.news.notify_one();
        }
        Verdict::NotConnected(error) => refused(shared, error, true),
        Verdict::Refused(error) => refused(shared, error, false),
        Verdict::Passes => {
            let is_missing = matches!(
                error.rdkafka_error_code(),
                Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic)
            );
            if !is_missing {
                tracing::debug!(%error, reason, "the client reports an error that passes by itself");
            } else if told_at.is_none_or(|at| at.elapsed() > TELL_AGAIN) {
                *told_at = Some(Instant::now());
                tracing::warn!(reason, hint = "create it, or correct `kafka.topics`", "waiting for a topic");
            }
        }
    }
}

fn refused(shared: &Shared, error: FatalError, is_unconnected: bool) {
    tracing::warn!(reason = error.message, hint = error.hint, "the broker refuses");
    let mut refusal = shared.refusal.lock().unwrap_or_else(PoisonError::into_inner);
    let since = refusal.as_ref().map_or_else(Instant::now, |refusal| refusal.since);
    *refusal = Some(Refusal { since, error, is_unconnected });
}

/// A refusal that lasts is told. While the worker is in the group it can do its work.
fn judge_refusal(shared: &Shared) {
    if shared.stats.has_joined() {
        return;
    }
    let mut refusal = shared.refusal.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(lasting) = refusal.take_if(|refusal| refusal.since.elapsed() > REFUSAL_PATIENCE) {
        shared.lock().fail(lasting.error);
        shared.news.notify_one();
    }
}

fn owned(message: &BorrowedMessage<'_>) -> KafkaMessage {
    let headers = message.headers().map(|headers| {
        headers
            .iter()
            .map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec).unwrap_or_default()))
            .collect()
    });
    KafkaMessage {
        topic: message.topic().to_owned(),
        partition: message.partition(),
        offset: message.offset(),
        timestamp_ms: message.timestamp().to_millis(),
        key: message.key().map(<[u8]>::to_vec),
        headers: headers.unwrap_or_default(),
        payload: message.payload().map(<[u8]>::to_vec).unwrap_or_default(),
    }
}
