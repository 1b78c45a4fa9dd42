//! Google Cloud Storage's notifications: by Pub/Sub, in attributes or in a push message, and as CloudEvents.

use serde_json::Value;

use super::{
    Ignored, Location, Notice, Service, UnknownEvent, UploadEvent,
    json::{self, Fields, missing, object, required, text},
    limits::{MAX_KEY_BYTES, MAX_NAME_BYTES, MAX_PAYLOAD_BYTES},
};

/// A notification whose attributes are given by `get`; its message is the object's resource unless the subscriber
/// asked for none.
pub(super) fn attributes<'a>(
    get: impl Fn(&str) -> Result<Option<&'a str>, UnknownEvent>,
    payload: impl FnOnce() -> Result<Value, UnknownEvent>,
) -> Result<Vec<Notice>, UnknownEvent> {
    let needed = |name: &str| get(name)?.ok_or_else(|| missing(name));
    let notice = match needed("eventType")? {
        "OBJECT_FINALIZE" => {
            let object = match get("payloadFormat")? {
                Some("NONE") => None,
                _ => match payload()? {
                    Value::Object(fields) => Some(fields),
                    _ => return Err(UnknownEvent::new("a GCS message that is no object's resource")),
                },
            };
            let (bucket, key) = (needed("bucketId")?, needed("objectId")?);
            Notice::Upload(upload(bucket, key, needed("objectGeneration")?, object.as_ref())?)
        }
        "OBJECT_DELETE" | "OBJECT_ARCHIVE" => Notice::Ignored(Ignored::Deletion),
        "OBJECT_METADATA_UPDATE" => Notice::Ignored(Ignored::OtherKind),
        _ => return Err(UnknownEvent::new("a GCS `eventType` that is not known")),
    };
    Ok(vec![notice])
}

/// `{"message": {"attributes": {...}, "data": "base64"}, "subscription": "..."}`
pub(super) fn push(fields: &Fields) -> Result<Vec<Notice>, UnknownEvent> {
    let message = object(fields, "message")?;
    let named = object(message, "attributes")?;
    let get = |name: &str| match named.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => json::bounded(text, "attribute", MAX_KEY_BYTES),
        Some(_) => Err(UnknownEvent::new("an attribute that is no text")),
    };
    attributes(get, || json::read_base64(required(message, "data", 2 * MAX_PAYLOAD_BYTES)?))
}

/// `google.cloud.storage.object.v1.{what}`
pub(super) fn cloud_event(
    what: &str,
    source: &str,
    subject: Option<&str>,
    data: impl FnOnce() -> Result<Fields, UnknownEvent>,
) -> Result<Notice, UnknownEvent> {
    match what {
        "finalized" => {
            let object = data()?;
            let bucket = required(&object, "bucket", MAX_NAME_BYTES)?;
            let key = required(&object, "name", MAX_KEY_BYTES)?;
            let named_bucket = source.rsplit_once("/buckets/").map(|(_, bucket)| bucket);
            let named_key = subject.and_then(|subject| subject.strip_prefix("objects/"));
            if named_bucket.is_some_and(|named| named != bucket) || named_key.is_some_and(|named| named != key) {
                return Err(disagreement());
            }
            let generation = generation_in(&object)?.ok_or_else(|| missing("generation"))?;
            Ok(Notice::Upload(upload(bucket, key, &generation, Some(&object))?))
        }
        "deleted" | "archived" => Ok(Notice::Ignored(Ignored::Deletion)),
        "metadataUpdated" => Ok(Notice::Ignored(Ignored::OtherKind)),
        _ => Err(UnknownEvent::new("a CloudEvent of GCS of another type")),
    }
}

fn upload(bucket: &str, key: &str, generation: &str, object: Option<&Fields>) -> Result<UploadEvent, UnknownEvent> {
    let key = json::bounded(key, "objectId", MAX_KEY_BYTES)?.ok_or_else(|| missing("objectId"))?;
    let bucket = json::bounded(bucket, "bucketId", MAX_NAME_BYTES)?.ok_or_else(|| missing("bucketId"))?;
    if generation.len() > 20 || !generation.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(UnknownEvent::new("a generation that is no number"));
    }
    let mut size_bytes = None;
    if let Some(object) = object {
        let agrees = text(object, "bucket", MAX_NAME_BYTES)?.is_none_or(|named| named == bucket)
            && text(object, "name", MAX_KEY_BYTES)?.is_none_or(|named| named == key)
            && generation_in(object)?.is_none_or(|named| named == generation);
        if !agrees {
            return Err(disagreement());
        }
        size_bytes = json::number(object, "size")?;
    }
    // The etag of the JSON interface is not the one that a GET answers with; the generation says all.
    Ok(UploadEvent {
        version: Some(generation.to_owned()),
        size_bytes,
        ..UploadEvent::at(Location::Object { service: Service::Gcs, bucket: bucket.to_owned(), key: key.to_owned() })
    })
}

/// Text in Google's JSON, but a number in some tools'.
fn generation_in(object: &Fields) -> Result<Option<String>, UnknownEvent> {
    Ok(json::number(object, "generation")?.map(|generation| generation.to_string()))
}

fn disagreement() -> UnknownEvent {
    UnknownEvent::new("a GCS event whose parts name two objects")
}
