//! Writing results: each exactly once, whatever is tried again.

use bytes::Bytes;
use object_store::PutMode;

use super::{
    facts::{ObjectFacts, conflict},
    region_store::{OWN_PREFIX, RegionStore, random},
    trouble::Trouble,
};
use crate::{
    error::{ErrorCode, FatalError, PhotoError, PhotoResult, Stage},
    trust::Subject,
};

/// What became of an object that was to be new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Put {
    Created,
    /// The same result lies there already, from an earlier delivery or a put whose answer was lost. With its facts: its
    /// bytes may be others.
    AlreadyThere(ObjectFacts),
}

impl RegionStore {
    /// Write an object under a key that has none. Into a folder, its receipt has to be written before.
    ///
    /// # Errors
    /// `output_conflict` if something else lies there, `store_failed`.
    pub async fn put_new(&self, key: &str, bytes: Bytes, content_type: &str, facts: &ObjectFacts) -> PhotoResult<Put> {
        let path = self.key(key).map_err(|error| error.at(Stage::Publish))?;
        let attributes = facts.attributes(content_type)?;
        match self.write(&path, bytes, PutMode::Create, attributes).await {
            Ok(_) => Ok(Put::Created),
            Err(Trouble::Exists) => match self.facts(key).await? {
                Some(found) if found.is_same_result(facts) => Ok(Put::AlreadyThere(found)),
                Some(_) => {
                    Err(conflict("expected no object or the same result, found that of another source or pipeline"))
                }
                None => Err(Trouble::Exists.writing()),
            },
            Err(trouble) => Err(trouble.writing()),
        }
    }

    /// See that this store is fit for results: that it takes writes, keeps metadata, and never replaces what lies there
    /// when asked not to.
    ///
    /// # Errors
    /// If it is not.
    pub async fn check_destination(&self) -> Result<(), FatalError> {
        let key = format!("{OWN_PREFIX}check-{}", random());
        let found = self.try_as_destination(&key).await;
        let encrypted = match (&found, self.key(&key)) {
            (Ok(Fit::Yes), Ok(path)) => self.check_encryption(&path).await,
            _ => Ok(()),
        };
        // Where this worker may not remove, the small object stays.
        let _ = self.delete(&key).await;
        let unfit =
            |message: &str, hint: &str| Err(FatalError::new(format!("store `{}`: {message}", self.name()), hint));
        match found {
            Ok(Fit::Yes) => encrypted,
            Ok(Fit::Replaces) => unfit(
                "expected a store that puts only where nothing lies, this one replaces what is there",
                "use a store with conditional puts (`If-None-Match: *`); without them a photo could be published twice",
            ),
            Ok(Fit::Forgets) => unfit(
                "expected a store that keeps an object's metadata, this one loses it",
                "let metadata of objects pass through whatever stands before the store",
            ),
            Err(error) => unfit(&format!("expected to be able to write there: {}", error.detail), &error.hint),
        }
    }

    async fn try_as_destination(&self, key: &str) -> PhotoResult<Fit> {
        let facts = |source: &str| ObjectFacts {
            source_sha256: source.to_owned(),
            pipeline: "check".to_owned(),
            output_sha256: "check".to_owned(),
            source_identity: None,
            subject: Subject::default(),
        };
        let put = |source: &'static str| {
            let bytes = Bytes::from_static(source.as_bytes());
            async move { self.put_new(key, bytes, "application/octet-stream", &facts(source)).await }
        };
        put("first").await?;
        match put("second").await {
            Ok(Put::Created) => return Ok(Fit::Replaces),
            Ok(Put::AlreadyThere(_)) => return Ok(Fit::Forgets),
            // As it should be: it is another source's.
            Err(error) if error.code == ErrorCode::OutputConflict => {}
            Err(error) => return Err(error),
        }
        if !self.capabilities().attributes {
            return Ok(Fit::Yes);
        }
        match self.facts(key).await {
            Ok(Some(found)) if found == facts("first") => Ok(Fit::Yes),
            Ok(Some(_)) => Ok(Fit::Forgets),
            Ok(None) => Err(PhotoError::new(Stage::Publish, ErrorCode::StoreFailed, "what was written is not there")),
            Err(error) if error.code == ErrorCode::OutputConflict => Ok(Fit::Forgets),
            Err(error) => Err(error),
        }
    }
}

enum Fit {
    Yes,
    Replaces,
    Forgets,
}
