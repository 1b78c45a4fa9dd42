//! JSON from strangers: bounded in size, depth and number of values, and without a name given twice, since whoever checked
//! the message before may have seen another photo.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};

use super::{
    UnknownEvent,
    limits::{MAX_DEPTH, MAX_PAYLOAD_BYTES, MAX_VALUES},
};
use crate::strict_json;

pub(super) type Fields = Map<String, Value>;

/// The one JSON value in `bytes`.
pub(super) fn read(bytes: &[u8]) -> Result<Value, UnknownEvent> {
    if bytes.is_empty() {
        return Err(UnknownEvent::new("no content"));
    }
    if bytes.len() > MAX_PAYLOAD_BYTES {
        return Err(UnknownEvent::new(format!("{} bytes, more than {MAX_PAYLOAD_BYTES}", bytes.len())));
    }
    strict_json::read(bytes, MAX_DEPTH, MAX_VALUES).map_err(|refused| UnknownEvent::new(refused.reason))
}

/// The JSON value in base64, as Pub/Sub and CloudEvents carry it.
pub(super) fn read_base64(text: &str) -> Result<Value, UnknownEvent> {
    read(&STANDARD.decode(text).map_err(|_| UnknownEvent::new("data that is no base64"))?)
}

/// The text under a name; none if it is absent, null or empty.
pub(super) fn text<'a>(
    fields: &'a Fields,
    name: &'static str,
    most_bytes: usize,
) -> Result<Option<&'a str>, UnknownEvent> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => bounded(text, name, most_bytes),
        Some(_) => Err(UnknownEvent::new(format!("a `{name}` that is no text"))),
    }
}

/// The text under a name that must be there.
pub(super) fn required<'a>(fields: &'a Fields, name: &'static str, most_bytes: usize) -> Result<&'a str, UnknownEvent> {
    text(fields, name, most_bytes)?.ok_or_else(|| missing(name))
}

pub(super) fn bounded<'a>(text: &'a str, name: &str, most_bytes: usize) -> Result<Option<&'a str>, UnknownEvent> {
    match text.len() {
        0 => Ok(None),
        bytes if bytes > most_bytes => {
            Err(UnknownEvent::new(format!("a `{name}` of {bytes} bytes, more than {most_bytes}")))
        }
        _ => Ok(Some(text)),
    }
}

/// A whole number under a name; some senders write it as text.
pub(super) fn number(fields: &Fields, name: &'static str) -> Result<Option<u64>, UnknownEvent> {
    let number = match fields.get(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Number(number)) => number.as_u64(),
        Some(Value::String(text)) if text.is_empty() => return Ok(None),
        Some(Value::String(text)) if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
        Some(_) => None,
    };
    number.map(Some).ok_or_else(|| UnknownEvent::new(format!("a `{name}` that is no number of bytes")))
}

/// The object under a name.
pub(super) fn object<'a>(fields: &'a Fields, name: &'static str) -> Result<&'a Fields, UnknownEvent> {
    fields.get(name).and_then(Value::as_object).ok_or_else(|| missing(name))
}

pub(super) fn missing(name: &str) -> UnknownEvent {
    UnknownEvent::new(format!("no `{name}` where one belongs"))
}

/// An etag as the store compares it: without quotation marks.
pub(super) fn etag(fields: &Fields, name: &'static str) -> Result<Option<String>, UnknownEvent> {
    use super::limits::MAX_NAME_BYTES;
    Ok(text(fields, name, MAX_NAME_BYTES)?
        .map(|etag| etag.trim_matches('"'))
        .filter(|etag| !etag.is_empty())
        .map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> String {
        read(text.as_bytes()).expect_err("refused").found
    }

    #[test]
    fn ordinary_json_is_read_as_it_is() {
        let text = r#"{"a":[1,-2,2.5,true,null,"x"],"b":{"c":"\u00e4"}}"#;
        let plain: Value = serde_json::from_str(text).expect("JSON");
        assert_eq!(read(text.as_bytes()).expect("read"), plain);
    }

    #[test]
    fn a_name_given_twice_is_refused_however_it_is_spelled() {
        assert_eq!(found(r#"{"key":"a","key":"b"}"#), "JSON with a name given twice");
        assert_eq!(found(r#"{"key":"a","\u006bey":"a"}"#), "JSON with a name given twice");
        assert_eq!(found(r#"[{"a":{"key":1,"b":2,"key":1}}]"#), "JSON with a name given twice");
    }

    #[test]
    fn bombs_are_refused() {
        let deep = format!("{}{}", "[".repeat(MAX_DEPTH + 1), "]".repeat(MAX_DEPTH + 1));
        assert_eq!(found(&deep), "JSON that is nested too deep");
        assert_eq!(found(&"[".repeat(MAX_PAYLOAD_BYTES)), "JSON that is nested too deep");
        assert_eq!(found(&format!("[0{}]", ",0".repeat(MAX_VALUES))), "JSON with too many values");
        assert!(read("[".repeat(MAX_DEPTH).as_bytes()).is_err());
        let allowed = format!("{}{}", "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH));
        assert!(read(allowed.as_bytes()).is_ok());
        assert!(found(&" ".repeat(MAX_PAYLOAD_BYTES + 1)).contains("more than"));
    }

    #[test]
    fn what_is_no_json_is_refused_without_repeating_it() {
        for text in ["", "secret", "{\"secret\":", "{} {}", "{\"a\":1}x", "\u{feff}{}"] {
            assert!(!found(text).contains("secret"), "{text}");
        }
        assert!(read(b"\"\xff\"").is_err());
    }

    #[test]
    fn numbers_are_whole_and_not_negative() {
        let Value::Object(fields) =
            read(br#"{"a":1,"b":"17","c":-1,"d":1.5,"e":"1e3","f":"99999999999999999999999","g":"","h":true}"#)
                .expect("JSON")
        else {
            panic!("an object");
        };
        assert_eq!(number(&fields, "a").expect("a number"), Some(1));
        assert_eq!(number(&fields, "b").expect("a number"), Some(17));
        assert_eq!(number(&fields, "g").expect("nothing"), None);
        assert_eq!(number(&fields, "none").expect("nothing"), None);
        for name in ["c", "d", "e", "f", "h"] {
            assert!(number(&fields, name).is_err(), "{name}");
        }
    }
}
