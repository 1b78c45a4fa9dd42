//! Receipts as they are written, and checking them against what they are about.

use serde_json::Value;

use super::{
    PublicKeys, SignatureProblem, SigningKey, Subject,
    canonical::{canonical, read_strictly},
    signed::{sign, verify},
};
use crate::{
    config::Config,
    error::FatalError,
    redact::{RECEIPT_KIND, RECEIPT_SCHEMA, Receipt, sha256_hex},
};

/// Writes receipts: in canonical JSON, signed if there is a key.
#[derive(Clone, Debug, Default)]
pub struct ReceiptWriter {
    key: Option<SigningKey>,
}

impl ReceiptWriter {
    /// # Errors
    /// If the key that the configuration names is of no use.
    pub fn open(config: &Config) -> Result<Self, FatalError> {
        let key = config.receipt_key_file.as_deref().map(SigningKey::read).transpose();
        let key = key.map_err(|error| FatalError::new(error.to_string(), error.hint()))?;
        Ok(Self { key })
    }

    /// # Errors
    /// Never for a receipt that was made here; a number that is not finite could not be written.
    pub fn write(&self, receipt: &Receipt, subject: &Subject) -> Result<Vec<u8>, serde_json::Error> {
        let mut document: Value = serde_json::from_slice(&serde_json::to_vec(receipt)?)?;
        for (name, pseudonym) in [("uploader", &subject.uploader), ("device", &subject.device)] {
            if let Some(pseudonym) = pseudonym {
                document["subject"][name] = pseudonym.as_str().into();
            }
        }
        canonical(&match &self.key {
            Some(key) => sign(document, key)?,
            None => document,
        })
    }
}

/// A receipt that is believed.
#[derive(Debug)]
pub struct CheckedReceipt {
    pub key_id: String,
    pub receipt: Value,
}

/// Why a receipt proves nothing about a photo.
#[derive(Debug, thiserror::Error)]
pub enum ReceiptProblem {
    #[error("the receipt is no JSON of one meaning: {0}")]
    NoJson(serde_json::Error),
    #[error(transparent)]
    Signature(SignatureProblem),
    #[error("expected a receipt of schema {RECEIPT_SCHEMA} or older, found a newer one")]
    Newer,
    #[error("expected the {what} with the SHA-256 `{expected}`, found `{found}`")]
    OtherPhoto { what: &'static str, expected: String, found: String },
}

impl ReceiptProblem {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoJson(_) => "give the receipt as Obscura wrote it, or the `photo.redacted` event",
            Self::Signature(problem) => problem.hint(),
            Self::Newer => "check it with the version of Obscura that wrote it, or a later one",
            Self::OtherPhoto { .. } => "it was changed after redaction, or the receipt belongs to another photo",
        }
    }
}

/// Check a receipt, or the one inside a `photo.redacted` event, and that these are the photo and the source that it tells
/// of.
///
/// # Errors
/// The first reason to believe nothing of it.
pub fn check_receipt(
    receipt: &[u8],
    photo: Option<&[u8]>,
    source: Option<&[u8]>,
    keys: &PublicKeys,
) -> Result<CheckedReceipt, ReceiptProblem> {
    let mut document = read_strictly(receipt).map_err(ReceiptProblem::NoJson)?;
    if document["specversion"].is_string() {
        document = document["data"]["receipt"].take();
    }
    let key_id = verify(&document, RECEIPT_KIND, keys).map_err(ReceiptProblem::Signature)?;
    if document["schema"].as_u64().is_none_or(|schema| schema > u64::from(RECEIPT_SCHEMA)) {
        return Err(ReceiptProblem::Newer);
    }
    for (what, name, bytes) in [("photo", "output", photo), ("source", "source", source)] {
        let Some(bytes) = bytes else { continue };
        let (expected, found) = (&document[name]["sha256"], sha256_hex(bytes));
        if *expected != found {
            let expected = expected.as_str().unwrap_or("none").to_owned();
            return Err(ReceiptProblem::OtherPhoto { what, expected, found });
        }
    }
    Ok(CheckedReceipt { key_id, receipt: document })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn receipt(key: &SigningKey) -> Value {
        let document = json!({
            "kind": RECEIPT_KIND, "schema": RECEIPT_SCHEMA,
            "source": {"sha256": sha256_hex(b"source")}, "output": {"sha256": sha256_hex(b"photo")},
        });
        sign(document, key).unwrap()
    }

    #[test]
    fn only_the_very_photo_and_source_are_taken() {
        let key = SigningKey::for_tests();
        let text = serde_json::to_vec(&receipt(&key)).unwrap();
        let check = |photo, source| check_receipt(&text, photo, source, &key.public());
        assert_eq!(check(Some(b"photo"), Some(b"source")).unwrap().key_id, key.id());
        check(Some(b"photo"), None).unwrap();
        assert!(matches!(check(Some(b"Photo"), None), Err(ReceiptProblem::OtherPhoto { what: "photo", .. })));
        assert!(matches!(
            check(Some(b"photo"), Some(b"photo")),
            Err(ReceiptProblem::OtherPhoto { what: "source", .. })
        ));
    }

    #[test]
    fn the_receipt_of_an_event_is_taken_and_a_newer_one_is_not() {
        let key = SigningKey::for_tests();
        let event = json!({"specversion": "1.0", "data": {"receipt": receipt(&key)}});
        check_receipt(event.to_string().as_bytes(), Some(b"photo"), None, &key.public()).unwrap();
        let newer = sign(json!({"kind": RECEIPT_KIND, "schema": RECEIPT_SCHEMA + 1}), &key).unwrap();
        let newer = check_receipt(newer.to_string().as_bytes(), None, None, &key.public());
        assert!(matches!(newer, Err(ReceiptProblem::Newer)));
    }
}
