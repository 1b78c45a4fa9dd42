//! Finding everything of a tenant, a project or an uploader.

use std::collections::BTreeSet;

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::Value;

use crate::{
    config::StreamConfig,
    error::PhotoResult,
    event::{is_own_name, is_safe_name},
    store::remote::{RegionStore, StoreSet, StoredVersion},
};

/// Hexadecimal digits at the start of the names of everything that belongs to one upload.
const NAME_DIGITS: usize = 64;
const UNROUTED: &str = "_unrouted/dead-letters";

/// Whose things are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    pub tenant: String,
    pub selection: Selection,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    Everything,
    Project(String),
    /// By pseudonym.
    Uploader(String),
}

impl Scope {
    #[must_use]
    pub fn project(&self) -> Option<&str> {
        match &self.selection {
            Selection::Project(project) => Some(project),
            Selection::Everything | Selection::Uploader(_) => None,
        }
    }
}

/// A store and a prefix under which things of tenants lie.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub store: String,
    /// Without slashes at its ends; may be empty.
    pub prefix: String,
}

impl Place {
    /// The key without the prefix, if Obscura gives such names. Uploads may lie beside.
    #[must_use]
    pub fn ours<'a>(&self, key: &'a str) -> Option<&'a str> {
        let prefix = self.prefix.as_str();
        let rest = if prefix.is_empty() { key } else { key.strip_prefix(prefix)?.strip_prefix('/')? };
        is_own_name(rest).then_some(rest)
    }

    #[must_use]
    pub fn folder(&self, tenant: &str, project: Option<&str>) -> String {
        let parts = [Some(self.prefix.as_str()).filter(|prefix| !prefix.is_empty()), Some(tenant), project];
        parts.into_iter().flatten().collect::<Vec<_>>().join("/")
    }
}

/// Everywhere that a worker of this region writes things of tenants.
#[must_use]
pub fn places(stream: &StreamConfig) -> BTreeSet<Place> {
    let mut places: BTreeSet<Place> = stream
        .written_places()
        .into_iter()
        .map(|(store, prefix)| Place { store: store.to_owned(), prefix: prefix.to_owned() })
        .collect();
    // Dead letters of what no route is for.
    places.insert(Place { store: stream.region_store.clone(), prefix: String::new() });
    places
}

/// One thing to be removed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    pub store: String,
    pub version: StoredVersion,
}

/// What was found, and in which stores old versions could not be looked for.
#[derive(Clone, Debug, Default)]
pub struct Gathered {
    pub found: BTreeSet<Found>,
    pub without_versions: BTreeSet<String>,
}

/// Everything of `scope`.
///
/// # Errors
/// If a store cannot be listed or read.
pub async fn gather(stores: &StoreSet, places: &BTreeSet<Place>, scope: &Scope) -> PhotoResult<Gathered> {
    let mut gathered = Gathered::default();
    for place in places {
        let store = stores.get(&place.store)?;
        let contents = store.contents_below(&place.folder(&scope.tenant, scope.project())).await?;
        if !contents.with_versions {
            gathered.without_versions.insert(place.store.clone());
        }
        let ours = contents.versions.into_iter().filter(|version| place.ours(&version.key).is_some()).collect();
        let chosen = match &scope.selection {
            Selection::Everything | Selection::Project(_) => ours,
            Selection::Uploader(pseudonym) => of_uploader(store, ours, pseudonym).await?,
        };
        gathered.found.extend(chosen.into_iter().map(|version| Found { store: place.store.clone(), version }));
    }
    if let Selection::Uploader(_) = &scope.selection {
        // Originals and wrapped keys carry no pseudonym, but the name of what does.
        let names: BTreeSet<String> =
            gathered.found.iter().filter_map(|found| upload_name(&found.version.key).map(str::to_owned)).collect();
        for place in places {
            let store = stores.get(&place.store)?;
            let contents = store.contents_below(&place.folder(&scope.tenant, None)).await?;
            let belongs = |version: &StoredVersion| {
                place.ours(&version.key).is_some() && upload_name(&version.key).is_some_and(|name| names.contains(name))
            };
            let more = contents.versions.into_iter().filter(belongs);
            gathered.found.extend(more.map(|version| Found { store: place.store.clone(), version }));
        }
    }
    for place in places.iter().filter(|place| place.prefix.is_empty()) {
        let store = stores.get(&place.store)?;
        for version in store.contents_below(UNROUTED).await?.versions {
            if letter_is_of(store, &version, scope).await? {
                gathered.found.insert(Found { store: place.store.clone(), version });
            }
        }
    }
    Ok(gathered)
}

async fn of_uploader(
    store: &RegionStore,
    versions: Vec<StoredVersion>,
    pseudonym: &str,
) -> PhotoResult<Vec<StoredVersion>> {
    let mut chosen = Vec::new();
    for version in versions.into_iter().filter(|version| !version.is_delete_marker) {
        let is_of = if version.key.contains("/dead-letters/") {
            let letter = store.read_version(&version).await?;
            letter.is_some_and(|letter| payload_of(&letter).is_some_and(|payload| payload.contains(pseudonym)))
        } else if version.key.ends_with(".receipt.json") {
            // In folders, receipts are all that tells of an uploader.
            let receipt = store.read_version(&version).await?;
            let receipt = receipt.and_then(|json| serde_json::from_slice::<Value>(&json).ok()).unwrap_or_default();
            receipt["subject"]["uploader"] == pseudonym
        } else {
            store.subject_of(&version).await?.is_some_and(|subject| subject.uploader.as_deref() == Some(pseudonym))
        };
        if is_of {
            chosen.push(version);
        }
    }
    Ok(chosen)
}

/// Whether a message that belongs to no route names the tenant and what is meant of it.
async fn letter_is_of(store: &RegionStore, version: &StoredVersion, scope: &Scope) -> PhotoResult<bool> {
    let Some(letter) = store.read_version(version).await? else { return Ok(false) };
    let Some(payload) = payload_of(&letter) else { return Ok(false) };
    let named = |text: &str| payload.contains(&format!("\"{text}\"")) && is_safe_name(text);
    Ok(named(&scope.tenant)
        && match &scope.selection {
            Selection::Everything => true,
            Selection::Project(project) => named(project),
            Selection::Uploader(pseudonym) => payload.contains(pseudonym),
        })
}

fn payload_of(letter: &[u8]) -> Option<String> {
    let letter: Value = serde_json::from_slice(letter).ok()?;
    let payload = BASE64_STANDARD.decode(letter["payload"].as_str()?).ok()?;
    Some(String::from_utf8_lossy(&payload).into_owned())
}

/// The hash by which everything of one upload is named.
fn upload_name(key: &str) -> Option<&str> {
    let name = key.rsplit('/').next()?.get(..NAME_DIGITS)?;
    name.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_whole_names() {
        let place = Place { store: "s".into(), prefix: "out".into() };
        assert_eq!(place.folder("acme", None), "out/acme");
        assert_eq!(Place { prefix: String::new(), ..place }.folder("acme", Some("street")), "acme/street");
    }

    #[test]
    fn all_names_of_an_upload_are_found_by_its_hash() {
        let hash = "0123456789abcdef".repeat(4);
        for key in [format!("a/{hash}.jpg"), format!("a/originals/{hash}.jpg.key.json"), hash.clone()] {
            assert_eq!(upload_name(&key), Some(hash.as_str()));
        }
        assert_eq!(upload_name("a/dead-letters/0123.json"), None);
    }
}
