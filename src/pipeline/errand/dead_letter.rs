//! What becomes of a record that cannot be published: its message is kept in the region's store, where a wipe of its
//! owner finds it, and the dead-letter topic tells of it. No pixels.

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Workshop,
    event::{EventErrand, defect},
};
use crate::{
    error::{ErrorCode, PhotoError, PhotoResult, Stage},
    event::{EventUpload, RECORD_HEADER, Routed, dead_letter_key, redact_headers, redact_people, redact_urls},
    kafka::{DeadLetter, OriginalMessage, Pointer, RecordPlace},
    store::remote::StoreSet,
    trust::{Pseudonyms, Role, audit::Action},
};

/// Everything that a replay needs, without what would let anybody into a store.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredMessage {
    pub schema: u32,
    pub id: String,
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    pub record: u32,
    pub timestamp_ms: Option<i64>,
    /// Base64.
    pub key: Option<String>,
    /// Values in base64.
    pub headers: Vec<(String, String)>,
    /// Base64. Secrets of URLs are taken out, and people are pseudonyms.
    pub payload: String,
}

impl StoredMessage {
    fn of(event: &EventUpload, id: String, pseudonyms: &Pseudonyms) -> Self {
        let message = &event.message;
        let tenant = match &event.routed {
            Routed::Redact(request) => Some(&request.owner.tenant),
            Routed::Refuse { owner, .. } => owner.as_ref().map(|owner| &owner.tenant),
            Routed::Ignore(_) | Routed::Forward { .. } => None,
        };
        let mut people = Vec::new();
        let payload = redact_people(&redact_urls(&message.payload), &mut |role, id| {
            let role = if role == Role::Device.as_str() { Role::Device } else { Role::Uploader };
            // A key that cannot be used must not keep a dead letter from being kept.
            let pseudonym = tenant.and_then(|tenant| pseudonyms.of(tenant, role, id).ok().flatten());
            people.push((id.as_bytes().to_vec(), pseudonym.clone().unwrap_or_default().into_bytes()));
            pseudonym
        });
        // Who is named inside may also be the message's key, or stand in a header.
        let unnamed =
            |text: Vec<u8>| people.iter().find(|(id, _)| *id == text).map_or(text, |(_, pseudonym)| pseudonym.clone());
        let headers = redact_headers(&message.headers).into_iter().map(|(name, value)| (name, unnamed(value)));
        Self {
            schema: 1,
            id,
            topic: message.topic.clone(),
            partition: message.partition,
            offset: message.offset,
            record: event.record,
            timestamp_ms: message.timestamp_ms,
            key: message.key.as_deref().map(|key| BASE64_STANDARD.encode(unnamed(without_secrets(key)))),
            headers: headers.map(|(name, value)| (name, BASE64_STANDARD.encode(value))).collect(),
            payload: BASE64_STANDARD.encode(&payload),
        }
    }
}

/// A key may be a signed URL as well as a header may.
fn without_secrets(key: &[u8]) -> Vec<u8> {
    if std::str::from_utf8(key).is_ok() { redact_urls(key) } else { key.to_vec() }
}

/// The message of a dead letter, as it was but for the secrets of its URLs; none if it is not kept any more. Of its
/// records only the one that failed is meant.
///
/// # Errors
/// If its store cannot be asked, or holds something else.
pub async fn original_message(stores: &StoreSet, letter: &DeadLetter) -> Result<Option<OriginalMessage>, String> {
    let Some(pointer) = &letter.pointer else { return Ok(None) };
    let store = stores.get(&pointer.store).map_err(|error| error.detail)?;
    let Some(json) = store.get_small(&pointer.key).await.map_err(|error| error.detail)? else { return Ok(None) };
    let stored: StoredMessage = serde_json::from_slice(&json).map_err(|error| error.to_string())?;
    if stored.id != letter.id {
        return Err("expected the message of this dead letter, found another".to_owned());
    }
    let decoded = |text: &str| BASE64_STANDARD.decode(text).map_err(|error| error.to_string());
    let mut headers = Vec::new();
    for (name, value) in stored.headers.iter().filter(|(name, _)| name != RECORD_HEADER) {
        headers.push((name.clone(), decoded(value)?));
    }
    headers.push((RECORD_HEADER.to_owned(), stored.record.to_string().into_bytes()));
    Ok(Some(OriginalMessage {
        topic: stored.topic,
        key: stored.key.as_deref().map(decoded).transpose()?,
        headers,
        payload: decoded(&stored.payload)?,
    }))
}

impl EventErrand {
    /// Returns what went wrong.
    pub(super) async fn failed(&self, shop: &Workshop, error: &PhotoError) -> Option<String> {
        self.record_failure(shop, error).await.err().map(|failure| failure.detail)
    }

    async fn record_failure(&self, shop: &Workshop, error: &PhotoError) -> PhotoResult<()> {
        let event = self.event()?;
        let origin = RecordPlace::new(&event.message, event.record);
        // Of a project that was wiped nothing is kept, not even what could not be done.
        let pointer = match error.code {
            ErrorCode::ProjectWiped => None,
            _ => self.put_away(shop, event, &origin.dead_letter_id()).await?,
        };
        let pipeline = shop.policy_for(&self.upload).pipeline.clone();
        let letter = DeadLetter::new(origin, error, &pipeline, &self.places.region, pointer);
        let (key, headers) = (letter.id.as_bytes(), letter.headers());
        self.send(shop, &self.places.dead_letter_topic, Some(key), &headers, &letter.payload()).await?;
        self.audit(shop, Action::Refused, json!({ "code": error.code, "stage": error.stage })).await
    }

    /// Store the message. Where its own store refuses it, the region's takes it; if that refuses it too, the dead letter
    /// points nowhere, and only the topic that it came from has it.
    async fn put_away(&self, shop: &Workshop, event: &EventUpload, id: &str) -> PhotoResult<Option<Pointer>> {
        let home = self.places.region_store.as_str();
        let (store, prefix, owner) = match &event.routed {
            Routed::Redact(request) => {
                (request.route.destination.as_str(), request.route.prefix.as_str(), Some(&request.owner))
            }
            Routed::Refuse { owner, .. } => (home, "", owner.as_ref()),
            Routed::Ignore(_) | Routed::Forward { .. } => (home, "", None),
        };
        let stored = StoredMessage::of(event, id.to_owned(), &self.places.pseudonyms);
        let json = Bytes::from(serde_json::to_vec_pretty(&stored).map_err(|error| defect(&error.to_string()))?);
        for (name, prefix) in [(store, prefix), (home, "")] {
            let key = dead_letter_key(prefix, owner, id);
            let (target, breaker) = self.places.store(name)?;
            let putting = || target.put(&key, json.clone());
            match shop.attempts(Stage::Publish, Some((breaker, json.len() as u64)), putting).await {
                Ok(()) => return Ok(Some(Pointer { store: name.to_owned(), key })),
                Err(refused) => tracing::warn!(store = name, error = refused.detail, "a dead letter was not taken"),
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_signature_is_kept_in_a_key() {
        let kept = without_secrets(b"https://photos.example.com/a.jpg?X-Amz-Signature=0123abcd");
        assert!(!String::from_utf8_lossy(&kept).contains("0123abcd"));
        assert_eq!(without_secrets(b"street/a photo.jpg"), b"street/a photo.jpg");
        assert_eq!(without_secrets(&[0xFF, 0, 7]), [0xFF, 0, 7]);
    }
}
