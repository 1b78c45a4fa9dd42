//! What is known of a published photo: as metadata of its object, or told from the object and its receipt where a store
//! keeps no metadata.

use object_store::{Attribute, Attributes, GetOptions, path::Path};
use serde_json::Value;

use super::{open::Kind, region_store::RegionStore, trouble::Trouble};
use crate::{
    error::{ErrorCode, PhotoError, PhotoResult, Stage},
    redact::sha256_hex,
    trust::Subject,
};

/// Names of the metadata. Letters only: Azure takes no hyphens, and some proxies drop underscores.
const SOURCE: &str = "obscurasource";
const PIPELINE: &str = "obscurapipeline";
const OUTPUT: &str = "obscuraoutput";
const IDENTITY: &str = "obscuraidentity";
const UPLOADER: &str = "obscurauploader";
const DEVICE: &str = "obscuradevice";
/// Longest value; all of them together stay far below the 2 KiB that S3 allows.
const MAX_VALUE_BYTES: usize = 256;
/// No photo that was published is larger.
const MAX_PHOTO_BYTES: u64 = 1 << 32;
/// How much of the photo's hash is in its receipt's name.
const RECEIPT_HASH_LETTERS: usize = 16;

/// What was published, and of what.
#[derive(Clone, PartialEq, Eq)]
pub struct ObjectFacts {
    pub source_sha256: String,
    /// Id of the pipeline that made it.
    pub pipeline: String,
    pub output_sha256: String,
    /// Names the source and its version, as a hash; not known of objects in folders.
    pub source_identity: Option<String>,
    /// Who sent it, as pseudonyms.
    pub subject: Subject,
}

impl ObjectFacts {
    /// Whether both are of the same source by the same pipeline: the same result, even if its bytes differ.
    #[must_use]
    pub fn is_same_result(&self, other: &Self) -> bool {
        self.source_sha256 == other.source_sha256 && self.pipeline == other.pipeline
    }

    pub(super) fn attributes(&self, content_type: &str) -> PhotoResult<Attributes> {
        let mut attributes = Attributes::new();
        attributes.insert(Attribute::ContentType, content_type.to_owned().into());
        let values = [
            (SOURCE, Some(&self.source_sha256)),
            (PIPELINE, Some(&self.pipeline)),
            (OUTPUT, Some(&self.output_sha256)),
            (IDENTITY, self.source_identity.as_ref()),
            (UPLOADER, self.subject.uploader.as_ref()),
            (DEVICE, self.subject.device.as_ref()),
        ];
        for (name, value) in values.into_iter().filter_map(|(name, value)| Some((name, value?))) {
            let is_plain = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte));
            if value.is_empty() || value.len() > MAX_VALUE_BYTES || !is_plain {
                let detail = format!("expected a plain value of `{name}` for the object's metadata");
                return Err(PhotoError::new(Stage::Publish, ErrorCode::InternalError, detail));
            }
            attributes.insert(Attribute::Metadata(name.into()), value.clone().into());
        }
        Ok(attributes)
    }

    pub(super) fn of_attributes(attributes: &Attributes) -> Option<Self> {
        let value = |name: &'static str| {
            attributes.get(&Attribute::Metadata(name.into())).map(|value| value.as_ref().to_owned())
        };
        Some(Self {
            source_sha256: value(SOURCE)?,
            pipeline: value(PIPELINE)?,
            output_sha256: value(OUTPUT)?,
            source_identity: value(IDENTITY),
            subject: Subject { uploader: value(UPLOADER), device: value(DEVICE) },
        })
    }

    fn of_receipt(receipt: &[u8], output_sha256: &str) -> Option<Self> {
        let receipt: Value = serde_json::from_slice(receipt).ok()?;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let facts = Self {
            source_sha256: text(&receipt["source"]["sha256"])?,
            pipeline: text(&receipt["pipeline"])?,
            output_sha256: text(&receipt["output"]["sha256"])?,
            source_identity: None,
            subject: Subject {
                uploader: text(&receipt["subject"]["uploader"]),
                device: text(&receipt["subject"]["device"]),
            },
        };
        (facts.output_sha256 == output_sha256).then_some(facts)
    }
}

impl std::fmt::Debug for ObjectFacts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ObjectFacts").field("pipeline", &self.pipeline).finish_non_exhaustive()
    }
}

impl RegionStore {
    /// What lies under `key`; none if there is nothing.
    ///
    /// # Errors
    /// `output_conflict` if it is not Obscura's, `store_failed`.
    pub async fn facts(&self, key: &str) -> PhotoResult<Option<ObjectFacts>> {
        let path = self.key(key).map_err(|error| error.at(Stage::Publish))?;
        let found = match &self.0.kind {
            Kind::Folder(_) => self.facts_of_file(&path).await,
            _ => self.facts_of_object(&path).await,
        };
        match found {
            Ok(Some(facts)) => Ok(Some(facts)),
            Ok(None) => Err(conflict("expected a photo that Obscura published, found something else")),
            Err(Trouble::Missing) => Ok(None),
            Err(trouble) => Err(trouble.writing()),
        }
    }

    async fn facts_of_object(&self, key: &Path) -> Result<Option<ObjectFacts>, Trouble> {
        let options = GetOptions { head: true, ..GetOptions::default() };
        let found = self.0.store.get_opts(key, options).await.map_err(|error| Trouble::of(&error))?;
        Ok(ObjectFacts::of_attributes(&found.attributes))
    }

    async fn facts_of_file(&self, key: &Path) -> Result<Option<ObjectFacts>, Trouble> {
        let photo = self.read(key, MAX_PHOTO_BYTES).await?;
        let hash = tokio::task::spawn_blocking(move || sha256_hex(&photo)).await;
        let hash = hash.map_err(|_| Trouble::Passing("hashing was interrupted".to_owned()))?;
        let receipt = format!("{key}.{}.receipt.json", &hash[..RECEIPT_HASH_LETTERS]);
        let Ok(receipt) = Path::parse(receipt) else { return Ok(None) };
        match self.read(&receipt, 16 << 20).await {
            Ok(receipt) => Ok(ObjectFacts::of_receipt(&receipt, &hash)),
            Err(Trouble::Missing) => Ok(None),
            Err(trouble) => Err(trouble),
        }
    }
}

pub(super) fn conflict(detail: &str) -> PhotoError {
    PhotoError::new(Stage::Publish, ErrorCode::OutputConflict, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> ObjectFacts {
        ObjectFacts {
            source_sha256: "a".repeat(64),
            pipeline: "p-1".into(),
            output_sha256: "b".repeat(64),
            source_identity: Some("c".repeat(64)),
            subject: Subject { uploader: Some("hmac-1".into()), device: None },
        }
    }

    #[test]
    fn facts_survive_metadata() {
        let attributes = facts().attributes("image/jpeg").unwrap();
        assert_eq!(ObjectFacts::of_attributes(&attributes), Some(facts()));
        assert_eq!(ObjectFacts::of_attributes(&Attributes::new()), None);
    }

    #[test]
    fn values_that_a_header_could_not_carry_are_refused() {
        for value in ["", "a b", "ä", "a\r\nx: y", &"x".repeat(300)] {
            let facts = ObjectFacts { pipeline: value.to_owned(), ..facts() };
            assert!(facts.attributes("image/jpeg").is_err(), "{value:?}");
        }
    }

    #[test]
    fn a_receipt_counts_only_for_the_photo_it_names() {
        let receipt = br#"{"source": {"sha256": "aa"}, "pipeline": "p", "output": {"sha256": "bb"}}"#;
        assert_eq!(ObjectFacts::of_receipt(receipt, "bb").unwrap().source_sha256, "aa");
        assert!(ObjectFacts::of_receipt(receipt, "cc").is_none());
        assert!(ObjectFacts::of_receipt(b"{}", "bb").is_none());
    }
}
