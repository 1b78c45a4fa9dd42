//! Removing originals: exactly the version that was redacted, never its successor.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use hyper::{Method, StatusCode};
use object_store::{Attribute, Attributes, ObjectStoreExt, PutMode, path::Path};

use super::{
    fetch::{Pin, quoted},
    http::text,
    open::Kind,
    region_store::{Deletion, OWN_PREFIX, RegionStore, random},
    trouble::{Trouble, not_removed},
    wire::{About, Answer, Wire},
};
use crate::{
    error::{ErrorCode, FatalError, PhotoError, PhotoResult, Stage},
    event::SourcePhoto,
    redact::sha256_hex,
    trust::ObjectKey,
};

/// What became of an original.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    Deleted,
    /// An earlier attempt removed it, or somebody else did.
    AlreadyGone,
    /// Another version lies there, and was left alone.
    Changed,
}

impl RegionStore {
    /// Remove the original that `photo` names by version or ETag ([`super::FetchedObject::pin`]).
    ///
    /// # Errors
    /// `original_not_removed`.
    pub async fn delete_original(&self, photo: &SourcePhoto) -> PhotoResult<Removal> {
        let key = self.key_of(photo).map_err(|error| error.at(Stage::Publish))?;
        let mut pin = Pin::of(photo);
        if matches!(self.0.kind, Kind::Gcs { .. }) && pin.version.is_none() && pin.etag.is_some() {
            pin = match self.resolved(&key, pin).await {
                Ok(pin) => pin,
                Err(error) if error.code == ErrorCode::SourceChanged => return Ok(Removal::Changed),
                Err(error) if error.code == ErrorCode::SourceMissing => return Ok(Removal::AlreadyGone),
                Err(error) => return Err(not_removed(&error.detail).retry_if(error.is_transient())),
            };
        }
        let unpinned = || not_removed("expected the original's version or ETag, found neither");
        let Some(wire) = &self.0.wire else {
            let etag = pin.etag.as_deref().ok_or_else(unpinned)?;
            return self.compare_and_remove(&key, etag).await.map_err(Trouble::removing);
        };
        match self.0.kind {
            Kind::Azure => self.remove_from_azure(wire, &key, &pin).await,
            Kind::Gcs { .. } => {
                let generation = pin.version.as_deref().ok_or_else(unpinned)?;
                let condition = [("x-goog-if-generation-match", generation)];
                ended(&removal(wire, &key, &[("generation", generation)], &condition).await?)
            }
            _ => match &pin {
                Pin { version: Some(version), .. } => {
                    ended(&removal(wire, &key, &[("versionId", version)], &[]).await?)
                }
                Pin { etag: Some(etag), .. } if self.0.deletes_by_etag.load(Ordering::Relaxed) => {
                    let answer = removal(wire, &key, &[], &[("if-match", &quoted(etag))]).await?;
                    if text(&answer.headers, "x-amz-delete-marker") == Some("true") {
                        return Err(not_removed("the bucket keeps versions, and the original's version is not known"));
                    }
                    self.ended_on_condition(&key, &answer).await
                }
                Pin { etag: Some(_), .. } => Err(not_removed(
                    "this store did not show that it removes on a condition, and the photo has no version",
                )),
                _ => Err(unpinned()),
            },
        }
    }

    /// With versions kept, removing a blob only makes it an old version, which then has to be removed by its name; one that
    /// is present cannot be removed by its name.
    async fn remove_from_azure(&self, wire: &Wire, key: &Path, pin: &Pin) -> PhotoResult<Removal> {
        let mut etag = pin.etag.clone();
        if etag.is_none() && pin.version.is_some() {
            etag = match self.present(key).await {
                Ok(present) if present.version == pin.version => present.etag,
                Ok(_) | Err(Trouble::Missing) => None,
                Err(trouble) => return Err(trouble.removing()),
            };
        }
        let mut present = None;
        if let Some(etag) = &etag {
            let headers = [("if-match", &*quoted(etag)), ("x-ms-delete-snapshots", "include")];
            let answer = removal(wire, key, &[], &headers).await?;
            present = Some(self.ended_on_condition(key, &answer).await?);
        }
        let Some(version) = &pin.version else {
            return present.ok_or_else(|| not_removed("expected the original's version or ETag, found neither"));
        };
        let old = ended(&removal(wire, key, &[("versionid", version)], &[]).await?)?;
        Ok(if present == Some(Removal::Deleted) { Removal::Deleted } else { old })
    }

    /// Some stores answer that a condition does not hold when there is nothing.
    async fn ended_on_condition(&self, key: &Path, answer: &Answer) -> PhotoResult<Removal> {
        match ended(answer)? {
            Removal::Changed if self.present(key).await == Err(Trouble::Missing) => Ok(Removal::AlreadyGone),
            removal => Ok(removal),
        }
    }

    async fn compare_and_remove(&self, key: &Path, etag: &str) -> Result<Removal, Trouble> {
        let present = match self.present(key).await {
            Err(Trouble::Missing) => return Ok(Removal::AlreadyGone),
            present => present?,
        };
        if present.etag.as_deref() != Some(etag) {
            return Ok(Removal::Changed);
        }
        match self.0.store.delete(key).await.map_err(|error| Trouble::of(&error)) {
            Ok(()) => Ok(Removal::Deleted),
            Err(Trouble::Missing) => Ok(Removal::AlreadyGone),
            Err(trouble) => Err(trouble),
        }
    }

    /// Copy the original into `vault` under `vault_key`, see that it arrived whole, and remove it here. Can be resumed at
    /// any point. Holds the original in memory, at most `max_bytes`.
    ///
    /// # Errors
    /// `original_not_removed`; `output_conflict` if something else lies in the vault under that key.
    pub async fn move_original(
        &self,
        photo: &SourcePhoto,
        vault: &Self,
        vault_key: &str,
        max_bytes: u64,
    ) -> PhotoResult<Removal> {
        self.move_sealed(photo, vault, vault_key, max_bytes, None).await
    }

    /// The same, sealed on its way; `object_key` is that of `vault_key` ([`RegionStore::object_key`]).
    ///
    /// # Errors
    /// As [`RegionStore::move_original`].
    pub async fn move_sealed(
        &self,
        photo: &SourcePhoto,
        vault: &Self,
        vault_key: &str,
        max_bytes: u64,
        object_key: Option<&ObjectKey>,
    ) -> PhotoResult<Removal> {
        if self.0.region != vault.0.region {
            let detail = "expected a vault of the same region, found one of another";
            return Err(PhotoError::new(Stage::Publish, ErrorCode::RegionMismatch, detail));
        }
        let vault_path = vault.key(vault_key).map_err(|error| error.at(Stage::Publish))?;
        let fetched = match self.fetch(photo, max_bytes).await {
            Ok(fetched) => fetched,
            Err(error) if error.code == ErrorCode::SourceChanged => return Ok(Removal::Changed),
            Err(error) if error.code == ErrorCode::SourceMissing => {
                return match vault.present(&vault_path).await {
                    Ok(_) => Ok(Removal::AlreadyGone),
                    Err(Trouble::Missing) => Err(not_removed(&format!("{}, and the vault has no copy", error.detail))),
                    Err(trouble) => Err(trouble.removing()),
                };
            }
            Err(error) => return Err(not_removed(&error.detail).retry_if(error.is_transient())),
        };
        vault.keep(&vault_path, &fetched.bytes, object_key).await?;
        self.delete_original(&fetched.pin(photo)).await
    }

    async fn keep(&self, key: &Path, bytes: &Bytes, object_key: Option<&ObjectKey>) -> PhotoResult<()> {
        let written = match object_key {
            Some(object_key) => {
                Bytes::from(object_key.seal(bytes).map_err(|problem| not_removed(&problem.to_string()))?)
            }
            None => bytes.clone(),
        };
        let attributes = Attributes::from_iter([(Attribute::ContentType, "application/octet-stream")]);
        match self.write(key, written.clone(), PutMode::Create, attributes).await {
            Ok(_) | Err(Trouble::Exists) => {}
            Err(trouble) => return Err(trouble.removing().retry_if(true)),
        }
        // What is removed afterwards cannot be had again: read back what was written, or what an earlier attempt wrote.
        let kept = match self.read(key, written.len() as u64).await {
            Ok(kept) => kept,
            Err(Trouble::Permanent(_)) => return Err(other_in_vault()),
            Err(trouble) => return Err(trouble.removing().retry_if(true)),
        };
        let kept = match object_key {
            // Sealed with another nonce by an earlier attempt, perhaps.
            Some(object_key) => Bytes::from(object_key.open(&kept).map_err(|_| other_in_vault())?),
            None => kept,
        };
        if kept.len() == bytes.len() && sha256_hex(&kept) == sha256_hex(bytes) { Ok(()) } else { Err(other_in_vault()) }
    }

    /// See that originals of this store can be removed so that never a successor is.
    ///
    /// # Errors
    /// If they cannot.
    pub async fn check_exact_deletion(&self) -> Result<(), FatalError> {
        if self.capabilities().deletion != Deletion::MustBeShown {
            return Ok(());
        }
        let key = Path::from(format!("{OWN_PREFIX}check-{}", random()));
        let shown = self.shows_exact_deletion(&key).await;
        let _ = self.remove(&key).await;
        let unfit =
            |message: &str, hint: &str| Err(FatalError::new(format!("store `{}`: {message}", self.name()), hint));
        match shown {
            Ok(true) => Ok(()),
            Ok(false) => unfit(
                "expected a store that removes exactly one version, this one ignores conditions",
                "turn on versions for the bucket, or let the routes keep originals",
            ),
            Err(trouble) => unfit(
                &format!("expected to be able to write and remove there: {}", trouble.text()),
                "routes that remove originals need the rights to write and remove under `_obscura/`",
            ),
        }
    }

    async fn shows_exact_deletion(&self, key: &Path) -> Result<bool, Trouble> {
        let Some(wire) = &self.0.wire else { return Ok(false) };
        let put = self.write(key, Bytes::from_static(b"check"), PutMode::Overwrite, Attributes::new()).await?;
        let pin = Pin::new(put.version.as_deref(), None);
        let another = match (&self.0.kind, &pin.version) {
            (Kind::Gcs { .. }, _) => {
                let headers = [("x-goog-if-generation-match", "1")];
                wire.ask(Method::DELETE, About::Object(key), &[("generation", "1")], &headers).await?
            }
            // Versions have names of their own: there is no condition to be ignored.
            (_, Some(version)) => {
                let answer = wire.ask(Method::DELETE, About::Object(key), &[("versionId", version)], &[]).await?;
                return if answer.status.is_success() { Ok(true) } else { Err(answer.trouble()) };
            }
            _ => {
                let headers = [("if-match", "\"00000000000000000000000000000000\"")];
                wire.ask(Method::DELETE, About::Object(key), &[], &headers).await?
            }
        };
        let refused = matches!(another.status, StatusCode::PRECONDITION_FAILED | StatusCode::NOT_FOUND);
        if !refused && !another.status.is_success() {
            return Err(another.trouble());
        }
        let is_there = !matches!(self.present(key).await, Err(Trouble::Missing));
        self.0.deletes_by_etag.store(refused && is_there, Ordering::Relaxed);
        Ok(refused && is_there)
    }
}

async fn removal(
    wire: &Wire,
    key: &Path,
    query: &[(&str, &str)],
    headers: &[(&'static str, &str)],
) -> PhotoResult<Answer> {
    wire.ask(Method::DELETE, About::Object(key), query, headers).await.map_err(Trouble::removing)
}

fn ended(answer: &Answer) -> PhotoResult<Removal> {
    if answer.status.is_success() {
        return Ok(Removal::Deleted);
    }
    match answer.trouble() {
        Trouble::Missing => Ok(Removal::AlreadyGone),
        Trouble::Changed => Ok(Removal::Changed),
        trouble => Err(trouble.removing()),
    }
}

fn other_in_vault() -> PhotoError {
    super::facts::conflict("expected the original in the vault, found something else under its key")
}
