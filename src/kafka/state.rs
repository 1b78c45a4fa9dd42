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
