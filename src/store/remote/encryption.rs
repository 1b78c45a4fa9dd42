//! Encryption in a store: the keys of sealed objects beside them, and whose key the store itself uses.

use bytes::Bytes;
use hyper::Method;
use object_store::path::Path;

use super::{
    http::text,
    open::Kind,
    region_store::RegionStore,
    wire::{About, Answer},
};
use crate::{
    config::stream::Encryption,
    error::{ErrorCode, FatalError, PhotoError, PhotoResult, Stage},
    trust::{ENVELOPE_SUFFIX, Envelope, EnvelopeProblem, ObjectKey, ProjectKey},
};

impl RegionStore {
    /// The key by which the object of this key in the store is sealed: the one that lies beside it, or a new one that is put
    /// there. Whoever comes second uses what the first one put.
    ///
    /// # Errors
    /// `key_missing` if it is wrapped by another project key, `output_conflict` if something else lies there, `store_failed`.
    pub async fn object_key(&self, object_key: &str, project_key: &ProjectKey) -> PhotoResult<ObjectKey> {
        let beside = format!("{object_key}{ENVELOPE_SUFFIX}");
        let keys = std::slice::from_ref(project_key);
        if let Some(json) = self.get_small(&beside).await? {
            return Envelope::read(&json).and_then(|envelope| envelope.unwrap_key(keys)).map_err(unfit);
        }
        let new = ObjectKey::new(object_key).map_err(unfit)?;
        let envelope = new.envelope(project_key).map_err(unfit)?;
        match self.put_once(&beside, Bytes::from(envelope.to_json())).await {
            Ok(()) => Ok(new),
            Err(error) if error.code == ErrorCode::OutputConflict => {
                let there = self.get_small(&beside).await?.unwrap_or_default();
                Envelope::read(&there).and_then(|envelope| envelope.unwrap_key(keys)).map_err(unfit)
            }
            Err(error) => Err(error),
        }
    }

    /// See that the store encrypts what lies under `key` as the configuration says.
    pub(super) async fn check_encryption(&self, key: &Path) -> Result<(), FatalError> {
        let (Encryption::SseKms { key: expected } | Encryption::DefaultKey { key: expected }) = &self.0.encryption
        else {
            return Ok(());
        };
        let fatal =
            |message: String, hint: &str| Err(FatalError::new(format!("store `{}`: {message}", self.name()), hint));
        let Some(wire) = &self.0.wire else { return Ok(()) };
        let answer = match wire.ask(Method::HEAD, About::Object(key), &[], &[]).await {
            Ok(answer) if answer.status.is_success() => answer,
            Ok(answer) => return fatal(answer.trouble().text(), "this worker needs to read what it wrote"),
            Err(trouble) => return fatal(trouble.text(), "this worker needs to read what it wrote"),
        };
        match found_key(&self.0.kind, &answer) {
            Some(found) if is_same_key(expected, &found) => Ok(()),
            Some(_) => fatal(
                "expected objects encrypted with `kms_key`, found another key".to_owned(),
                "correct `kms_key`, or the default key of the bucket or container",
            ),
            None => fatal(
                "expected objects encrypted with `kms_key`, but the store tells of no key".to_owned(),
                "set the default key of the bucket or container; in S3 also `encryption = \"sse_kms\"` asks for it",
            ),
        }
    }
}

/// The key that encrypts an object, in the store's words.
fn found_key(kind: &Kind, answer: &Answer) -> Option<String> {
    let header = |name| text(&answer.headers, name).map(str::to_owned);
    match kind {
        Kind::S3 { .. } => {
            let is_kms = header("x-amz-server-side-encryption").is_some_and(|kind| kind.starts_with("aws:kms"));
            header("x-amz-server-side-encryption-aws-kms-key-id").filter(|_| is_kms)
        }
        Kind::Azure => header("x-ms-encryption-scope"),
        Kind::Gcs { .. } => header("x-goog-encryption-kms-key-name"),
        _ => None,
    }
}

/// Stores tell the full name of a key, Google with its version; people may write the last part of it.
fn is_same_key(expected: &str, found: &str) -> bool {
    let found = found.split_once("/cryptoKeyVersions/").map_or(found, |(key, _)| key);
    // An alias stands for any key; that there is one is all that can be seen.
    let is_alias = expected.starts_with("alias/") || expected.contains(":alias/");
    is_alias || found == expected || found.rsplit('/').next() == Some(expected)
}

fn unfit(problem: EnvelopeProblem) -> PhotoError {
    let code = match problem {
        EnvelopeProblem::OtherKey { .. } => ErrorCode::KeyMissing,
        EnvelopeProblem::NoRandom | EnvelopeProblem::UnfitKey => ErrorCode::StoreFailed,
        _ => ErrorCode::OutputConflict,
    };
    let may_pass = code == ErrorCode::StoreFailed;
    PhotoError::new(Stage::Publish, code, problem.to_string()).retry_if(may_pass)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_compared_as_stores_tell_them() {
        let arn = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd";
        assert!(is_same_key(arn, arn) && is_same_key("1234abcd", arn) && is_same_key("alias/photos", arn));
        assert!(!is_same_key("5678abcd", arn) && !is_same_key("abcd", arn));
        let google = "projects/p/locations/eu/keyRings/r/cryptoKeys/k";
        assert!(is_same_key(google, &format!("{google}/cryptoKeyVersions/3")));
        assert!(is_same_key("scope-1", "scope-1") && !is_same_key("scope-1", "scope-2"));
    }
}
