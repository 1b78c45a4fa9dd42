//! Putting dead letters back: finding those that were not replayed yet, and sending their messages again.
//!
//! What was replayed is remembered in the dead-letter topic itself, by a tombstone with the dead letter's key. So a replay
//! that is cut off, limited or filtered leaves exactly the rest for the next one, from whichever machine, and a second
//! replay repeats nothing; `again` does. Reading takes no part in the group and commits nothing.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{StreamExt as _, stream};
use rdkafka::{
    ClientContext, Message, Offset, Statistics, TopicPartitionList,
    client::OAuthToken,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer, ConsumerContext},
    error::KafkaError,
    message::{BorrowedMessage, Headers},
};
use tokio::sync::mpsc;

use super::{
    connection::{self, fetching_config, not_created},
    dead_letter::{CODE_HEADER, DeadLetter, ID_HEADER, replayed_headers},
    failure::{Verdict, judge},
    producer::Producer,
};
use crate::{
    config::stream::{KafkaConfig, SaslConfig},
    error::FatalError,
};

/// How long the broker may leave a question unanswered.
const ANSWER_LIMIT: Duration = Duration::from_secs(15);
/// How long nothing may come before the end of the topic is reached.
const SILENCE_LIMIT: Duration = Duration::from_secs(60);
/// Messages that are fetched and sent at once.
const AT_ONCE: usize = 16;

/// Which dead letters are put back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplayOptions {
    /// Only those with this code.
    pub code: Option<String>,
    /// Only those from then on, by the topic's times; milliseconds since 1970.
    pub since_ms: Option<i64>,
    /// Only count them.
    pub dry_run: bool,
    /// At most so many.
    pub limit: Option<u64>,
    /// Those that were replayed before, too.
    pub again: bool,
}

/// A message as it was before it was given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginalMessage {
    pub topic: String,
    pub key: Option<Vec<u8>>,
    pub headers: Vec<(String, Vec<u8>)>,
    pub payload: Vec<u8>,
}

/// What a replay did. With `dry_run` only `selected` and `by_code` say anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplayReport {
    /// Dead letters that were asked for and wait, after `limit`.
    pub selected: u64,
    /// The same by code, before `limit`.
    pub by_code: BTreeMap<String, u64>,
    /// Sent, acknowledged and remembered.
    pub replayed: u64,
    /// Their message is not to be found any more.
    pub without_original: u64,
    /// Could not be read, sent or remembered; the next replay tries them again.
    pub failed: u64,
    /// Why the first of them failed.
    pub first_failure: Option<String>,
}

/// A dead letter and its partition in the topic.
type Found = (Result<DeadLetter, String>, i32, Option<Vec<u8>>);

/// Put dead letters back, from the start of the topic up to its end as it is now. `original` finds the message of a dead
/// letter; `None` if it is gone.
///
/// A message is remembered as replayed once it is acknowledged: if that is cut off in between, the next replay sends it
/// again, which does no harm. Call it on a runtime with time enabled.
///
/// # Errors
/// If the topic cannot be read. What fails for single dead letters is in the report.
pub async fn replay_dead_letters<F, Fut>(
    config: &KafkaConfig,
    options: &ReplayOptions,
    producer: &Producer,
    original: F,
) -> Result<ReplayReport, FatalError>
where
    F: Fn(DeadLetter) -> Fut,
    Fut: Future<Output = Result<Option<OriginalMessage>, String>>,
{
    let (sender, found) = mpsc::channel(AT_ONCE);
    let reader = {
        let (config, options) = (config.clone(), options.clone());
        tokio::task::spawn_blocking(move || Reader::open(&config, options)?.read(&sender))
    };
    let topic = config.dead_letter_topic.as_str();
    let stream = stream::unfold(found, async |mut found| Some((found.recv().await?, found)));
    let ends = stream
        .map(|found| put_back(producer, topic, &original, found))
        .buffer_unordered(AT_ONCE)
        .collect::<Vec<_>>()
        .await;
    let mut report = match reader.await {
        Ok(report) => report?,
        Err(error) => return Err(FatalError::new(format!("reading dead letters failed: {error}"), "report this")),
    };
    for end in ends {
        match end {
            Ok(true) => report.replayed += 1,
            Ok(false) => report.without_original += 1,
            Err(error) => {
                report.failed += 1;
                report.first_failure.get_or_insert(error);
            }
        }
    }
    Ok(report)
}

/// Returns whether there was something to put back.
async fn put_back<F, Fut>(producer: &Producer, topic: &str, original: &F, found: Found) -> Result<bool, String>
where
    F: Fn(DeadLetter) -> Fut,
    Fut: Future<Output = Result<Option<OriginalMessage>, String>>,
{
    let (letter, partition, key) = found;
    let Some(message) = original(letter?).await? else { return Ok(false) };
    let headers = replayed_headers(&message.headers);
    let sent = producer.send(&message.topic, message.key.as_deref(), &headers, &message.payload);
    sent.await.map_err(|error| error.to_string())?;
    // In the same partition, so that it comes after what it answers.
    let remembered = producer.send_to(topic, Some(partition), key.as_deref(), &[], None);
    remembered.await.map_err(|error| format!("replayed, but not remembered: {error}"))?;
    Ok(true)
}

struct ReaderContext {
    sasl: Option<SaslConfig>,
}

impl ClientContext for ReaderContext {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        connection::log(level, facility, message);
    }

    fn stats(&self, _: Statistics) {}

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "obscura::kafka", %error, reason, "the reader reports an error");
    }

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        connection::token(self.sasl.as_ref())
    }
}

impl ConsumerContext for ReaderContext {}

/// Reads the topic twice: first to learn what waits, then to hand it out.
struct Reader {
    consumer: BaseConsumer<ReaderContext>,
    topic: String,
    options: ReplayOptions,
    /// Where each partition begins and ends; the end is the first offset that is not read.
    ranges: Vec<(i32, i64, i64)>,
}

impl Reader {
    fn open(config: &KafkaConfig, options: ReplayOptions) -> Result<Self, FatalError> {
        let mut client = fetching_config(config)?;
        client.set("enable.partition.eof", "true").set("client.id", "obscura-replay");
        let context = ReaderContext { sasl: config.sasl.clone() };
        let consumer: BaseConsumer<_> = client.create_with_context(context).map_err(|error| not_created(&error))?;
        let topic = config.dead_letter_topic.clone();
        // A token or a connection needs a moment, and is only got while the consumer is polled.
        let began = Instant::now();
        let partitions = loop {
            let refusal = match consumer.poll(Duration::from_millis(50)) {
                Some(Err(error)) => match judge(&error, &error.to_string()) {
                    Verdict::Fatal(error) | Verdict::NotConnected(error) | Verdict::Refused(error) => Some(error),
                    Verdict::Passes => None,
                },
                _ => None,
            };
            if let Some(error) = refusal {
                return Err(error);
            }
            match consumer.fetch_metadata(Some(&topic), Duration::from_secs(1)) {
                Ok(metadata) => {
                    let facts = metadata.topics().first();
                    break facts.map(|facts| {
                        facts.partitions().iter().map(rdkafka::metadata::MetadataPartition::id).collect::<Vec<_>>()
                    });
                }
                Err(error) if began.elapsed() > ANSWER_LIMIT => return Err(unreadable(&topic, &error)),
                Err(_) => {}
            }
        };
        let partitions = partitions.filter(|partitions| !partitions.is_empty()).ok_or_else(|| {
            FatalError::new(format!("there is no topic `{topic}`"), "create it, or correct `kafka.dead_letter_topic`")
        })?;
        let mut reader = Self { consumer, topic, options, ranges: Vec::new() };
        for partition in partitions {
            let range = reader.consumer.fetch_watermarks(&reader.topic, partition, ANSWER_LIMIT);
            let (first, end) = range.map_err(|error| unreadable(&reader.topic, &error))?;
            reader.ranges.push((partition, first, end));
        }
        if let Some(since_ms) = reader.options.since_ms {
            reader.begin_at(since_ms)?;
        }
        Ok(reader)
    }

    fn begin_at(&mut self, since_ms: i64) -> Result<(), FatalError> {
        let mut times = TopicPartitionList::new();
        for (partition, _, _) in &self.ranges {
            let added = times.add_partition_offset(&self.topic, *partition, Offset::Offset(since_ms));
            added.map_err(|error| unreadable(&self.topic, &error))?;
        }
        let found = self.consumer.offsets_for_times(times, ANSWER_LIMIT);
        let found = found.map_err(|error| unreadable(&self.topic, &error))?;
        for (partition, first, end) in &mut self.ranges {
            *first = match found.find_partition(&self.topic, *partition).map(|element| element.offset()) {
                Some(Offset::Offset(offset)) if offset >= 0 => offset.max(*first),
                // Nothing is that young.
                _ => *end,
            };
        }
        Ok(())
    }

    /// Hand out what waits; the counts of that.
    fn read(self, found: &mpsc::Sender<Found>) -> Result<ReplayReport, FatalError> {
        let mut waiting: HashMap<Id, (i32, i64, Arc<str>)> = HashMap::new();
        let mut codes: HashSet<Arc<str>> = HashSet::new();
        self.pass(|message| {
            let id = id_of(message);
            if message.payload().is_none() {
                if !self.options.again {
                    waiting.remove(&id);
                }
                return true;
            }
            let code = header(message, CODE_HEADER);
            let code = String::from_utf8_lossy(code.as_deref().unwrap_or(b"unknown")).into_owned();
            if self.options.code.as_ref().is_none_or(|wanted| *wanted == code) {
                let code = codes.get(code.as_str()).cloned().unwrap_or_else(|| code.into());
                codes.insert(Arc::clone(&code));
                waiting.insert(id, (message.partition(), message.offset(), code));
            }
            true
        })?;
        let mut report = ReplayReport::default();
        for (_, _, code) in waiting.values() {
            *report.by_code.entry(code.to_string()).or_default() += 1;
        }
        report.selected = (waiting.len() as u64).min(self.options.limit.unwrap_or(u64::MAX));
        if self.options.dry_run || report.selected == 0 {
            return Ok(report);
        }
        let places: HashSet<(i32, i64)> =
            waiting.into_values().map(|(partition, offset, _)| (partition, offset)).collect();
        let mut left = report.selected;
        self.pass(|message| {
            let (Some(payload), true) = (message.payload(), places.contains(&(message.partition(), message.offset())))
            else {
                return true;
            };
            let letter = DeadLetter::parse(payload).map_err(|error| {
                format!("a dead letter at {}:{} cannot be read: {error}", message.partition(), message.offset())
            });
            let key = message.key().map(<[u8]>::to_vec);
            left -= 1;
            found.blocking_send((letter, message.partition(), key)).is_ok() && left > 0
        })?;
        Ok(report)
    }

    /// Read everything once, until `take` says no.
    fn pass(&self, mut take: impl FnMut(&BorrowedMessage<'_>) -> bool) -> Result<(), FatalError> {
        let mut list = TopicPartitionList::new();
        let mut open: HashMap<i32, i64> = HashMap::new();
        for &(partition, first, end) in self.ranges.iter().filter(|(_, first, end)| first < end) {
            let added = list.add_partition_offset(&self.topic, partition, Offset::Offset(first));
            added.map_err(|error| unreadable(&self.topic, &error))?;
            open.insert(partition, end);
        }
        self.consumer.assign(&list).map_err(|error| unreadable(&self.topic, &error))?;
        let mut heard_at = Instant::now();
        while !open.is_empty() {
            match self.consumer.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => {
                    heard_at = Instant::now();
                    let Some(&end) = open.get(&message.partition()) else { continue };
                    if message.offset() + 1 >= end {
                        open.remove(&message.partition());
                    }
                    if message.offset() < end && !take(&message) {
                        break;
                    }
                }
                // Offsets before the end may not exist any more.
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    heard_at = Instant::now();
                    open.remove(&partition);
                }
                Some(Err(error)) => {
                    if let Verdict::Fatal(error) | Verdict::NotConnected(error) | Verdict::Refused(error) =
                        judge(&error, &error.to_string())
                    {
                        return Err(error);
                    }
                }
                None if heard_at.elapsed() > SILENCE_LIMIT => {
                    return Err(FatalError::new(
                        format!("nothing came from topic `{}` for {} s", self.topic, SILENCE_LIMIT.as_secs()),
                        "check that the brokers are up, then replay again; nothing is replayed twice",
                    ));
                }
                None => {}
            }
        }
        self.consumer.unassign().map_err(|error| unreadable(&self.topic, &error))
    }
}

/// The first bytes of the key's hash: of a whole topic only these are held.
type Id = u128;

fn id_of(message: &BorrowedMessage<'_>) -> Id {
    use sha2::{Digest, Sha256};
    let id = message.key().map(<[u8]>::to_vec).or_else(|| header(message, ID_HEADER));
    // What has no id stands for itself.
    let id = id.unwrap_or_else(|| format!("{}:{}", message.partition(), message.offset()).into_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&Sha256::digest(id)[..16]);
    u128::from_le_bytes(bytes)
}

fn header(message: &BorrowedMessage<'_>, name: &str) -> Option<Vec<u8>> {
    message.headers()?.iter().find(|header| header.key == name)?.value.map(<[u8]>::to_vec)
}

fn unreadable(topic: &str, error: &KafkaError) -> FatalError {
    FatalError::new(
        format!("topic `{topic}` cannot be read: {error}"),
        "check `kafka.brokers`, and that this user may read the topic",
    )
}
