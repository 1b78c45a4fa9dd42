//! Taking people out of a message before it is kept as a dead letter: who uploaded, with what, and from where.
//!
//! What names an uploader or a device in Obscura's own events becomes a pseudonym, so that the message can be put back;
//! without a key it is removed. What stores tell of the client (addresses, accounts) is removed. This also happens inside of
//! JSON in texts and in base64.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::Value;

/// Encodings inside each other that are looked through.
const MAX_LAYERS: usize = 8;
const REMOVED: &str = "removed";
/// Of the client, in events of S3 and its like.
const OF_CLIENTS: [&str; 5] = ["principalId", "sourceIPAddress", "userAgent", "remoteIp", "callerIpAddress"];

/// The message with every uploader and device replaced by what `pseudonym` gives for it; to the byte the same if it names
/// nobody. Of the two names under which an id may stand it is told the one that was found.
#[must_use]
pub fn redact_people(payload: &[u8], pseudonym: &mut dyn FnMut(&str, &str) -> Option<String>) -> Vec<u8> {
    let Ok(mut value) = serde_json::from_slice::<Value>(payload) else { return payload.to_vec() };
    if replace(&mut value, pseudonym, 0) { serde_json::to_vec(&value).unwrap_or_default() } else { payload.to_vec() }
}

/// Returns whether something was replaced.
fn replace(value: &mut Value, pseudonym: &mut dyn FnMut(&str, &str) -> Option<String>, layer: usize) -> bool {
    match value {
        Value::Object(fields) => {
            let mut any = false;
            for (name, value) in fields.iter_mut() {
                let is_client = OF_CLIENTS.contains(&name.as_str());
                match value {
                    Value::String(id) if matches!(name.as_str(), "uploader" | "device") => {
                        let new = pseudonym(name, id).unwrap_or_else(|| REMOVED.to_owned());
                        any |= *id != new;
                        *id = new;
                    }
                    Value::String(text) if is_client => {
                        any |= text != REMOVED;
                        REMOVED.clone_into(text);
                    }
                    // MinIO tells the client's address so.
                    Value::Object(source) if name == "source" && source.contains_key("host") => {
                        source.insert("host".to_owned(), REMOVED.into());
                        any = true;
                        let _ = replace(value, pseudonym, layer);
                    }
                    other => any |= replace(other, pseudonym, layer),
                }
            }
            any
        }
        Value::Array(items) => items.iter_mut().fold(false, |any, item| replace(item, pseudonym, layer) | any),
        Value::String(text) if layer < MAX_LAYERS => match replaced_inside(text, pseudonym, layer + 1) {
            Some(new) => {
                *text = new;
                true
            }
            None => false,
        },
        _ => false,
    }
}

fn replaced_inside(
    text: &str,
    pseudonym: &mut dyn FnMut(&str, &str) -> Option<String>,
    layer: usize,
) -> Option<String> {
    let looks_like_json = |bytes: &[u8]| matches!(bytes.trim_ascii_start().first(), Some(b'{' | b'['));
    if looks_like_json(text.as_bytes()) {
        let mut inner: Value = serde_json::from_str(text).ok()?;
        return replace(&mut inner, pseudonym, layer).then(|| inner.to_string());
    }
    let decoded = BASE64_STANDARD.decode(text).ok().filter(|bytes| looks_like_json(bytes))?;
    let mut inner: Value = serde_json::from_slice(&decoded).ok()?;
    replace(&mut inner, pseudonym, layer).then(|| BASE64_STANDARD.encode(inner.to_string()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn redacted(value: &Value) -> String {
        let bytes = redact_people(value.to_string().as_bytes(), &mut |role, id| {
            (id != "nobody").then(|| format!("{role} with {} letters", id.len()))
        });
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn people_are_found_at_any_depth() {
        let own = json!({"data": {"uploader": "ada", "device": "phone-1", "key": "ada.jpg"}});
        let text = redacted(&own);
        assert!(text.contains("uploader with 3 letters") && text.contains("device with 7 letters"), "{text}");
        assert!(text.contains("ada.jpg"), "keys of photos stay: {text}");
        assert!(redacted(&json!({"uploader": "nobody"})).contains("removed"));
        let encoded = json!({"message": {"data": BASE64_STANDARD.encode(own.to_string())}});
        let nested: Value = serde_json::from_str(&redacted(&encoded)).unwrap();
        let inner = BASE64_STANDARD.decode(nested["message"]["data"].as_str().unwrap()).unwrap();
        assert!(!String::from_utf8(inner).unwrap().contains("\"ada\""));
        assert!(!redacted(&json!({"Message": own.to_string()})).contains("\\\"ada\\\""));
    }

    #[test]
    fn what_stores_tell_of_clients_goes() {
        let event = json!({"Records": [{
            "userIdentity": {"principalId": "AWS:ADA"}, "requestParameters": {"sourceIPAddress": "192.0.2.7"},
            "source": {"host": "192.0.2.7", "userAgent": "MinIO"}, "s3": {"object": {"key": "a.jpg"}},
        }]});
        let text = redacted(&event);
        assert!(!text.contains("ADA") && !text.contains("192.0.2.7") && text.contains("a.jpg"), "{text}");
        assert_eq!(redacted(&serde_json::from_str(&text).unwrap()), text);
    }

    #[test]
    fn what_names_nobody_stays_to_the_byte() {
        for text in ["{\"b\": 1,  \"a\": 2}", "no json", "", "{\"source\": \"/app\", \"data\": \"e30=\"}"] {
            assert_eq!(redact_people(text.as_bytes(), &mut |_, _| None), text.as_bytes());
        }
    }
}
