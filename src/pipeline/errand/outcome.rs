//! What is told when a photo is published: a CloudEvent (1.0, structured JSON) with the receipt.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::{
    event::{Location, PhotoRequest, SourcePhoto, structured_content_type},
    redact::sha256_hex,
    trust::Subject,
};

/// Everything that the event tells.
pub(super) struct OutcomeEvent<'a> {
    pub region: &'a str,
    pub request: &'a PhotoRequest,
    pub subject: &'a Subject,
    pub source: &'a SourcePhoto,
    pub output_key: &'a str,
    /// None: it lies nowhere.
    pub receipt_key: Option<&'a String>,
    /// As JSON; none: it is not told.
    pub receipt: Option<&'a Bytes>,
    /// Whether another pipeline's result was there.
    pub replaces: bool,
    pub output_sha256: &'a str,
}

type Message = (Vec<(String, Vec<u8>)>, Vec<u8>);

/// Headers and payload. The id is derived from the output's name: an event that is sent twice has one id, and one that tells
/// of another result under that name has another.
pub(super) fn outcome_event(event: &OutcomeEvent) -> Result<Message, String> {
    let receipt: Option<Value> =
        event.receipt.map(|json| serde_json::from_slice(json)).transpose().map_err(|error| error.to_string())?;
    let source = match &event.source.location {
        Location::Object { bucket, key, .. } => json!({
            "store": event.source.store, "bucket": bucket, "key": key,
            "version": event.source.version, "etag": event.source.etag,
        }),
        // Without what makes it a secret.
        Location::Url(url) => json!({ "url": url.split(['?', '#']).next(), "version": event.source.version }),
    };
    let owner = &event.request.owner;
    let id = if event.replaces {
        sha256_hex(format!("{}\n{}", event.output_key, event.output_sha256).as_bytes())
    } else {
        sha256_hex(event.output_key.as_bytes())
    };
    let mut body = json!({
        "specversion": "1.0",
        "id": &id[..32],
        "source": format!("/obscura/{}", event.region),
        "type": "photo.redacted",
        "subject": event.output_key,
        "time": chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
        "datacontenttype": "application/json",
        "data": {
            "tenant": owner.tenant,
            "project": owner.project,
            "uploader": event.subject.uploader,
            "device": event.subject.device,
            "region": event.region,
            "route": event.request.route.name,
            "source": source,
            "output": {
                "store": event.request.route.destination,
                "key": event.output_key,
                "receipt_key": event.receipt_key,
            },
            "receipt": receipt,
        },
    });
    if event.replaces {
        body["data"]["replaced"] = json!(true);
    }
    let payload = serde_json::to_vec(&body).map_err(|error| error.to_string())?;
    Ok((vec![structured_content_type()], payload))
}
