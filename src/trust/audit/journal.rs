//! A worker's chain on disk, so that neither a crash nor an outage of the store loses a record.
//!
//! In the state folder's `audit/`: `open.jsonl` has the records since the last segment, flushed before they are
//! acknowledged; `{number}.jsonl` are segments that wait for the store; `chain.json` tells where the chain goes on. Every
//! step can break off: what was sealed before `chain.json` told so is sealed again to the same bytes, because the segment on
//! disk counts.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    super::{SigningKey, hex},
    chain::{Chain, Sealed},
    record::{Action, Head},
};
use crate::store::write_atomically;

const OPEN: &str = "open.jsonl";
const PLACE: &str = "chain.json";

/// Where a chain goes on.
#[derive(Debug, Serialize, Deserialize)]
struct Place {
    worker: String,
    segment: u64,
    sequence: u64,
    head: String,
    config: String,
}

/// The chain of one worker. Blocks.
#[derive(Debug)]
pub struct AuditJournal {
    dir: PathBuf,
    chain: Chain,
    key: SigningKey,
    open: File,
    config: String,
}

impl AuditJournal {
    /// Go on with the chain in `state`, or begin one. `config` is a hash of the configuration.
    ///
    /// # Errors
    /// If the files cannot be used, or are not what they should be.
    pub fn open(state: &Path, key: SigningKey, interval_s: u64, config: &str) -> io::Result<Self> {
        let dir = state.join("audit");
        DirBuilder::new().recursive(true).mode(0o700).create(&dir)?;
        let before = read_if_there(&dir.join(PLACE))?;
        let is_new = before.is_none();
        let place: Place = if let Some(json) = before {
            serde_json::from_slice(&json).map_err(|_| damaged())?
        } else {
            let Head { sequence, hash } = Head::first();
            Place { worker: new_worker()?, segment: 0, sequence, head: hash, config: config.to_owned() }
        };
        let mut chain = Chain::new(place.worker, interval_s);
        chain.segment = place.segment;
        chain.first = place.sequence;
        chain.head = Head { sequence: place.sequence, hash: place.head };
        let left = read_if_there(&dir.join(OPEN))?.unwrap_or_default();
        let mut journal = Self { open: append(&dir.join(OPEN))?, dir, chain, key, config: config.to_owned() };
        journal.take_up(&left)?;
        if is_new {
            // From now on the chain has its name, whatever happens.
            journal.keep_place()?;
        }
        if place.config != config {
            journal.append(&[(Action::ConfigChanged, json!({ "before": place.config, "after": config }))])?;
        }
        Ok(journal)
    }

    /// Records that were flushed, up to where a crash cut them off.
    fn take_up(&mut self, left: &[u8]) -> io::Result<()> {
        let sealed = read_if_there(&self.sealed_path(self.chain.segment))?;
        let whole = left.rsplit_once_at_newline();
        for line in whole.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            let record: Value = serde_json::from_slice(line).map_err(|_| damaged())?;
            // What is sealed already is of the segment before.
            if record["sequence"].as_u64().is_some_and(|sequence| sequence < self.chain.head.sequence) {
                continue;
            }
            if record["sequence"] != self.chain.head.sequence || record["previous"] != self.chain.head.hash {
                return Err(damaged());
            }
            self.chain.head.follow(line);
            self.chain.lines.push(line.to_vec());
        }
        // Killed between the segment and the place: that segment counts.
        if sealed.is_some() {
            return self.begin_next();
        }
        self.rewrite_open()
    }

    #[must_use]
    pub fn worker(&self) -> &str {
        &self.chain.worker
    }

    /// Add records and flush them.
    ///
    /// # Errors
    /// If the disk does not take them; then none of them counts.
    pub fn append(&mut self, records: &[(Action, Value)]) -> io::Result<()> {
        let (head, count) = (self.chain.head.clone(), self.chain.lines.len());
        let written = self.try_append(records, count);
        if written.is_err() {
            self.chain.head = head;
            self.chain.lines.truncate(count);
            // Half a line may stand there now.
            self.rewrite_open()?;
        }
        written
    }

    fn try_append(&mut self, records: &[(Action, Value)], count: usize) -> io::Result<()> {
        for (action, facts) in records {
            self.chain.push(*action, facts.clone()).map_err(io::Error::other)?;
        }
        let mut text = Vec::new();
        for line in &self.chain.lines[count..] {
            text.extend_from_slice(line);
            text.push(b'\n');
        }
        self.open.write_all(&text)?;
        self.open.sync_data()
    }

    /// Make a segment of the records since the last one; of none, too: it tells that the chain goes on.
    ///
    /// # Errors
    /// If the disk does not take it.
    pub fn seal(&mut self) -> io::Result<()> {
        let sealed = self.chain.seal(&self.key).map_err(io::Error::other)?;
        write_atomically(&self.sealed_path(sealed.segment), &sealed.bytes, 0o600)?;
        self.begin_next()
    }

    fn begin_next(&mut self) -> io::Result<()> {
        self.chain.go_on();
        self.keep_place()?;
        self.rewrite_open()
    }

    fn keep_place(&self) -> io::Result<()> {
        let place = Place {
            worker: self.chain.worker.clone(),
            segment: self.chain.segment,
            sequence: self.chain.head.sequence,
            head: self.chain.head.hash.clone(),
            config: self.config.clone(),
        };
        write_atomically(&self.dir.join(PLACE), &serde_json::to_vec(&place)?, 0o600)
    }

    fn rewrite_open(&mut self) -> io::Result<()> {
        let mut text = Vec::new();
        for line in &self.chain.lines {
            text.extend_from_slice(line);
            text.push(b'\n');
        }
        write_atomically(&self.dir.join(OPEN), &text, 0o600)?;
        self.open = append(&self.dir.join(OPEN))?;
        Ok(())
    }

    #[must_use]
    pub fn records_since_segment(&self) -> usize {
        self.chain.lines.len()
    }

    fn sealed_path(&self, segment: u64) -> PathBuf {
        sealed_path(&self.dir, segment)
    }

    #[must_use]
    pub(super) fn waiting(&self) -> Waiting {
        Waiting { dir: self.dir.clone() }
    }
}

/// The segments that wait for the store. Blocks.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    dir: PathBuf,
}

impl Waiting {
    /// Numbers and sizes in bytes, oldest first.
    pub fn list(&self) -> io::Result<Vec<(u64, u64)>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            let name = entry.file_name();
            let number = name.to_str().and_then(|name| name.strip_suffix(".jsonl")?.parse().ok());
            if let Some(number) = number {
                found.push((number, entry.metadata()?.len()));
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    pub fn read(&self, segment: u64) -> io::Result<Sealed> {
        Ok(Sealed { segment, bytes: fs::read(sealed_path(&self.dir, segment))? })
    }

    pub fn forget(&self, segment: u64) -> io::Result<()> {
        fs::remove_file(sealed_path(&self.dir, segment))
    }
}

fn sealed_path(dir: &Path, segment: u64) -> PathBuf {
    dir.join(format!("{segment:012}.jsonl"))
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}

fn read_if_there(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the audit journal is damaged or was changed")
}

/// 128 random bits.
pub(super) fn new_worker() -> io::Result<String> {
    let mut id = [0u8; 16];
    aws_lc_rs::rand::fill(&mut id).map_err(|_| io::Error::other("the system gives no random numbers"))?;
    Ok(hex(&id))
}

trait UpToNewline {
    fn rsplit_once_at_newline(&self) -> &[u8];
}

impl UpToNewline for [u8] {
    /// Whole lines only.
    fn rsplit_once_at_newline(&self) -> &[u8] {
        self.iter().rposition(|&byte| byte == b'\n').map_or(&[], |end| &self[..end])
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Segments, segment_key, verify_chains},
        *,
    };

    fn open(dir: &Path, key: &SigningKey) -> AuditJournal {
        AuditJournal::open(dir, key.clone(), 60, "config").unwrap()
    }

    fn segments(journal: &AuditJournal) -> Segments {
        let waiting = journal.waiting();
        let numbers = waiting.list().unwrap().into_iter().map(|(number, _)| number);
        numbers.map(|number| (segment_key(journal.worker(), number), waiting.read(number).unwrap().bytes)).collect()
    }

    #[test]
    fn a_chain_goes_on_after_each_kind_of_crash() {
        let (dir, key) = (tempfile::tempdir().unwrap(), SigningKey::for_tests());
        let facts = || json!({ "n": 1 });
        let mut journal = open(dir.path(), &key);
        let worker = journal.worker().to_owned();
        journal.append(&[(Action::Started, facts()), (Action::Published, facts())]).unwrap();
        drop(journal);
        // Killed in the middle of a line.
        let path = dir.path().join("audit").join(OPEN);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, [&whole[..], b"{\"half"].concat()).unwrap();
        let mut journal = open(dir.path(), &key);
        assert_eq!(journal.records_since_segment(), 2);
        journal.append(&[(Action::Published, facts())]).unwrap();
        let before = fs::read(&path).unwrap();
        journal.seal().unwrap();
        let sealed = journal.waiting().read(0).unwrap();
        drop(journal);
        // Killed after the segment was made, before the place was kept.
        fs::write(&path, &before).unwrap();
        let place = dir.path().join("audit").join(PLACE);
        let kept: Place = serde_json::from_slice(&fs::read(&place).unwrap()).unwrap();
        let Head { sequence, hash } = Head::first();
        let old = Place { segment: 0, sequence, head: hash, ..kept };
        fs::write(&place, serde_json::to_vec(&old).unwrap()).unwrap();
        let mut journal = open(dir.path(), &key);
        assert_eq!(journal.records_since_segment(), 0);
        assert_eq!(journal.waiting().read(0).unwrap(), sealed, "what is sealed stays as it is");
        // Killed after the place was kept, before the open records were dropped.
        drop(journal);
        fs::write(&path, &before).unwrap();
        journal = open(dir.path(), &key);
        assert_eq!(journal.records_since_segment(), 0);
        journal.append(&[(Action::Stopped, facts())]).unwrap();
        journal.seal().unwrap();
        assert_eq!(journal.worker(), worker);
        let report = verify_chains(&segments(&journal), &[], &key.public(), chrono::Utc::now());
        assert_eq!(report.problems, []);
        assert_eq!((report.chains, report.segments, report.records), (1, 2, 4));
    }

    #[test]
    fn another_configuration_is_told() {
        let (dir, key) = (tempfile::tempdir().unwrap(), SigningKey::for_tests());
        drop(AuditJournal::open(dir.path(), key.clone(), 60, "one").unwrap());
        assert_eq!(AuditJournal::open(dir.path(), key.clone(), 60, "two").unwrap().records_since_segment(), 1);
    }

    #[test]
    fn a_journal_that_was_changed_is_not_gone_on_with() {
        let (dir, key) = (tempfile::tempdir().unwrap(), SigningKey::for_tests());
        let mut journal = open(dir.path(), &key);
        journal.append(&[(Action::Started, json!({})), (Action::Stopped, json!({}))]).unwrap();
        drop(journal);
        let path = dir.path().join("audit").join(OPEN);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("started", "Started")).unwrap();
        assert!(AuditJournal::open(dir.path(), key, 60, "config").is_err());
    }
}
