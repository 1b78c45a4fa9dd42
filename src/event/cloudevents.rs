//! CloudEvents 1.0 in JSON (structured mode) and in headers (binary mode), with Obscura's own data or a cloud's.

use serde_json::Value;

use super::{
    Ignored, Location, Message, Notice, Replaces, Service, UnknownEvent, UploadEvent, azure, gcs,
    json::{self, Fields, missing, required, text},
    limits::{MAX_KEY_BYTES, MAX_NAME_BYTES, MAX_TEXT_BYTES, MAX_URL_BYTES, MAX_VERSION_BYTES, MAX_WRAPS},
    parse::header,
};

/// `type` of the event that asks for a photo to be redacted.
pub const UPLOAD_TYPE: &str = "obscura.photo.uploaded";
/// `type` of the event that asks for a photo to be redacted again, and its result to be replaced: `obscura reprocess`.
pub const REPROCESS_TYPE: &str = "obscura.photo.reprocess";
/// `type` of the event that tells of a redacted photo. Obscura's own, and ignored when it comes back.
pub const OUTCOME_TYPE: &str = "photo.redacted";

/// Media type of one event in JSON.
pub(super) const STRUCTURED: &str = "application/cloudevents+json";

/// The header of a message that holds one event in JSON.
#[must_use]
pub fn structured_content_type() -> (String, Vec<u8>) {
    ("content-type".to_owned(), format!("{STRUCTURED}; charset=UTF-8").into_bytes())
}

/// The event's context, whichever way it came.
struct Context<'a> {
    kind: &'a str,
    source: &'a str,
    subject: Option<&'a str>,
}

/// CloudEvents JSON event format 1.0, section 3.
pub(super) fn structured(event: &Value, wraps: usize) -> Result<Vec<Notice>, UnknownEvent> {
    let fields = event.as_object().ok_or_else(|| UnknownEvent::new("a CloudEvent that is no object"))?;
    check_version(text(fields, "specversion", MAX_NAME_BYTES)?)?;
    required(fields, "id", MAX_TEXT_BYTES)?;
    let context = Context {
        kind: required(fields, "type", MAX_NAME_BYTES)?,
        source: required(fields, "source", MAX_TEXT_BYTES)?,
        subject: text(fields, "subject", MAX_TEXT_BYTES)?,
    };
    let media_type = text(fields, "datacontenttype", MAX_NAME_BYTES)?.unwrap_or_default().to_ascii_lowercase();
    context.read(wraps, || {
        check_media_type(&media_type)?;
        match (fields.get("data"), fields.get("data_base64")) {
            (Some(data), None) => Ok(data.clone()),
            (None, Some(Value::String(data))) => json::read_base64(data),
            (None, None) => Err(missing("data")),
            _ => Err(UnknownEvent::new("a CloudEvent with unclear data")),
        }
    })
}

/// Kafka protocol binding for CloudEvents 1.0, section 3.2: attributes in headers, data as the message.
pub(super) fn binary(message: &Message, media_type: &str) -> Result<Vec<Notice>, UnknownEvent> {
    check_version(header(message, "ce_specversion")?)?;
    let needed = |name: &str| header(message, name)?.ok_or_else(|| missing(name));
    needed("ce_id")?;
    let context =
        Context { kind: needed("ce_type")?, source: needed("ce_source")?, subject: header(message, "ce_subject")? };
    context.read(0, || {
        check_media_type(media_type)?;
        json::read(message.payload)
    })
}

fn check_version(version: Option<&str>) -> Result<(), UnknownEvent> {
    match version {
        Some("1.0") => Ok(()),
        _ => Err(UnknownEvent::new("a CloudEvent of another version than 1.0")),
    }
}

/// Absent means JSON (JSON event format, section 3.1).
fn check_media_type(media_type: &str) -> Result<(), UnknownEvent> {
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    if matches!(media_type, "" | "application/json" | "text/json") || media_type.ends_with("+json") {
        return Ok(());
    }
    Err(UnknownEvent::new("a CloudEvent with data other than JSON"))
}

impl Context<'_> {
    fn read(
        &self,
        wraps: usize,
        data: impl FnOnce() -> Result<Value, UnknownEvent>,
    ) -> Result<Vec<Notice>, UnknownEvent> {
        if wraps > MAX_WRAPS {
            return Err(UnknownEvent::new("too many envelopes inside each other"));
        }
        let fields = || match data()? {
            Value::Object(fields) => Ok(fields),
            _ => Err(UnknownEvent::new("a CloudEvent with data that is no object")),
        };
        match self.kind {
            UPLOAD_TYPE => Ok(vec![Notice::Upload(upload(&fields()?)?)]),
            REPROCESS_TYPE => Ok(vec![Notice::Upload(reprocess(&fields()?)?)]),
            OUTCOME_TYPE => Ok(vec![Notice::Ignored(Ignored::OwnOutput)]),
            "google.cloud.pubsub.topic.v1.messagePublished" => gcs::push(&fields()?),
            kind if kind.starts_with("Microsoft.Storage.") => {
                let subject = self.subject.ok_or_else(|| missing("subject"))?;
                Ok(vec![azure::storage(kind, Some(self.source), subject, fields)?])
            }
            kind => match kind.strip_prefix("google.cloud.storage.object.v1.") {
                Some(what) => Ok(vec![gcs::cloud_event(what, self.source, self.subject, fields)?]),
                None => Err(UnknownEvent::new("a CloudEvent of another type")),
            },
        }
    }
}

/// Obscura's own data. A name that is not known may be a misspelled one that mattered, so it is refused.
fn upload(data: &Fields) -> Result<UploadEvent, UnknownEvent> {
    const NAMES: [&str; 11] =
        ["tenant", "project", "uploader", "device", "region", "url", "bucket", "key", "version", "etag", "size"];
    if data.keys().any(|name| !NAMES.contains(&name.as_str())) {
        return Err(UnknownEvent::new("upload data with a name that is not known"));
    }
    let url = text(data, "url", MAX_URL_BYTES)?;
    let bucket = text(data, "bucket", MAX_NAME_BYTES)?;
    let key = text(data, "key", MAX_KEY_BYTES)?;
    let location = match (url, bucket, key) {
        (Some(url), None, None) => Location::Url(url.to_owned()),
        (None, Some(bucket), Some(key)) => {
            Location::Object { service: Service::Any, bucket: bucket.to_owned(), key: key.to_owned() }
        }
        _ => return Err(UnknownEvent::new("upload data with neither `url` alone nor `bucket` and `key` alone")),
    };
    let owned = |name, most_bytes| Ok::<_, UnknownEvent>(text(data, name, most_bytes)?.map(str::to_owned));
    Ok(UploadEvent {
        tenant: owned("tenant", MAX_NAME_BYTES)?,
        project: owned("project", MAX_NAME_BYTES)?,
        uploader: owned("uploader", MAX_NAME_BYTES)?,
        device: owned("device", MAX_NAME_BYTES)?,
        region: owned("region", MAX_NAME_BYTES)?,
        version: owned("version", MAX_VERSION_BYTES)?,
        etag: json::etag(data, "etag")?,
        size_bytes: json::number(data, "size")?,
        ..UploadEvent::at(location)
    })
}

/// The data of a photo to be redacted again. All places are the configuration's own.
fn reprocess(data: &Fields) -> Result<UploadEvent, UnknownEvent> {
    const NAMES: [&str; 8] = ["tenant", "project", "route", "output_key", "store", "key", "version", "etag"];
    if data.keys().any(|name| !NAMES.contains(&name.as_str())) {
        return Err(UnknownEvent::new("reprocess data with a name that is not known"));
    }
    let needed = |name, most_bytes| required(data, name, most_bytes).map(str::to_owned);
    let location = Location::Object {
        service: Service::Any,
        bucket: needed("store", MAX_NAME_BYTES)?,
        key: needed("key", MAX_KEY_BYTES)?,
    };
    Ok(UploadEvent {
        tenant: Some(needed("tenant", MAX_NAME_BYTES)?),
        project: Some(needed("project", MAX_NAME_BYTES)?),
        version: text(data, "version", MAX_VERSION_BYTES)?.map(str::to_owned),
        etag: json::etag(data, "etag")?,
        replaces: Some(Replaces {
            route: needed("route", MAX_NAME_BYTES)?,
            output_key: needed("output_key", MAX_KEY_BYTES)?,
        }),
        ..UploadEvent::at(location)
    })
}
