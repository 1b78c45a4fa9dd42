//! Finding out what was done to a log: every missing, changed, reordered or cut-off record is named.

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::{
    super::{PublicKeys, SignatureProblem, canonical, read_strictly, verify},
    AUDIT_PREFIX,
    record::{CHECKPOINT_KIND, Head, RECORD_KIND},
    segment_key,
};
use crate::redact::sha256_hex;

/// So many that are missing one behind the other are named one by one. Numbers are not to be believed: a single wrong
/// one must not take all time and memory.
const MAX_NAMED: u64 = 1000;

/// Segments by their keys.
pub type Segments = BTreeMap<String, Vec<u8>>;

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct AuditProblem {
    /// `missing`, `changed`, `reordered`, `cut_off`, `unsigned` or `unknown`.
    pub what: &'static str,
    pub worker: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segment: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<u64>,
    pub detail: String,
}

/// What was looked at and what was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct AuditReport {
    pub chains: usize,
    pub segments: usize,
    pub records: u64,
    /// Chains whose worker is at work.
    pub running: usize,
    pub problems: Vec<AuditProblem>,
}

/// Check chains wholly. `anchors` are checkpoints that were kept elsewhere, such as those of the audit topic.
#[must_use]
pub fn verify_chains(segments: &Segments, anchors: &[Value], keys: &PublicKeys, now: DateTime<Utc>) -> AuditReport {
    let mut report = AuditReport::default();
    let mut chains: BTreeMap<&str, BTreeMap<u64, &[u8]>> = BTreeMap::new();
    for (key, bytes) in segments {
        match parse_key(key) {
            Some((worker, segment)) => drop(chains.entry(worker).or_default().insert(segment, bytes)),
            None => report.problems.push(AuditProblem {
                what: "unknown",
                worker: String::new(),
                segment: None,
                record: None,
                detail: format!("`{key}` is no segment of an audit log"),
            }),
        }
    }
    let mut heads = BTreeMap::new();
    for (worker, segments) in &chains {
        let mut chain = Verifier {
            worker,
            keys,
            head: Head::first(),
            is_known: true,
            report: &mut report,
            heads: &mut heads,
            last: None,
        };
        chain.walk(segments);
        chain.check_end(now);
    }
    check_anchors(anchors, &heads, keys, &mut report);
    report.chains = chains.len();
    report
}

fn parse_key(key: &str) -> Option<(&str, u64)> {
    let (worker, file) = key.strip_prefix(AUDIT_PREFIX)?.strip_prefix('/')?.split_once('/')?;
    let segment = file.strip_suffix(".jsonl")?.parse().ok()?;
    (segment_key(worker, segment) == key).then_some((worker, segment))
}

/// Worker and segment -> hash of its last record.
type Heads = BTreeMap<(String, u64), String>;

struct Verifier<'a> {
    worker: &'a str,
    keys: &'a PublicKeys,
    head: Head,
    /// Where the chain goes on is known.
    is_known: bool,
    report: &'a mut AuditReport,
    heads: &'a mut Heads,
    /// The last checkpoint that holds, and the action of the last record.
    last: Option<(Value, String)>,
}

impl Verifier<'_> {
    fn problem(&mut self, what: &'static str, segment: Option<u64>, record: Option<u64>, detail: impl Into<String>) {
        let worker = self.worker.to_owned();
        self.report.problems.push(AuditProblem { what, worker, segment, record, detail: detail.into() });
    }

    fn walk(&mut self, segments: &BTreeMap<u64, &[u8]>) {
        let mut expected = 0;
        for (&number, bytes) in segments {
            for missing in (expected..number).take(MAX_NAMED as usize) {
                let from = self.head.sequence;
                self.problem("missing", Some(missing), None, format!("the segment with the records from {from} on"));
            }
            if number.saturating_sub(expected) > MAX_NAMED {
                let first = expected + MAX_NAMED;
                self.problem("missing", Some(first), None, format!("and all segments from here on before {number}"));
            }
            let follows = number == expected && self.is_known;
            expected = number.saturating_add(1);
            self.report.segments += 1;
            self.is_known = false;
            self.segment(number, bytes, follows);
        }
    }

    /// `follows`: the segment before is there, so that this one has to go on from it.
    fn segment(&mut self, number: u64, bytes: &[u8], follows: bool) {
        let mut lines: Vec<&[u8]> = bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).collect();
        let checkpoint = lines.last().and_then(|line| read_strictly(line).ok());
        let checkpoint = checkpoint.filter(|checkpoint| checkpoint["kind"] == CHECKPOINT_KIND);
        let Some(checkpoint) = checkpoint else {
            self.problem("cut_off", Some(number), None, "the segment ends without a checkpoint");
            return self.records(number, &lines, None);
        };
        lines.pop();
        if let Err(problem) = verify(&checkpoint, CHECKPOINT_KIND, self.keys) {
            let what = if problem == SignatureProblem::Broken { "changed" } else { "unsigned" };
            self.problem(what, Some(number), None, format!("its checkpoint: {problem}"));
            return self.records(number, &lines, None);
        }
        if checkpoint["worker"] != self.worker || checkpoint["segment"] != number {
            self.problem("reordered", Some(number), None, "the segment of another place stands here");
            return;
        }
        let first = checkpoint["first"].as_u64().unwrap_or(0);
        if follows && first != self.head.sequence {
            let detail = format!("expected to go on with record {}, found {first}", self.head.sequence);
            self.problem("missing", Some(number), Some(self.head.sequence), detail);
        }
        let expected_first_previous = follows.then(|| self.head.hash.clone());
        self.head.sequence = first;
        self.records_checked(number, &lines, &checkpoint, expected_first_previous);
        let head = checkpoint["head"].as_str().unwrap_or_default().to_owned();
        self.heads.insert((self.worker.to_owned(), number), head.clone());
        let count = checkpoint["count"].as_u64().unwrap_or(0);
        self.head = Head { sequence: first.saturating_add(count), hash: head };
        self.is_known = true;
        let action = lines.last().and_then(|line| read_strictly(line).ok());
        let action = action.and_then(|record| record["action"].as_str().map(str::to_owned));
        let action = action.or_else(|| self.last.take().map(|(_, action)| action)).unwrap_or_default();
        self.last = Some((checkpoint, action));
    }

    /// Records under a checkpoint that holds.
    fn records_checked(&mut self, number: u64, lines: &[&[u8]], checkpoint: &Value, previous: Option<String>) {
        let count = checkpoint["count"].as_u64().unwrap_or(0);
        self.records(number, lines, Some(count));
        let first = checkpoint["first"].as_u64().unwrap_or(0);
        let is_in_order = lines.len() as u64 == count
            && lines.iter().zip(first..=u64::MAX).all(|(line, sequence)| {
                read_strictly(line).is_ok_and(|record| record["sequence"] == sequence && record["kind"] == RECORD_KIND)
            });
        if !is_in_order {
            // Told already; hashes cannot fit then.
            return;
        }
        // Every record is vouched for by the next one, the last by the checkpoint.
        let mut hash = previous;
        let mut is_sound = true;
        for (index, line) in lines.iter().enumerate() {
            let record = read_strictly(line).unwrap_or_default();
            let sequence = first.saturating_add(index as u64);
            let own_form = canonical(&record).is_ok_and(|own| own == *line);
            if !own_form {
                self.problem("changed", Some(number), Some(sequence), "the record is not as it was written");
                is_sound = false;
            } else if let Some(expected) = &hash
                && record["previous"] != **expected
            {
                // The one before has another hash than this one remembers.
                let record = if index == 0 { sequence } else { sequence - 1 };
                self.problem("changed", Some(number), Some(record), "its hash is not the one that the next one holds");
                is_sound = false;
            } else if record["worker"] != self.worker {
                self.problem("changed", Some(number), Some(sequence), "the record is of another worker");
                is_sound = false;
            }
            hash = Some(sha256_hex(line));
        }
        let last = hash.unwrap_or_default();
        if is_sound && count > 0 && checkpoint["head"] != last {
            let record = first.saturating_add(count).saturating_sub(1);
            self.problem("changed", Some(number), Some(record), "its hash is not the one that the checkpoint holds");
        }
    }

    /// Which records are there, and in which order.
    fn records(&mut self, number: u64, lines: &[&[u8]], count: Option<u64>) {
        let first = self.head.sequence;
        let sequences: Vec<Option<u64>> = lines
            .iter()
            .map(|line| {
                let record = read_strictly(line).ok()?;
                (record["kind"] == RECORD_KIND).then(|| record["sequence"].as_u64())?
            })
            .collect();
        self.report.records += sequences.len() as u64;
        for (line, _) in sequences.iter().enumerate().filter(|(_, sequence)| sequence.is_none()) {
            let record = first.saturating_add(line as u64);
            self.problem("changed", Some(number), Some(record), "the line is no record");
        }
        let unreadable = sequences.iter().filter(|sequence| sequence.is_none()).count() as u64;
        let Some(count) = count else { return };
        let present: Vec<u64> = sequences.iter().flatten().copied().collect();
        let expected = first..first.saturating_add(count);
        let there: HashSet<u64> = present.iter().copied().filter(|record| expected.contains(record)).collect();
        let missing = (expected.end - expected.start).saturating_sub(there.len() as u64);
        if missing > unreadable {
            let last = there.iter().max().copied();
            let absent = expected.clone().filter(|sequence| !there.contains(sequence));
            for record in absent.take(MAX_NAMED as usize) {
                let what = if last.is_none_or(|last| last < record) { "cut_off" } else { "missing" };
                self.problem(what, Some(number), Some(record), "the checkpoint counts it, and it is not there");
            }
            if missing > MAX_NAMED {
                self.problem("missing", Some(number), None, format!("in all {missing} records"));
            }
        }
        let mut seen = HashSet::new();
        for (index, &record) in present.iter().enumerate() {
            if !expected.contains(&record) || !seen.insert(record) {
                self.problem("changed", Some(number), Some(record), "the record does not belong here");
            } else if index > 0 && present[index - 1] > record {
                self.problem("reordered", Some(number), Some(record), "it stands behind a later one");
            }
        }
    }

    /// A chain ends with the record `stopped`, or its worker is at work.
    fn check_end(&mut self, now: DateTime<Utc>) {
        let Some((checkpoint, action)) = self.last.take() else { return };
        if action == "stopped" {
            return;
        }
        let time = checkpoint["time"].as_str().and_then(|time| DateTime::parse_from_rfc3339(time).ok());
        let interval_s = i64::try_from(checkpoint["interval_s"].as_u64().unwrap_or(0)).unwrap_or(0).min(7 * 86_400);
        // One interval may be missed while a segment is on its way.
        let patience = TimeDelta::seconds(2 * interval_s + 60);
        if time.is_some_and(|time| now.signed_duration_since(time) <= patience) {
            self.report.running += 1;
            return;
        }
        let (record, time) = (self.head.sequence, checkpoint["time"].as_str().unwrap_or("an unknown time").to_owned());
        let detail = format!("expected a record `stopped` or a newer segment, found nothing since {time}");
        self.problem("cut_off", checkpoint["segment"].as_u64().map(|segment| segment + 1), Some(record), detail);
    }
}

/// What was kept elsewhere must still be there.
fn check_anchors(anchors: &[Value], heads: &Heads, keys: &PublicKeys, report: &mut AuditReport) {
    for anchor in anchors {
        let worker = anchor["worker"].as_str().unwrap_or_default().to_owned();
        let segment = anchor["segment"].as_u64();
        let mut problem = |what, detail: String| {
            let record = anchor["first"].as_u64();
            report.problems.push(AuditProblem { what, worker: worker.clone(), segment, record, detail });
        };
        if let Err(error) = verify(anchor, CHECKPOINT_KIND, keys) {
            problem("unsigned", format!("a checkpoint that was kept elsewhere: {error}"));
            continue;
        }
        match heads.get(&(worker.clone(), segment.unwrap_or(u64::MAX))) {
            None => problem("cut_off", "its checkpoint was kept elsewhere, and the segment is not there".to_owned()),
            Some(head) if anchor["head"] != **head => {
                problem("changed", "another segment than the one whose checkpoint was kept elsewhere".to_owned());
            }
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::{
        super::{super::SigningKey, Action, chain::Chain},
        *,
    };

    /// Two segments of five records each, of which the last is `stopped`.
    fn log(key: &SigningKey) -> Segments {
        log_from(key, 0)
    }

    fn log_from(key: &SigningKey, from: u64) -> Segments {
        let mut chain = Chain::new("aa".into(), 60);
        let mut segments = Segments::new();
        for segment in 0..2u64 {
            for record in 0..5u64 {
                let action = if (segment, record) == (1, 4) { Action::Stopped } else { Action::Published };
                chain.push(action, json!({ "n": from + segment * 5 + record })).unwrap();
            }
            segments.insert(segment_key("aa", segment), chain.seal(key).unwrap().bytes);
            chain.go_on();
        }
        segments
    }

    fn edit(segments: &mut Segments, segment: u64, change: impl FnOnce(&mut Vec<String>)) {
        let bytes = segments.get_mut(&segment_key("aa", segment)).unwrap();
        let mut lines: Vec<String> = std::str::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect();
        change(&mut lines);
        *bytes = (lines.join("\n") + "\n").into_bytes();
    }

    fn found(segments: &Segments, key: &SigningKey) -> Vec<(&'static str, Option<u64>, Option<u64>)> {
        let report = verify_chains(segments, &[], &key.public(), Utc::now());
        report.problems.into_iter().map(|problem| (problem.what, problem.segment, problem.record)).collect()
    }

    #[test]
    fn a_log_that_nobody_touched_is_sound() {
        let key = SigningKey::for_tests();
        let report = verify_chains(&log(&key), &[], &key.public(), Utc::now());
        let expected = AuditReport { chains: 1, segments: 2, records: 10, ..AuditReport::default() };
        assert_eq!(report, expected);
    }

    #[test]
    fn each_kind_of_tampering_is_named() {
        let key = SigningKey::for_tests();
        let check = |change: &dyn Fn(&mut Segments), expected: &[(&'static str, Option<u64>, Option<u64>)]| {
            let mut segments = log(&key);
            change(&mut segments);
            assert_eq!(found(&segments, &key), expected);
        };
        let lie = |line: &mut String| *line = line.replace("published", "refused");
        check(&|it| edit(it, 0, |lines| lie(&mut lines[2])), &[("changed", Some(0), Some(2))]);
        check(&|it| edit(it, 0, |lines| lie(&mut lines[4])), &[("changed", Some(0), Some(4))]);
        check(&|it| edit(it, 0, |lines| drop(lines.remove(2))), &[("missing", Some(0), Some(2))]);
        check(&|it| edit(it, 1, |lines| drop(lines.remove(0))), &[("missing", Some(1), Some(5))]);
        check(&|it| edit(it, 0, |lines| lines.swap(1, 2)), &[("reordered", Some(0), Some(1))]);
        check(&|it| edit(it, 1, |lines| drop(lines.remove(4))), &[("cut_off", Some(1), Some(9))]);
        check(&|it| edit(it, 0, |lines| lines[3] = "no record".into()), &[("changed", Some(0), Some(3))]);
        check(&|it| edit(it, 0, |lines| drop(lines.pop())), &[("cut_off", Some(0), None)]);
        check(&|it| drop(it.remove(&segment_key("aa", 0))), &[("missing", Some(0), None)]);
        // Changed, and every later record made to fit.
        check(
            &|it| {
                edit(it, 0, |lines| {
                    lie(&mut lines[1]);
                    for index in 2..5 {
                        let mut record: Value = serde_json::from_str(&lines[index]).unwrap();
                        record["previous"] = sha256_hex(lines[index - 1].as_bytes()).into();
                        lines[index] = String::from_utf8(canonical(&record).unwrap()).unwrap();
                    }
                });
            },
            &[("changed", Some(0), Some(4))],
        );
        // A segment in another one's place.
        check(
            &|it| {
                let first = it[&segment_key("aa", 0)].clone();
                it.insert(segment_key("aa", 1), first);
            },
            &[("reordered", Some(1), None)],
        );
        // Signed by somebody else.
        let other = SigningKey::for_tests();
        assert!(found(&log(&other), &key).iter().all(|(what, ..)| *what == "unsigned"));
    }

    #[test]
    fn a_chain_without_its_end_is_cut_off_unless_its_worker_is_at_work() {
        let key = SigningKey::for_tests();
        let mut segments = log(&key);
        let last = segments.remove(&segment_key("aa", 1)).unwrap();
        let now = Utc::now();
        let running = verify_chains(&segments, &[], &key.public(), now);
        assert_eq!((running.running, running.problems.len()), (1, 0));
        let later = verify_chains(&segments, &[], &key.public(), now + TimeDelta::seconds(181));
        assert_eq!(later.problems.iter().map(|it| (it.what, it.record)).collect::<Vec<_>>(), [("cut_off", Some(5))]);
        // Known at once by whoever kept the checkpoint.
        let anchor: Value =
            serde_json::from_slice(last.split(|&byte| byte == b'\n').rfind(|line| !line.is_empty()).unwrap()).unwrap();
        let anchored = verify_chains(&segments, std::slice::from_ref(&anchor), &key.public(), now);
        assert_eq!(
            anchored.problems.iter().map(|it| (it.what, it.segment)).collect::<Vec<_>>(),
            [("cut_off", Some(1))]
        );
        assert_eq!(verify_chains(&log_from(&key, 1), &[anchor], &key.public(), now).problems.len(), 1);
    }

    /// Whoever may write to the store could name a segment so; a worker that was taken over could sign such a checkpoint.
    #[test]
    fn absurd_numbers_take_neither_time_nor_memory() {
        let key = SigningKey::for_tests();
        let mut segments = log(&key);
        segments.insert(format!("{AUDIT_PREFIX}/aa/{}.jsonl", u64::MAX), b"{}".to_vec());
        let report = verify_chains(&segments, &[], &key.public(), Utc::now());
        assert!(report.problems.len() < 1100 && report.problems.iter().any(|problem| problem.what == "missing"));
        for (first, count) in [(0, u64::MAX), (u64::MAX, 1), (u64::MAX, u64::MAX)] {
            let checkpoint =
                json!({"kind": CHECKPOINT_KIND, "worker": "aa", "segment": 0, "first": first, "count": count});
            let signed = crate::trust::sign(checkpoint, &key).unwrap();
            let record = json!({"kind": RECORD_KIND, "worker": "aa", "sequence": first}).to_string();
            let bytes = format!("{record}\n{signed}").into_bytes();
            let report =
                verify_chains(&Segments::from([(segment_key("aa", 0), bytes)]), &[], &key.public(), Utc::now());
            assert!((1..1100).contains(&report.problems.len()), "{first} {count}");
        }
    }

    proptest! {
        #[test]
        fn no_changed_byte_goes_unnoticed(segment in 0u64..2, at in any::<prop::sample::Index>(), bit in 0u8..7) {
            let key = SigningKey::for_tests();
            let mut segments = log(&key);
            let bytes = segments.get_mut(&segment_key("aa", segment)).unwrap();
            let at = at.index(bytes.len() - 1);
            bytes[at] ^= 1 << bit;
            prop_assert!(!found(&segments, &key).is_empty());
        }
    }
}
