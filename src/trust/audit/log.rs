//! Recording from many tasks: one thread writes, and what comes meanwhile is flushed together.

use std::{
    io,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::sync::{Notify, oneshot};

use super::{
    journal::{AuditJournal, Waiting},
    record::Action,
};
use crate::error::{ErrorCode, FatalError, PhotoError, PhotoResult, Stage};

/// So many records make a segment before its time.
const SEGMENT_RECORDS: usize = 2000;
/// Records that are flushed together at most.
const MOST_TOGETHER: usize = 256;
/// Segments that wait for the store: above that nothing is done any more that would have to be recorded.
const MAX_WAITING_BYTES: u64 = 64 << 20;

type Answer = oneshot::Sender<io::Result<()>>;

enum Command {
    Record(Action, Value, Answer),
    Stop(Answer),
}

/// The audit log of this worker. Cheap to clone.
#[derive(Clone)]
pub struct AuditLog {
    commands: Sender<Command>,
    sealed: Arc<Notify>,
    waiting: Waiting,
    worker: String,
}

impl AuditLog {
    /// Start the thread. A segment is made at least once in `interval`.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(journal: AuditJournal, interval: Duration) -> Result<Self, FatalError> {
        let (commands, receiver) = channel();
        let sealed = Arc::new(Notify::new());
        let (waiting, worker) = (journal.waiting(), journal.worker().to_owned());
        let writer = Writer { journal, waiting: waiting.clone(), sealed: Arc::clone(&sealed), interval };
        thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || writer.run(&receiver))
            .map_err(|error| FatalError::new(format!("cannot start threads: {error}"), "check the limit of threads"))?;
        Ok(Self { commands, sealed, waiting, worker })
    }

    /// Returns when the record is on disk.
    ///
    /// # Errors
    /// `store_failed` if it is not; it may pass.
    pub async fn record(&self, action: Action, facts: Value) -> PhotoResult<()> {
        let (answer, answered) = oneshot::channel();
        let ended = || io::Error::other("the audit log has ended");
        let asked = self.commands.send(Command::Record(action, facts, answer)).map_err(|_| ended());
        let written = match asked {
            Ok(()) => answered.await.unwrap_or_else(|_| Err(ended())),
            Err(error) => Err(error),
        };
        written.map_err(|error| {
            PhotoError::new(Stage::Publish, ErrorCode::StoreFailed, format!("the audit log takes no records: {error}"))
                .with_hint("check free space and permissions of the state folder, and the store of `audit.store`")
                .retry_if(true)
        })
    }

    /// Record the end of the chain and make the last segment.
    ///
    /// # Errors
    /// If the disk does not take it.
    pub async fn stop(&self) -> io::Result<()> {
        let (answer, answered) = oneshot::channel();
        let ended = || io::Error::other("the audit log has ended");
        self.commands.send(Command::Stop(answer)).map_err(|_| ended())?;
        answered.await.unwrap_or_else(|_| Err(ended()))
    }

    #[must_use]
    pub fn worker(&self) -> &str {
        &self.worker
    }

    pub(super) fn waiting(&self) -> &Waiting {
        &self.waiting
    }

    /// Until there may be a segment to store.
    pub(super) async fn until_sealed(&self, limit: Duration) {
        let _ = tokio::time::timeout(limit, self.sealed.notified()).await;
    }
}

struct Writer {
    journal: AuditJournal,
    waiting: Waiting,
    sealed: Arc<Notify>,
    interval: Duration,
}

impl Writer {
    fn run(mut self, commands: &Receiver<Command>) {
        let mut due = Instant::now() + self.interval;
        loop {
            let first = commands.recv_timeout(due.saturating_duration_since(Instant::now()));
            let stop = match first {
                Ok(command) => self.take(command, commands),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            if let Some(answer) = stop {
                let ended = self.journal.append(&[(Action::Stopped, json!({}))]).and_then(|()| self.journal.seal());
                self.sealed.notify_one();
                let _ = answer.send(ended);
                return;
            }
            if Instant::now() >= due || self.journal.records_since_segment() >= SEGMENT_RECORDS {
                if let Err(error) = self.journal.seal() {
                    tracing::warn!(%error, "no audit segment can be made; its records stay where they are");
                }
                self.sealed.notify_one();
                due = Instant::now() + self.interval;
            }
        }
    }

    /// Write everything that waits. Returns whoever asked for the end.
    fn take(&mut self, first: Command, commands: &Receiver<Command>) -> Option<Answer> {
        let (mut records, mut answers, mut stop) = (Vec::new(), Vec::new(), None);
        for command in std::iter::once(first).chain(commands.try_iter()) {
            match command {
                Command::Record(action, facts, answer) => {
                    records.push((action, facts));
                    answers.push(answer);
                }
                Command::Stop(answer) => stop = Some(answer),
            }
            if stop.is_some() || records.len() == MOST_TOGETHER {
                break;
            }
        }
        if !records.is_empty() {
            let written = self.check_room().and_then(|()| self.journal.append(&records));
            for answer in answers {
                let told =
                    written.as_ref().map(|&()| ()).map_err(|error| io::Error::new(error.kind(), error.to_string()));
                let _ = answer.send(told);
            }
        }
        stop
    }

    /// A store that takes nothing must not fill the disk, nor let work go on that is recorded nowhere else.
    fn check_room(&self) -> io::Result<()> {
        let bytes: u64 = self.waiting.list()?.iter().map(|(_, bytes)| bytes).sum();
        if bytes > MAX_WAITING_BYTES { Err(io::Error::other("too much waits for its store")) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{super::SigningKey, Segments, segment_key, verify_chains},
        *,
    };

    #[tokio::test]
    async fn records_of_many_tasks_make_one_chain() {
        let (dir, key) = (tempfile::tempdir().unwrap(), SigningKey::for_tests());
        let journal = AuditJournal::open(dir.path(), key.clone(), 60, "config").unwrap();
        let log = AuditLog::start(journal, Duration::from_secs(60)).unwrap();
        let records = (0..500).map(|n| {
            let log = log.clone();
            tokio::spawn(async move { log.record(Action::Published, json!({ "n": n })).await })
        });
        for task in records.collect::<Vec<_>>() {
            task.await.unwrap().unwrap();
        }
        log.stop().await.unwrap();
        assert!(log.record(Action::Published, json!({})).await.unwrap_err().is_transient());
        let waiting = log.waiting();
        let segments: Segments = (waiting.list().unwrap().iter())
            .map(|&(number, _)| (segment_key(log.worker(), number), waiting.read(number).unwrap().bytes))
            .collect();
        let report = verify_chains(&segments, &[], &key.public(), chrono::Utc::now());
        assert_eq!((report.problems.len(), report.records), (0, 501));
    }

    #[tokio::test]
    async fn a_full_disk_stops_the_work_and_not_the_chain() {
        let (dir, key) = (tempfile::tempdir().unwrap(), SigningKey::for_tests());
        let journal = AuditJournal::open(dir.path(), key, 60, "config").unwrap();
        let log = AuditLog::start(journal, Duration::from_secs(60)).unwrap();
        let waiting = dir.path().join("audit/000000009999.jsonl");
        std::fs::File::create(&waiting).unwrap().set_len(MAX_WAITING_BYTES + 1).unwrap();
        let refused = log.record(Action::Published, json!({})).await.unwrap_err();
        assert!(refused.is_transient() && refused.detail.contains("waits"), "{refused}");
        std::fs::remove_file(&waiting).unwrap();
        log.record(Action::Published, json!({})).await.unwrap();
    }
}
