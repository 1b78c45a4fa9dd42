//! JSON that has one form only (RFC 8785, the JSON Canonicalization Scheme), and reading JSON that has one meaning only.

use serde::Serialize;
use serde_json::Value;

use crate::strict_json;

/// The canonical bytes of what `value` is as JSON.
///
/// # Errors
/// If it is no JSON: a number that is not finite, a key that is no text.
pub fn canonical(value: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    // By way of text, so that a number of single precision has the digits that people see.
    let value: Value = serde_json::from_slice(&serde_json::to_vec(value)?)?;
    serde_json_canonicalizer::to_vec(&value)
}

/// The one JSON value in `bytes`. A name that is given twice is refused (RFC 8785 asks for I-JSON, RFC 7493): some programs
/// read the first value and some the last, and only one of them was signed.
///
/// # Errors
/// If it is no such JSON.
pub fn read_strictly(bytes: &[u8]) -> Result<Value, serde_json::Error> {
    // Our own documents: serde_json's bound on depth and the size of the file are enough.
    strict_json::read(bytes, usize::MAX, usize::MAX).map_err(|refused| refused.error)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// The examples of RFC 8785, sections 3.2.2 and 3.2.3.
    #[test]
    fn the_examples_of_the_standard() {
        let numbers = br#"{"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
            "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/", "literals": [null, true, false]}"#;
        let expected = "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],\
                        \"string\":\"\u{20ac}$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}";
        assert_eq!(String::from_utf8(canonical(&read_strictly(numbers).unwrap()).unwrap()).unwrap(), expected);
        let sorted = json!({
            "\u{20ac}": "Euro Sign", "\r": "Carriage Return", "\u{fb33}": "Hebrew Letter Dalet With Dagesh",
            "1": "One", "\u{1f600}": "Emoji: Grinning Face", "\u{80}": "Control", "\u{f6}": "Latin Small Letter O With Diaeresis",
        });
        let text = String::from_utf8(canonical(&sorted).unwrap()).unwrap();
        let places: Vec<_> = ["Return", "One", "Control", "Latin", "Euro", "Emoji", "Hebrew"]
            .map(|word| text.find(word).unwrap())
            .into();
        assert!(places.is_sorted(), "{text}");
    }

    #[test]
    fn numbers_of_single_precision_keep_their_digits() {
        assert_eq!(canonical(&[0.4f32, 1.0]).unwrap(), b"[0.4,1]");
        assert_eq!(canonical(&f64::NAN).unwrap(), b"null", "serde_json writes what is no number as null");
    }

    #[test]
    fn a_name_that_is_given_twice_is_refused_at_any_depth() {
        assert!(read_strictly(br#"{"a": 1, "b": 1}"#).is_ok());
        for text in [r#"{"a": 1, "a": 1}"#, r#"[{"b": {"a": 1, "\u0061": 2}}]"#, "{} {}", "{", ""] {
            assert!(read_strictly(text.as_bytes()).is_err(), "{text}");
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            any::<f64>().prop_filter("finite", |number| number.is_finite()).prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_form_does_not_depend_on_how_it_was_written(value in any_json()) {
            let once = canonical(&value).unwrap();
            for text in [serde_json::to_vec(&value).unwrap(), serde_json::to_vec_pretty(&value).unwrap(), once.clone()] {
                prop_assert_eq!(&canonical(&read_strictly(&text).unwrap()).unwrap(), &once);
            }
        }
    }
}
