//! Commits, on a thread of their own. The client tells only whoever waits for a commit what became of it (rdkafka 0.39
//! never calls `commit_callback` for commits that were asked for), and its wait has no limit while the broker is away; the
//! consumer's thread must not wait so long.

use std::{
    io,
    sync::{Arc, Weak, mpsc},
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{CommitMode, Consumer},
    error::{KafkaError, KafkaResult},
    types::RDKafkaErrorCode,
};

use super::{rebalance::KafkaConsumer, state::Place};

/// How long a commit waits for the group's shares to be told.
const BETWEEN_SHARES: Duration = Duration::from_secs(2);

/// Told on the committing thread.
type Answer = Box<dyn FnOnce(KafkaResult<()>) + Send>;

struct Job {
    /// Next offsets.
    marks: Vec<(Place, i64)>,
    answer: Answer,
}

/// Commits one job after the other.
pub(super) struct Committer {
    jobs: mpsc::Sender<Job>,
}

impl Committer {
    /// The thread ends when this is dropped, which belongs to the consumer.
    pub(super) fn start(consumer: Weak<KafkaConsumer>) -> io::Result<Self> {
        let (jobs, received) = mpsc::channel::<Job>();
        thread::Builder::new().name("kafka-commit".to_owned()).spawn(move || {
            for Job { marks, answer } in received {
                let Some(consumer) = consumer.upgrade() else { break };
                answer(commit(&consumer, &marks));
            }
        })?;
        Ok(Self { jobs })
    }

    pub(super) fn commit(&self, marks: Vec<(Place, i64)>, answer: Answer) {
        // The thread is there for as long as the consumer is.
        let _ = self.jobs.send(Job { marks, answer });
    }

    /// Wait for the broker's answer, but not for ever. What is not committed is done again.
    pub(super) fn commit_and_wait(&self, marks: Vec<(Place, i64)>, limit: Duration) {
        if marks.is_empty() {
            return;
        }
        let (sender, answer) = mpsc::channel();
        self.commit(
            marks,
            Box::new(move |result| {
                let _ = sender.send(result);
            }),
        );
        let problem = match answer.recv_timeout(limit) {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer in time".to_owned(),
        };
        tracing::warn!(problem, "the last offsets could not be committed; what they cover is done again");
    }
}

fn commit(consumer: &Arc<KafkaConsumer>, marks: &[(Place, i64)]) -> KafkaResult<()> {
    // Only `store_offsets` takes next offsets; `store_offset` would add one.
    consumer.store_offsets(&offset_list(marks))?;
    let began = Instant::now();
    loop {
        match consumer.commit_consumer_state(CommitMode::Sync) {
            // Nothing is further than what was committed before.
            Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::NoOffset)) => return Ok(()),
            // The broker takes none in the moment between sharing out and telling the shares.
            Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::RebalanceInProgress))
                if began.elapsed() < BETWEEN_SHARES =>
            {
                thread::sleep(Duration::from_millis(50));
            }
            result => return result,
        }
    }
}

fn offset_list(marks: &[(Place, i64)]) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for ((topic, partition), next) in marks {
        // Fails only for offsets below -2000.
        let _ = list.add_partition_offset(topic, *partition, Offset::Offset(*next));
    }
    list
}
