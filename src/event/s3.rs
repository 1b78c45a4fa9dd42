//! Bucket notifications of Amazon S3 and of what speaks like it (MinIO, Ceph), bare or in SNS, SQS and EventBridge.

use serde_json::Value;

use super::{
    Ignored, Location, Notice, Service, UnknownEvent, UploadEvent,
    json::{self, Fields, missing, object, required, text},
    key::percent_decoded,
    limits::{MAX_KEY_BYTES, MAX_NAME_BYTES, MAX_VERSION_BYTES},
    parse::{by_text, together},
};

/// Names in the place of `ObjectCreated` and `ObjectRemoved` that are no uploads.
const OTHER_KINDS: [&str; 9] = [
    "IntelligentTiering",
    "LifecycleTransition",
    "ObjectAccessed",
    "ObjectAcl",
    "ObjectRestore",
    "ObjectSynced",
    "ObjectTagging",
    "ReducedRedundancyLostObject",
    "Replication",
];
/// What MinIO calls a creation though only the object's settings change.
const OTHER_CREATIONS: [&str; 4] = ["PutTagging", "DeleteTagging", "PutRetention", "PutLegalHold"];

/// `{"Records": [...]}`
pub(super) fn records(fields: &Fields, wraps: usize) -> Result<Vec<Notice>, UnknownEvent> {
    let Some(Value::Array(records)) = fields.get("Records") else {
        return Err(UnknownEvent::new("`Records` that are no list"));
    };
    together(records.iter().map(|record| {
        let record = record.as_object().ok_or_else(|| UnknownEvent::new("a record that is no object"))?;
        match text(record, "eventSource", MAX_NAME_BYTES)? {
            Some("aws:sqs") => by_text(required(record, "body", usize::MAX)?, wraps + 1),
            source => Ok(vec![record_of(record, source)?]),
        }
    }))
}

fn record_of(record: &Fields, source: Option<&str>) -> Result<Notice, UnknownEvent> {
    if source.is_some_and(|source| !source.ends_with(":s3")) {
        return Err(UnknownEvent::new("a record of another service than S3"));
    }
    let name = required(record, "eventName", MAX_NAME_BYTES)?;
    let (family, detail) = name.strip_prefix("s3:").unwrap_or(name).split_once(':').unwrap_or((name, ""));
    match family {
        "ObjectCreated" if !OTHER_CREATIONS.contains(&detail) => created(record, source).map(Notice::Upload),
        "ObjectRemoved" | "LifecycleExpiration" | "ObjectLifecycle" => Ok(Notice::Ignored(Ignored::Deletion)),
        "ObjectCreated" => Ok(Notice::Ignored(Ignored::OtherKind)),
        other if OTHER_KINDS.contains(&other) => Ok(Notice::Ignored(Ignored::OtherKind)),
        _ => Err(UnknownEvent::new("a record with an `eventName` that is not known")),
    }
}

fn created(record: &Fields, source: Option<&str>) -> Result<UploadEvent, UnknownEvent> {
    let s3 = object(record, "s3")?;
    let stored = object(s3, "object")?;
    // Encoded it may take three times as many bytes.
    let key = required(stored, "key", 3 * MAX_KEY_BYTES)?;
    let key = match source {
        // Ceph writes the key as it is.
        Some("ceph:s3") => key.to_owned(),
        _ => percent_decoded(&key.replace('+', " ")).ok_or_else(|| UnknownEvent::new("a `key` that is not encoded"))?,
    };
    let bucket = required(object(s3, "bucket")?, "name", MAX_NAME_BYTES)?;
    // Elsewhere `awsRegion` is whatever the operator set or left empty.
    let region = match source {
        Some("aws:s3") => text(record, "awsRegion", MAX_NAME_BYTES)?,
        _ => None,
    };
    upload(bucket, key, region, stored, "versionId", "eTag")
}

fn upload(
    bucket: &str,
    key: String,
    region: Option<&str>,
    stored: &Fields,
    version: &'static str,
    etag: &'static str,
) -> Result<UploadEvent, UnknownEvent> {
    let key = json::bounded(&key, "key", MAX_KEY_BYTES)?.ok_or_else(|| missing("key"))?.to_owned();
    Ok(UploadEvent {
        cloud_region: region.map(str::to_owned),
        // The version `null` of a bucket whose versioning is off is overwritten, so it names no upload.
        version: text(stored, version, MAX_VERSION_BYTES)?.filter(|version| *version != "null").map(str::to_owned),
        etag: json::etag(stored, etag)?,
        size_bytes: json::number(stored, "size")?,
        ..UploadEvent::at(Location::Object { service: Service::S3, bucket: bucket.to_owned(), key })
    })
}

/// What S3 sends when a notification is set up.
pub(super) fn test_event(fields: &Fields) -> Result<Notice, UnknownEvent> {
    match (text(fields, "Service", MAX_NAME_BYTES)?, text(fields, "Event", MAX_NAME_BYTES)?) {
        (Some("Amazon S3"), Some("s3:TestEvent")) => Ok(Notice::Ignored(Ignored::TestEvent)),
        _ => Err(UnknownEvent::new("an `Event` that is not known")),
    }
}

/// An event of Amazon EventBridge. Its key is not encoded.
pub(super) fn event_bridge(fields: &Fields) -> Result<Notice, UnknownEvent> {
    if text(fields, "source", MAX_NAME_BYTES)? != Some("aws.s3") {
        return Err(UnknownEvent::new("an EventBridge event of another service than S3"));
    }
    match required(fields, "detail-type", MAX_NAME_BYTES)? {
        "Object Created" => {
            let detail = object(fields, "detail")?;
            let stored = object(detail, "object")?;
            let key = required(stored, "key", MAX_KEY_BYTES)?.to_owned();
            let bucket = required(object(detail, "bucket")?, "name", MAX_NAME_BYTES)?;
            let region = text(fields, "region", MAX_NAME_BYTES)?;
            upload(bucket, key, region, stored, "version-id", "etag").map(Notice::Upload)
        }
        "Object Deleted" => Ok(Notice::Ignored(Ignored::Deletion)),
        "Object Restore Initiated"
        | "Object Restore Completed"
        | "Object Restore Expired"
        | "Object Storage Class Changed"
        | "Object Access Tier Changed"
        | "Object ACL Updated"
        | "Object Tags Added"
        | "Object Tags Deleted" => Ok(Notice::Ignored(Ignored::OtherKind)),
        _ => Err(UnknownEvent::new("a `detail-type` that is not known")),
    }
}

/// The envelope of Amazon SNS.
pub(super) fn sns(fields: &Fields, wraps: usize) -> Result<Vec<Notice>, UnknownEvent> {
    match required(fields, "Type", MAX_NAME_BYTES)? {
        "Notification" => by_text(required(fields, "Message", usize::MAX)?, wraps + 1),
        "SubscriptionConfirmation" | "UnsubscribeConfirmation" => Ok(vec![Notice::Ignored(Ignored::TestEvent)]),
        _ => Err(UnknownEvent::new("an SNS message of a `Type` that is not known")),
    }
}
