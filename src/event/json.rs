//! JSON from strangers: bounded in depth and number of values, and without a name given twice.
//!
//! Two values under one name are read as the first by some programs and as the last by others (RFC 8259, section 4),
//! so whoever checked the message before may have seen another photo. Such a message is refused (as RFC 7493 asks).

use std::{cell::Cell, fmt};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::{
    UnknownEvent,
    limits::{MAX_DEPTH, MAX_PAYLOAD_BYTES, MAX_VALUES},
};

pub(super) type Fields = Map<String, Value>;

/// The one JSON value in `bytes`.
pub(super) fn read(bytes: &[u8]) -> Result<Value, UnknownEvent> {
    if bytes.is_empty() {
        return Err(UnknownEvent::new("no content"));
    }
    if bytes.len() > MAX_PAYLOAD_BYTES {
        return Err(UnknownEvent::new(format!("{} bytes, more than {MAX_PAYLOAD_BYTES}", bytes.len())));
    }
    let facts = Facts { values: Cell::new(0), reason: Cell::new("something that is no JSON") };
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { depth: 0, facts: &facts }
        .deserialize(&mut reader)
        .and_then(|value| reader.end().map(|()| value))
        .map_err(|_| UnknownEvent::new(facts.reason.get()))?;
    Ok(value)
}

/// The JSON value in base64, as Pub/Sub and CloudEvents carry it.
pub(super) fn read_base64(text: &str) -> Result<Value, UnknownEvent> {
    read(&STANDARD.decode(text).map_err(|_| UnknownEvent::new("data that is no base64"))?)
}

struct Facts {
    values: Cell<usize>,
    /// What to say if reading fails.
    reason: Cell<&'static str>,
}

#[derive(Clone, Copy)]
struct Strict<'a> {
    depth: usize,
    facts: &'a Facts,
}

impl<'a> Strict<'a> {
    fn fail<E: Error>(self, reason: &'static str) -> E {
        self.facts.reason.set(reason);
        E::custom(reason)
    }

    fn inner<E: Error>(self) -> Result<Strict<'a>, E> {
        if self.depth == MAX_DEPTH {
            return Err(self.fail("JSON that is nested too deep"));
        }
        Ok(Strict { depth: self.depth + 1, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let values = self.facts.values.get() + 1;
        self.facts.values.set(values);
        if values > MAX_VALUES {
            return Err(self.fail("JSON with too many values"));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(inner)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut fields = Fields::new();
        while let Some(name) = map.next_key::<String>()? {
            let value = map.next_value_seed(inner)?;
            if fields.insert(name, value).is_some() {
                return Err(self.fail("JSON with a name given twice"));
            }
        }
        Ok(Value::Object(fields))
    }
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
