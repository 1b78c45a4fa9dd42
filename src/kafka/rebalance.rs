//! What happens when the group shares out its partitions anew, on the consumer's own thread.
//!
//! Letting go is the one place where that thread waits: until the intake has brought each revoked partition to rest, but
//! no longer than the drain and a third of `max_poll_interval`. Heartbeats go on meanwhile. What is done by then is
//! committed before others get the partitions; what is not, they do again. Partitions that are lost are theirs already:
//! nothing is committed.

use std::{
    collections::HashMap,
    error::Error,
    sync::{Arc, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use rdkafka::{
    ClientContext, Statistics, TopicPartitionList,
    client::OAuthToken,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol},
    error::KafkaError,
    types::{RDKafkaErrorCode, RDKafkaRespErr},
};

use super::{commit::Committer, connection, source::Shared, state::Place};
use crate::config::stream::SaslConfig;

/// The consumer, called back by the client.
pub(super) type KafkaConsumer = BaseConsumer<MemberContext>;

/// What the client calls back while the consumer is polled.
pub(super) struct MemberContext {
    pub(super) shared: Arc<Shared>,
    pub(super) sasl: Option<SaslConfig>,
    /// For how long letting go may wait.
    pub(super) drain: Duration,
    /// For how long the last commit before letting go may take.
    pub(super) commit_limit: Duration,
    /// Set before the first poll.
    pub(super) committer: OnceLock<Committer>,
}

impl ClientContext for MemberContext {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        connection::log(level, facility, message);
    }

    fn stats(&self, statistics: Statistics) {
        let mut committed = HashMap::new();
        let mut state = self.shared.lock();
        for (topic, facts) in &statistics.topics {
            for (&number, partition) in &facts.partitions {
                // With transactions only what is before the last stable offset can be read.
                let end = if partition.ls_offset < 0 { partition.hi_offset } else { partition.ls_offset };
                if end < 0 {
                    continue;
                }
                let place = (topic.clone(), number);
                let first = partition.committed_offset.max(partition.lo_offset).max(0);
                state.set_end(&place, end, first);
                committed.insert(place, first);
            }
        }
        self.shared.stats.set_lag(state.lag(&committed));
        drop(state);
        if statistics.brokers.values().any(|broker| broker.state == "UP") {
            let mut refusal = self.shared.refusal.lock().unwrap_or_else(PoisonError::into_inner);
            refusal.take_if(|refusal| refusal.is_unconnected);
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if matches!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::PartitionEOF)) {
            return;
        }
        reason.clone_into(&mut self.shared.last_reason.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        connection::token(self.sasl.as_ref())
    }
}

impl ConsumerContext for MemberContext {
    fn rebalance(&self, consumer: &KafkaConsumer, kind: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let places: Vec<Place> =
            list.elements().iter().map(|element| (element.topic().to_owned(), element.partition())).collect();
        let is_cooperative = matches!(consumer.rebalance_protocol(), RebalanceProtocol::Cooperative);
        let result = if kind == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            self.assigned(&places);
            if is_cooperative { consumer.incremental_assign(list) } else { consumer.assign(list) }
        } else {
            self.taken(consumer, &places);
            if is_cooperative { consumer.incremental_unassign(list) } else { consumer.unassign() }
        };
        if let Err(error) = result {
            // The group will share out again; without an answer to this round the client would wait for ever.
            tracing::warn!(%error, "the client did not take the new assignment");
            let _ = consumer.unassign();
        }
    }

    fn main_queue_min_poll_interval(&self) -> rdkafka::util::Timeout {
        Duration::from_millis(100).into()
    }
}

impl MemberContext {
    fn assigned(&self, places: &[Place]) {
        let mut state = self.shared.lock();
        state.assign(places);
        self.shared.stats.set_assigned(state.owned_count());
        drop(state);
        self.shared.stats.rebalanced(true);
        *self.shared.refusal.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.shared.news.notify_one();
        tracing::info!(partitions = places.len(), "partitions assigned");
    }

    fn taken(&self, consumer: &KafkaConsumer, places: &[Place]) {
        let paused = if consumer.assignment_lost() {
            let paused = self.shared.lock().lose(places);
            self.shared.stats.rebalanced(false);
            tracing::warn!(partitions = places.len(), "partitions lost; others do what was in work");
            paused
        } else {
            self.let_go(places)
        };
        // A pause would outlive the assignment.
        if let Err(error) = consumer.resume(&partition_list(&paused)) {
            tracing::debug!(%error, "could not resume what is let go");
        }
        self.shared.stats.set_assigned(self.shared.lock().owned_count());
        self.shared.news.notify_one();
    }

    pub(super) fn commit_now(&self, marks: Vec<(Place, i64)>) {
        if let Some(committer) = self.committer.get() {
            committer.commit_and_wait(marks, self.commit_limit);
        }
    }

    /// Returns what was paused.
    fn let_go(&self, places: &[Place]) -> Vec<Place> {
        let deadline = Instant::now() + self.drain;
        let mut state = self.shared.lock();
        // Once the intake has closed, everything that is done was told.
        let paused = if state.is_closing { Vec::new() } else { state.begin_to_revoke(places) };
        self.shared.news.notify_one();
        while state.is_awaiting() && !state.is_closing {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                tracing::warn!("revoked partitions did not come to rest in time; what was in work is done again");
                break;
            }
            state = self.shared.wait(state, left);
        }
        let marks = state.end_revoked(places);
        drop(state);
        tracing::info!(partitions = places.len(), marks = marks.len(), "partitions revoked");
        self.commit_now(marks);
        paused
    }
}

pub(super) fn partition_list(places: &[Place]) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for (topic, partition) in places {
        list.add_partition(topic, *partition);
    }
    list
}
