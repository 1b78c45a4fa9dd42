//! JSON that has one meaning only: bounded in depth and number of values, and without a name given twice.
//!
//! Two values under one name are read as the first by some programs and as the last by others (RFC 8259, section 4),
//! so that what one program checked is not what another uses. Such JSON is refused (as RFC 7493 asks).

use std::{cell::Cell, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Why JSON was refused.
pub(crate) struct Refused {
    /// Tells nothing of the content.
    pub reason: &'static str,
    /// With the place.
    pub error: serde_json::Error,
}

/// The one JSON value in `bytes`, of at most so many levels and values.
pub(crate) fn read(bytes: &[u8], max_depth: usize, max_values: usize) -> Result<Value, Refused> {
    let reason = Cell::new("something that is no JSON");
    let facts = Facts { max_depth, max_values, values: Cell::new(0), reason };
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    Strict { depth: 0, facts: &facts }
        .deserialize(&mut reader)
        .and_then(|value| reader.end().map(|()| value))
        .map_err(|error| Refused { reason: facts.reason.get(), error })
}

struct Facts {
    max_depth: usize,
    max_values: usize,
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
        if self.depth == self.facts.max_depth {
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
        if values > self.facts.max_values {
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
        let mut fields = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            let value = map.next_value_seed(inner)?;
            if fields.insert(name, value).is_some() {
                return Err(self.fail("JSON with a name given twice"));
            }
        }
        Ok(Value::Object(fields))
    }
}
