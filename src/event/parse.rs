//! From a message to what it says, told apart by content.
//!
//! A message is understood wholly or not at all: one record that is not understood makes the whole message an
//! [`UnknownEvent`], so that its good records are never taken while the bad one goes unnoticed. Objects that carry the
//! marks of two kinds at once are not understood.

use serde_json::Value;

use super::{
    Ignored, Message, Notice, UnknownEvent, azure, cloudevents, gcs,
    json::{self, Fields},
    limits::{MAX_RECORDS, MAX_TEXT_BYTES, MAX_WRAPS},
    s3,
};

/// Header of a forwarded message: the region whose worker sent it on.
pub const FORWARDED_HEADER: &str = "obscura-forwarded-from";
/// Header of a message that was forwarded or put back for the sake of one record: its number, from 0. The other
/// records are [`Ignored::OtherRecord`], so numbers stay what they were.
pub const RECORD_HEADER: &str = "obscura-record";

/// What each record of a message says, in the order of the message; never empty.
///
/// # Errors
/// If any part of it is not understood. What was found is told without repeating content.
pub fn parse(message: &Message) -> Result<Vec<Notice>, UnknownEvent> {
    let mut notices = by_headers(message)?;
    if notices.is_empty() {
        return Err(UnknownEvent::new("no record"));
    }
    if header(message, FORWARDED_HEADER)?.is_some() {
        for notice in &mut notices {
            if let Notice::Upload(upload) = notice {
                upload.forwarded = true;
            }
        }
    }
    if let Some(number) = header(message, RECORD_HEADER)? {
        let meant = number.parse().ok().filter(|meant: &usize| *meant < notices.len());
        let meant = meant.ok_or_else(|| UnknownEvent::new(format!("no record of the number in `{RECORD_HEADER}`")))?;
        for (number, notice) in notices.iter_mut().enumerate() {
            if number != meant {
                *notice = Notice::Ignored(Ignored::OtherRecord);
            }
        }
    }
    Ok(notices)
}

/// Kafka protocol binding for CloudEvents 1.0, section 3: the content type decides first, then the headers.
fn by_headers(message: &Message) -> Result<Vec<Notice>, UnknownEvent> {
    let content_type = header(message, "content-type")?.unwrap_or_default().to_ascii_lowercase();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    match media_type {
        cloudevents::STRUCTURED => cloudevents::structured(&json::read(message.payload)?, 0),
        "application/cloudevents-batch+json" => match json::read(message.payload)? {
            Value::Array(events) => together(events.iter().map(|event| cloudevents::structured(event, 0))),
            _ => Err(UnknownEvent::new("a batch of CloudEvents that is no list")),
        },
        other if other.starts_with("application/cloudevents") => {
            Err(UnknownEvent::new("CloudEvents in another format than JSON"))
        }
        _ if message.headers.iter().any(|(name, _)| is_cloud_event_header(name)) => {
            cloudevents::binary(message, media_type)
        }
        _ if header(message, "eventType")?.is_some() && header(message, "bucketId")?.is_some() => {
            gcs::attributes(|name| header(message, name), || json::read(message.payload))
        }
        _ => by_content(&json::read(message.payload)?, 0),
    }
}

fn is_cloud_event_header(name: &str) -> bool {
    name.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("ce_"))
}

/// What an envelope carries as text.
pub(super) fn by_text(text: &str, wraps: usize) -> Result<Vec<Notice>, UnknownEvent> {
    by_content(&json::read(text.as_bytes())?, wraps)
}

/// `wraps` envelopes are around it.
pub(super) fn by_content(value: &Value, wraps: usize) -> Result<Vec<Notice>, UnknownEvent> {
    if wraps > MAX_WRAPS {
        return Err(UnknownEvent::new("too many envelopes inside each other"));
    }
    match value {
        Value::Array(events) => together(events.iter().map(|event| by_content(event, wraps + 1))),
        Value::Object(fields) => kind_of(fields)?.read(value, fields, wraps),
        _ => Err(UnknownEvent::new("JSON that is neither an object nor a list")),
    }
}

/// The records of several parts, if all are understood.
pub(super) fn together(
    parts: impl Iterator<Item = Result<Vec<Notice>, UnknownEvent>>,
) -> Result<Vec<Notice>, UnknownEvent> {
    let mut all = Vec::new();
    for part in parts {
        all.extend(part?);
        if all.len() > MAX_RECORDS {
            return Err(UnknownEvent::new(format!("more than {MAX_RECORDS} records")));
        }
    }
    Ok(all)
}

#[derive(Clone, Copy)]
enum Kind {
    CloudEvent,
    S3Records,
    S3Test,
    EventBridge,
    Sns,
    EventGrid,
    PubSubPush,
}

impl Kind {
    /// The names that tell each kind.
    const MARKS: [(Self, &[&str]); 7] = [
        (Self::CloudEvent, &["specversion"]),
        (Self::S3Records, &["Records"]),
        (Self::S3Test, &["Service", "Event"]),
        (Self::EventBridge, &["detail-type"]),
        (Self::Sns, &["Type", "TopicArn"]),
        (Self::EventGrid, &["eventType", "subject"]),
        (Self::PubSubPush, &["message", "subscription"]),
    ];

    fn read(self, value: &Value, fields: &Fields, wraps: usize) -> Result<Vec<Notice>, UnknownEvent> {
        match self {
            Self::CloudEvent => cloudevents::structured(value, wraps),
            Self::S3Records => s3::records(fields, wraps),
            Self::S3Test => Ok(vec![s3::test_event(fields)?]),
            Self::EventBridge => Ok(vec![s3::event_bridge(fields)?]),
            Self::Sns => s3::sns(fields, wraps),
            Self::EventGrid => Ok(vec![azure::event_grid(fields)?]),
            Self::PubSubPush => gcs::push(fields),
        }
    }
}

fn kind_of(fields: &Fields) -> Result<Kind, UnknownEvent> {
    let mut kinds = Kind::MARKS
        .into_iter()
        .filter(|(_, marks)| marks.iter().all(|mark| fields.contains_key(*mark)))
        .map(|(kind, _)| kind);
    let kind = kinds.next().ok_or_else(|| UnknownEvent::new("JSON of no known kind"))?;
    if kinds.next().is_some() {
        return Err(UnknownEvent::new("JSON with the marks of two kinds of events"));
    }
    Ok(kind)
}

/// A header's text; none if it is absent or empty. Given twice it could be read either way, so it is refused.
pub(super) fn header<'a>(message: &Message<'a>, name: &str) -> Result<Option<&'a str>, UnknownEvent> {
    let mut values = message.headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
    let Some((_, value)) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(UnknownEvent::new(format!("the header `{name}` twice")));
    }
    let text =
        std::str::from_utf8(value).map_err(|_| UnknownEvent::new(format!("a header `{name}` that is no text")))?;
    json::bounded(text, name, MAX_TEXT_BYTES)
}
