//! Documents with a signature inside.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use super::{PublicKeys, SigningKey, canonical::canonical};

const ALGORITHM: &str = "Ed25519";

/// Why a document is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureProblem {
    #[error("expected a document of the kind `{expected}`, found another")]
    OtherKind { expected: &'static str },
    #[error("expected a signature, found none")]
    Unsigned,
    #[error("expected a signature by Ed25519 with `key_id` and `value`, found another")]
    Malformed,
    #[error("expected a signature by one of the given keys ({given}), found one by `{found}`")]
    UnknownKey { found: String, given: String },
    #[error("the signature does not fit: the document was changed, or signed by somebody else")]
    Broken,
}

impl SignatureProblem {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::OtherKind { .. } => "check that it is the right file, and as Obscura wrote it",
            Self::Unsigned => {
                "set `receipts.key_file` where photos are redacted; what was written before cannot be proved"
            }
            Self::Malformed => "the file was damaged, or written by a newer version",
            Self::UnknownKey { .. } => "name every public key that was ever used with `--key`",
            Self::Broken => "do not rely on it",
        }
    }
}

/// Put a signature into an object.
///
/// # Errors
/// If it is no object.
pub fn sign(mut document: Value, key: &SigningKey) -> Result<Value, serde_json::Error> {
    document["signature"] = json!({ "algorithm": ALGORITHM, "key_id": key.id() });
    let signature = key.sign(&canonical(&document)?);
    document["signature"]["value"] = BASE64_STANDARD.encode(signature).into();
    Ok(document)
}

/// Check the document's kind and signature. Returns the id of the key.
///
/// # Errors
/// If it is not what one of the keys signed.
pub fn verify(document: &Value, kind: &'static str, keys: &PublicKeys) -> Result<String, SignatureProblem> {
    if document["kind"] != kind {
        return Err(SignatureProblem::OtherKind { expected: kind });
    }
    let mut unsigned = document.clone();
    let Some(signature) = unsigned.get_mut("signature").and_then(Value::as_object_mut) else {
        return Err(SignatureProblem::Unsigned);
    };
    let value = signature.remove("value");
    let value = value.as_ref().and_then(Value::as_str).and_then(|text| BASE64_STANDARD.decode(text).ok());
    let id =
        signature.get("key_id").and_then(Value::as_str).filter(|id| id.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let id = id.map(str::to_owned);
    let is_known = signature.len() == 2 && signature.get("algorithm").is_some_and(|name| name == ALGORITHM);
    let (true, Some(value), Some(id)) = (is_known, value, id) else { return Err(SignatureProblem::Malformed) };
    let message = canonical(&unsigned).map_err(|_| SignatureProblem::Malformed)?;
    match keys.verifies(&id, &message, &value) {
        Some(true) => Ok(id),
        Some(false) => Err(SignatureProblem::Broken),
        None => {
            let given: Vec<&str> = keys.ids().collect();
            Err(SignatureProblem::UnknownKey { found: id, given: given.join(", ") })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::read_strictly;

    #[test]
    fn any_form_of_the_same_document_verifies_and_nothing_else_does() {
        let key = SigningKey::for_tests();
        let keys = key.public();
        let document = json!({"kind": "test", "a": 1.5, "list": [1, {"b": "ö"}]});
        let signed = sign(document.clone(), &key).unwrap();
        for text in [serde_json::to_vec(&signed).unwrap(), serde_json::to_vec_pretty(&signed).unwrap()] {
            assert_eq!(verify(&read_strictly(&text).unwrap(), "test", &keys).unwrap(), key.id());
        }
        let broken = |change: &dyn Fn(&mut Value)| {
            let mut changed = signed.clone();
            change(&mut changed);
            verify(&changed, "test", &keys).unwrap_err()
        };
        assert_eq!(broken(&|it| it["a"] = 1.25.into()), SignatureProblem::Broken);
        assert_eq!(broken(&|it| it["list"][1]["b"] = "o".into()), SignatureProblem::Broken);
        assert_eq!(broken(&|it| it["more"] = true.into()), SignatureProblem::Broken);
        assert_eq!(broken(&|it| drop(it.as_object_mut().unwrap().remove("a"))), SignatureProblem::Broken);
        assert_eq!(broken(&|it| it["signature"]["algorithm"] = "none".into()), SignatureProblem::Malformed);
        assert_eq!(broken(&|it| it["signature"]["more"] = 1.into()), SignatureProblem::Malformed);
        assert_eq!(broken(&|it| it["signature"]["value"] = "AA==".into()), SignatureProblem::Broken);
        assert_eq!(broken(&|it| it["signature"] = Value::Null), SignatureProblem::Unsigned);
        assert_eq!(broken(&|it| it["kind"] = "other".into()), SignatureProblem::OtherKind { expected: "test" });
        assert_eq!(verify(&document, "test", &keys).unwrap_err(), SignatureProblem::Unsigned);
        let another = SigningKey::for_tests();
        assert!(matches!(verify(&signed, "test", &another.public()), Err(SignatureProblem::UnknownKey { .. })));
        // Signed by another key that gives itself the first one's name.
        let mut forged = sign(document, &another).unwrap();
        forged["signature"]["key_id"] = key.id().into();
        assert_eq!(verify(&forged, "test", &keys).unwrap_err(), SignatureProblem::Broken);
    }
}
