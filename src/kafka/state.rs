//! What the consumer's thread and the intake share: the partitions, their waiting messages and what is to be committed.
//!
//! Everything is behind one lock and changes in whole steps, so that nothing of a partition is handed out once the news
//! of its end is there, and no mark of an old epoch is committed in a new one. Knows nothing of the client.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    ops::Bound,
};

use super::{
    KafkaMessage,
    records::{message_offset, record_offset},
};
use crate::{
    error::FatalError,
    source::{Delivered, LowWaterMark, Partition, SourceEvent, Upload},
};

/// Messages that may wait in a partition's buffer; full, its fetching is paused.
const MAX_WAITING: usize = 256;
/// What a message takes beyond its content.
const OVERHEAD_BYTES: u64 = 256;

/// A topic and the number of one of its partitions.
pub(super) type Place = (String, i32);

/// Turns a message into its uploads.
pub type Interpret = Box<dyn Fn(&KafkaMessage) -> Vec<Upload> + Send>;

/// What became of a message that was given to its partition's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    Yes,
    /// The buffer is full now: pause the partition.
    Full,
    /// The partition is not ours any more.
    No,
}

#[derive(Debug)]
struct Owned {
    place: Place,
    /// The intake has heard of this epoch.
    is_told: bool,
    is_held: bool,
    is_paused: bool,
    /// The intake is asked to let go, and has not answered yet.
    is_awaited: bool,
    waiting: VecDeque<KafkaMessage>,
    waiting_bytes: u64,
    /// Records of a message of which some are delivered.
    records: VecDeque<Delivered>,
    /// The message after the last that was fetched.
    next_fetched: Option<i64>,
    next_delivered: Option<i64>,
    /// Where the log ends, as far as known.
    end: Option<i64>,
    wanted: Option<i64>,
    committed: Option<i64>,
}

impl Owned {
    fn new(place: Place) -> Self {
        Self {
            place,
            is_told: false,
            is_held: false,
            is_paused: false,
            is_awaited: false,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            records: VecDeque::new(),
            next_fetched: None,
            next_delivered: None,
            end: None,
            wanted: None,
            committed: None,
        }
    }

    fn drop_waiting(&mut self) {
        self.waiting.clear();
        self.waiting_bytes = 0;
        self.records.clear();
    }

    fn is_full(&self, most_bytes: u64) -> bool {
        self.waiting.len() >= MAX_WAITING || self.waiting_bytes >= most_bytes
    }

    fn has_room_again(&self, most_bytes: u64) -> bool {
        self.waiting.len() <= MAX_WAITING / 2 && self.waiting_bytes <= most_bytes / 2
    }

    fn has_something(&self) -> bool {
        let has_any = !self.records.is_empty() || !self.waiting.is_empty();
        has_any && self.is_told && !self.is_held && !self.is_awaited
    }

    fn want(&mut self, mark: LowWaterMark) {
        self.wanted = self.wanted.max(Some(message_offset(mark.next.0)));
    }

    fn to_commit(&self) -> Option<i64> {
        self.wanted.filter(|_| self.wanted > self.committed)
    }
}

#[derive(Debug)]
pub(super) struct State {
    /// Partitions keep their number for as long as the process lives.
    numbers: HashMap<Place, Partition>,
    owned: BTreeMap<Partition, Owned>,
    news: VecDeque<SourceEvent>,
    /// Whose message was handed out last.
    last_served: Partition,
    /// For all buffers together.
    most_bytes: u64,
    has_failed: bool,
    pub(super) is_closing: bool,
}

impl State {
    pub(super) fn new(most_bytes: u64) -> Self {
        Self {
            numbers: HashMap::new(),
            owned: BTreeMap::new(),
            news: VecDeque::new(),
            last_served: Partition(0),
            most_bytes,
            has_failed: false,
            is_closing: false,
        }
    }

    /// The partition's share of the memory for waiting messages.
    fn share_bytes(&self) -> u64 {
        self.most_bytes / (self.owned.len() as u64).max(1)
    }

    fn number(&mut self, place: &Place) -> Partition {
        let next = Partition(self.numbers.len() as u32);
        *self.numbers.entry(place.clone()).or_insert(next)
    }

    fn owned_at(&mut self, place: &Place) -> Option<&mut Owned> {
        self.owned.get_mut(self.numbers.get(place)?)
    }

    // The consumer's thread.

    pub(super) fn assign(&mut self, places: &[Place]) {
        for place in places {
            let partition = self.number(place);
            self.owned.insert(partition, Owned::new(place.clone()));
            self.news.push_back(SourceEvent::Assigned(partition));
        }
    }

    /// The intake is asked to let go of these: from now on nothing of them is handed out. Returns those that are paused.
    pub(super) fn begin_to_revoke(&mut self, places: &[Place]) -> Vec<Place> {
        let mut paused = Vec::new();
        for place in places {
            let Some(&partition) = self.numbers.get(place) else { continue };
            let Some(owned) = self.owned.get_mut(&partition) else { continue };
            owned.drop_waiting();
            if owned.is_paused {
                paused.push(place.clone());
            }
            if owned.is_told {
                owned.is_awaited = true;
                self.news.push_back(SourceEvent::Revoked(partition));
            } else {
                // It never heard that it had them.
                self.forget_assignment(partition);
            }
        }
        paused
    }

    pub(super) fn is_awaiting(&self) -> bool {
        self.owned.values().any(|owned| owned.is_awaited)
    }

    /// End the epochs of these partitions. Returns what is left to be committed before others get them.
    pub(super) fn end_revoked(&mut self, places: &[Place]) -> Vec<(Place, i64)> {
        let numbers: Vec<_> = places.iter().filter_map(|place| self.numbers.get(place).copied()).collect();
        let ended = numbers.into_iter().filter_map(|partition| self.owned.remove(&partition));
        ended.filter_map(|owned| Some((owned.place.clone(), owned.to_commit()?))).collect()
    }

    /// Others have these already. Returns those that are paused.
    pub(super) fn lose(&mut self, places: &[Place]) -> Vec<Place> {
        let mut paused = Vec::new();
        for place in places {
            let Some(&partition) = self.numbers.get(place) else { continue };
            let Some(owned) = self.owned.remove(&partition) else { continue };
            if owned.is_paused {
                paused.push(place.clone());
            }
            if owned.is_told {
                self.news.push_back(SourceEvent::Lost(partition));
            } else {
                self.forget_assignment(partition);
            }
        }
        paused
    }

    fn forget_assignment(&mut self, partition: Partition) {
        self.news.retain(|event| !matches!(event, SourceEvent::Assigned(other) if *other == partition));
    }

    pub(super) fn push(&mut self, message: KafkaMessage) -> Kept {
        let most_bytes = self.share_bytes();
        let place = (message.topic.clone(), message.partition);
        let Some(&partition) = self.numbers.get(&place) else { return Kept::No };
        let Some(owned) = self.owned.get_mut(&partition) else { return Kept::No };
        if owned.is_awaited {
            return Kept::No;
        }
        if owned.next_fetched.is_some_and(|next| message.offset < next) {
            // The topic was made anew or cut: its offsets begin again, and so does our account of them.
            tracing::warn!(topic = place.0, partition = place.1, "offsets went back; the topic was replaced or cut");
            let (is_told, is_paused) = (owned.is_told, owned.is_paused);
            *owned = Owned { is_paused, ..Owned::new(place) };
            if is_told {
                self.news.push_back(SourceEvent::Lost(partition));
                self.news.push_back(SourceEvent::Assigned(partition));
            }
        }
        let Some(owned) = self.owned.get_mut(&partition) else { return Kept::No };
        owned.next_fetched = Some(message.offset + 1);
        owned.waiting_bytes += size_of(&message);
        owned.waiting.push_back(message);
        if owned.is_full(most_bytes) && !owned.is_paused {
            owned.is_paused = true;
            return Kept::Full;
        }
        Kept::Yes
    }

    /// Partitions to fetch again.
    pub(super) fn take_resumable(&mut self) -> Vec<Place> {
        let most_bytes = self.share_bytes();
        let mut places = Vec::new();
        for owned in self.owned.values_mut() {
            if owned.is_paused && owned.has_room_again(most_bytes) {
                owned.is_paused = false;
                places.push(owned.place.clone());
            }
        }
        places
    }

    /// What could not be paused or resumed, to be tried again.
    pub(super) fn set_paused(&mut self, places: &[Place], is_paused: bool) {
        for place in places {
            if let Some(owned) = self.owned_at(place) {
                owned.is_paused = is_paused;
            }
        }
    }

    pub(super) fn to_commit(&self) -> Vec<(Place, i64)> {
        self.owned.values().filter_map(|owned| Some((owned.place.clone(), owned.to_commit()?))).collect()
    }

    pub(super) fn committed(&mut self, place: &Place, offset: i64) {
        if let Some(owned) = self.owned_at(place) {
            owned.committed = owned.committed.max(Some(offset));
        }
    }

    /// Where the log of a partition ends.
    pub(super) fn set_end(&mut self, place: &Place, end: i64, first: i64) {
        if let Some(owned) = self.owned_at(place) {
            owned.end = Some(end);
            owned.next_delivered = owned.next_delivered.or(Some(first));
        }
    }

    pub(super) fn fail(&mut self, error: FatalError) {
        if !self.has_failed && !self.is_closing {
            self.has_failed = true;
            self.news.push_back(SourceEvent::Failed(error));
        }
    }

    pub(super) fn owned_count(&self) -> usize {
        self.owned.len()
    }

    // The intake.

    /// News of partitions first; then, if they are wanted, uploads, from each partition in turn.
    pub(super) fn take(&mut self, wants_uploads: bool, interpret: &Interpret) -> Option<SourceEvent> {
        if let Some(event) = self.news.pop_front() {
            if let SourceEvent::Assigned(partition) = event
                && let Some(owned) = self.owned.get_mut(&partition)
            {
                owned.is_told = true;
            }
            return Some(event);
        }
        while wants_uploads && !self.has_failed {
            let partition = self.next_served()?;
            self.last_served = partition;
            let owned = self.owned.get_mut(&partition)?;
            if owned.records.is_empty() {
                let message = owned.waiting.pop_front()?;
                owned.waiting_bytes = owned.waiting_bytes.saturating_sub(size_of(&message));
                owned.next_delivered = Some(message.offset + 1);
                match records(partition, &message, interpret) {
                    Ok(records) => owned.records = records,
                    Err(error) => {
                        self.fail(error);
                        return self.news.pop_front();
                    }
                }
            }
            if let Some(delivered) = owned.records.pop_front() {
                return Some(SourceEvent::Delivered(delivered));
            }
        }
        None
    }

    fn next_served(&self) -> Option<Partition> {
        let after = self.owned.range((Bound::Excluded(self.last_served), Bound::Unbounded));
        let until = self.owned.range(..=self.last_served);
        after.chain(until).find(|(_, owned)| owned.has_something()).map(|(&partition, _)| partition)
    }

    pub(super) fn hold(&mut self, partition: Partition, is_held: bool) {
        if let Some(owned) = self.owned.get_mut(&partition).filter(|owned| owned.is_told) {
            owned.is_held = is_held;
        }
    }

    pub(super) fn release(&mut self, partition: Partition, mark: Option<LowWaterMark>) {
        if let Some(owned) = self.owned.get_mut(&partition).filter(|owned| owned.is_awaited) {
            owned.is_awaited = false;
            if let Some(mark) = mark {
                owned.want(mark);
            }
            // Nothing more is taken from it in this epoch.
            owned.is_told = false;
        }
    }

    /// Marks of an epoch that is over, or that the intake has not heard the end of, count for nothing.
    pub(super) fn commit(&mut self, marks: &[LowWaterMark]) {
        for mark in marks {
            if let Some(owned) = self.owned.get_mut(&mark.partition).filter(|owned| owned.is_told) {
                owned.want(*mark);
            }
        }
    }

    pub(super) fn backlog(&self) -> u64 {
        let left = |owned: &Owned| u64::try_from(owned.end? - owned.next_delivered?).ok();
        self.owned.values().filter_map(left).sum()
    }

    /// Messages after the committed offset, or after the first that was there.
    pub(super) fn lag(&self, first: &HashMap<Place, i64>) -> u64 {
        let lag = |owned: &Owned| {
            let from = owned.committed.max(first.get(&owned.place).copied())?;
            u64::try_from(owned.end? - from).ok()
        };
        self.owned.values().filter_map(lag).sum()
    }

    pub(super) fn waiting_bytes(&self) -> u64 {
        self.owned.values().map(|owned| owned.waiting_bytes).sum()
    }

    pub(super) fn places(&self) -> Vec<Place> {
        self.owned.values().map(|owned| owned.place.clone()).collect()
    }
}

fn records(
    partition: Partition,
    message: &KafkaMessage,
    interpret: &Interpret,
) -> Result<VecDeque<Delivered>, FatalError> {
    let uploads = interpret(message);
    let count = uploads.len();
    let mut records = VecDeque::with_capacity(count);
    for (index, upload) in uploads.into_iter().enumerate() {
        let offset = record_offset(message.offset, index, count).ok_or_else(|| {
            FatalError::new(
                format!("a message has {count} records at offset {}, more than can be told apart", message.offset),
                "report this",
            )
        })?;
        records.push_back(Delivered { partition, offset, upload });
    }
    Ok(records)
}

fn size_of(message: &KafkaMessage) -> u64 {
    let headers: usize = message.headers.iter().map(|(name, value)| name.len() + value.len() + 48).sum();
    let key = message.key.as_ref().map_or(0, Vec::len);
    (message.payload.len() + key + headers) as u64 + OVERHEAD_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{kafka::testing::uploads, source::NextOffset};

    fn place(partition: i32) -> Place {
        ("uploads".to_owned(), partition)
    }

    fn message(partition: i32, offset: i64) -> KafkaMessage {
        KafkaMessage {
            topic: "uploads".to_owned(),
            partition,
            offset,
            timestamp_ms: None,
            key: None,
            headers: Vec::new(),
            payload: format!("{partition}:{offset}").into_bytes(),
        }
    }

    fn mark(partition: u32, next: i64) -> LowWaterMark {
        LowWaterMark { partition: Partition(partition), next: NextOffset(next << 16) }
    }

    /// What the intake is told until there is nothing more.
    fn told(state: &mut State) -> Vec<String> {
        let interpret: Interpret = Box::new(uploads);
        let mut told = Vec::new();
        while let Some(event) = state.take(true, &interpret) {
            told.push(match event {
                SourceEvent::Delivered(delivered) => delivered.upload.relative.to_string_lossy().into_owned(),
                SourceEvent::Assigned(partition) => format!("assigned {}", partition.0),
                SourceEvent::Revoked(partition) => format!("revoked {}", partition.0),
                SourceEvent::Lost(partition) => format!("lost {}", partition.0),
                other => format!("{other:?}"),
            });
        }
        told
    }

    fn assigned(partitions: i32) -> State {
        let mut state = State::new(1 << 20);
        state.assign(&(0..partitions).map(place).collect::<Vec<_>>());
        told(&mut state);
        state
    }

    #[test]
    fn partitions_take_turns_and_a_held_one_waits() {
        let mut state = assigned(3);
        for partition in 0..3 {
            for offset in 0..2 {
                assert_eq!(state.push(message(partition, offset)), Kept::Yes);
            }
        }
        state.hold(Partition(1), true);
        assert_eq!(told(&mut state), ["2:0", "0:0", "2:1", "0:1"].map(str::to_owned).as_slice());
        state.hold(Partition(1), false);
        assert_eq!(told(&mut state), ["1:0", "1:1"]);
    }

    #[test]
    fn nothing_of_a_revoked_partition_is_handed_out() {
        let mut state = assigned(2);
        state.push(message(0, 5));
        state.push(message(1, 5));
        state.commit(&[mark(0, 4)]);
        assert!(state.begin_to_revoke(&[place(0)]).is_empty());
        assert_eq!(state.push(message(0, 6)), Kept::No);
        assert!(state.is_awaiting());
        assert_eq!(told(&mut state), ["revoked 0", "1:5"]);
        state.release(Partition(0), Some(mark(0, 5)));
        assert!(!state.is_awaiting());
        assert_eq!(state.end_revoked(&[place(0)]), [(place(0), 5)]);
    }

    #[test]
    fn marks_of_an_old_epoch_count_for_nothing() {
        let mut state = assigned(1);
        state.begin_to_revoke(&[place(0)]);
        state.end_revoked(&[place(0)]);
        state.assign(&[place(0)]);
        // The intake has heard of neither yet.
        state.commit(&[mark(0, 9)]);
        state.release(Partition(0), Some(mark(0, 9)));
        state.hold(Partition(0), true);
        assert!(state.to_commit().is_empty());
        assert_eq!(told(&mut state), ["revoked 0", "assigned 0"]);
        state.push(message(0, 3));
        assert_eq!(told(&mut state), ["0:3"]);
        state.commit(&[mark(0, 4)]);
        assert_eq!(state.to_commit(), [(place(0), 4)]);
        state.committed(&place(0), 4);
        assert!(state.to_commit().is_empty());
    }

    #[test]
    fn what_the_intake_never_heard_of_needs_no_answer() {
        let mut state = State::new(1 << 20);
        state.assign(&[place(0), place(1)]);
        state.begin_to_revoke(&[place(0)]);
        assert!(!state.is_awaiting());
        state.end_revoked(&[place(0)]);
        state.lose(&[place(1)]);
        assert_eq!(told(&mut state), [""; 0]);
    }

    #[test]
    fn a_full_buffer_pauses_once_and_resumes_when_half_empty() {
        let mut state = assigned(2);
        let kept: Vec<_> = (0..300).map(|offset| state.push(message(0, offset))).collect();
        assert_eq!(kept.iter().filter(|&&kept| kept == Kept::Full).count(), 1);
        assert_eq!(kept[255], Kept::Full);
        assert!(state.take_resumable().is_empty());
        assert_eq!(told(&mut state).len(), 300, "what came before the pause counts is kept");
        assert_eq!(state.take_resumable(), [place(0)]);
        assert!(state.take_resumable().is_empty());
        // By bytes: two partitions share a mebibyte.
        let big = KafkaMessage { payload: vec![b'x'; 300_000], ..message(1, 0) };
        assert_eq!(state.push(big.clone()), Kept::Yes);
        assert_eq!(state.push(KafkaMessage { offset: 1, ..big }), Kept::Full);
    }

    #[test]
    fn offsets_that_go_back_begin_a_new_epoch() {
        let mut state = assigned(1);
        state.push(message(0, 100));
        assert_eq!(told(&mut state), ["0:100"]);
        state.commit(&[mark(0, 101)]);
        state.push(message(0, 0));
        state.push(message(0, 1));
        assert_eq!(told(&mut state), ["lost 0", "assigned 0", "0:0", "0:1"]);
        assert!(state.to_commit().is_empty());
    }

    #[test]
    fn a_message_with_more_records_than_can_be_told_apart_ends_the_source() {
        let mut state = assigned(1);
        let payload = ",".repeat(super::super::MAX_RECORDS).into_bytes();
        state.push(KafkaMessage { payload, ..message(0, 0) });
        let interpret: Interpret = Box::new(uploads);
        assert!(matches!(state.take(true, &interpret), Some(SourceEvent::Failed(_))));
        assert!(state.take(true, &interpret).is_none());
    }

    #[test]
    fn the_backlog_is_what_was_not_delivered() {
        let mut state = assigned(2);
        state.set_end(&place(0), 10, 4);
        state.set_end(&place(1), 7, 7);
        assert_eq!(state.backlog(), 6);
        state.push(message(0, 4));
        told(&mut state);
        assert_eq!(state.backlog(), 5);
        assert_eq!(state.lag(&HashMap::from([(place(0), 4), (place(1), 7)])), 6);
        state.committed(&place(0), 5);
        assert_eq!(state.lag(&HashMap::from([(place(0), 4), (place(1), 7)])), 5);
    }
}
