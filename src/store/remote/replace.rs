//! A result that takes the place of another: only of the one that was looked at, and only where an operator asked for it.

use bytes::Bytes;
use object_store::{GetOptions, PutMode, UpdateVersion, path::Path};

use super::{
    facts::{ObjectFacts, conflict},
    open::Kind,
    publish::Put,
    region_store::RegionStore,
    trouble::Trouble,
};
use crate::error::{PhotoResult, Stage};

/// A published photo: what it is, and which version of the object.
#[derive(Clone)]
pub struct Present {
    pub facts: ObjectFacts,
    version: UpdateVersion,
}

impl RegionStore {
    /// What lies under `key`, so that it can be replaced; none if there is nothing.
    ///
    /// # Errors
    /// `output_conflict` if it is not Obscura's, `store_failed`.
    pub async fn present_result(&self, key: &str) -> PhotoResult<Option<Present>> {
        let path = self.key(key).map_err(|error| error.at(Stage::Publish))?;
        // The version first: what is written in between is another one, and is not replaced.
        let version = match self.version_of(&path).await {
            Ok(version) => version,
            Err(Trouble::Missing) => return Ok(None),
            Err(trouble) => return Err(trouble.writing()),
        };
        Ok(self.facts(key).await?.map(|facts| Present { facts, version }))
    }

    /// Write an object in place of exactly the `present` one. Folders compare before they write; all other stores check
    /// the condition themselves.
    ///
    /// # Errors
    /// `output_conflict` if something else lies there by now, `store_failed`.
    pub async fn replace(
        &self,
        key: &str,
        bytes: Bytes,
        content_type: &str,
        facts: &ObjectFacts,
        present: &Present,
    ) -> PhotoResult<Put> {
        let path = self.key(key).map_err(|error| error.at(Stage::Publish))?;
        let mode = match self.0.kind {
            Kind::Folder(_) if self.version_of(&path).await.ok().as_ref() == Some(&present.version) => {
                PutMode::Overwrite
            }
            Kind::Folder(_) => return self.after_a_change(key, facts).await,
            _ => PutMode::Update(present.version.clone()),
        };
        match self.write(&path, bytes, mode, facts.attributes(content_type)?).await {
            Ok(_) => Ok(Put::Created),
            Err(Trouble::Changed | Trouble::Exists | Trouble::Missing) => self.after_a_change(key, facts).await,
            Err(trouble) => Err(trouble.writing()),
        }
    }

    /// Write a receipt, which is named by its result: one that lies there is of the same bytes.
    ///
    /// # Errors
    /// `store_failed`.
    pub async fn put_receipt_again(&self, key: &str, json: Bytes, facts: &ObjectFacts) -> PhotoResult<()> {
        let path = self.key(key).map_err(|error| error.at(Stage::Publish))?;
        let written = self.write(&path, json, PutMode::Overwrite, facts.attributes("application/json")?).await;
        written.map(drop).map_err(Trouble::writing)
    }

    /// An earlier attempt whose answer was lost may have been what changed it.
    async fn after_a_change(&self, key: &str, facts: &ObjectFacts) -> PhotoResult<Put> {
        match self.facts(key).await? {
            Some(found) if found.is_same_result(facts) => Ok(Put::AlreadyThere(found)),
            _ => Err(conflict("expected the result that was to be replaced, found another")),
        }
    }

    async fn version_of(&self, path: &Path) -> Result<UpdateVersion, Trouble> {
        let options = GetOptions { head: true, ..GetOptions::default() };
        let meta = self.0.store.get_opts(path, options).await.map_err(|error| Trouble::of(&error))?.meta;
        Ok(UpdateVersion { e_tag: meta.e_tag, version: meta.version })
    }
}
