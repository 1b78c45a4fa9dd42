//! Everything that lies below a prefix, old versions and delete markers included, and removing exactly that.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt};
use hyper::{Method, StatusCode};
use object_store::{GetOptions, ObjectStoreExt, path::Path};
use serde::Deserialize;
use serde_json::Value;

use super::{
    facts::ObjectFacts,
    fetch::Pin,
    open::Kind,
    region_store::{MAX_SMALL_BYTES, RegionStore},
    trouble::Trouble,
    wire::{About, Wire},
};
use crate::{
    error::{PhotoResult, Stage},
    trust::Subject,
};

/// Pages of a listing: more would be a store that goes round in circles.
const MAX_PAGES: usize = 1_000_000;

/// One object, one old version of it, or the mark that one was removed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoredVersion {
    pub key: String,
    /// None where the store keeps no versions.
    pub version: Option<String>,
    pub is_delete_marker: bool,
    pub bytes: u64,
    pub modified: Option<DateTime<Utc>>,
    /// What is read without naming a version.
    pub is_latest: bool,
}

/// What was found, and whether old versions would have been.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    pub versions: Vec<StoredVersion>,
    /// The store was asked for versions, or keeps none.
    pub with_versions: bool,
}

/// An object by what an event would have named its revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRevision {
    pub key: String,
    pub etag: Option<String>,
    pub version: Option<String>,
}

impl RegionStore {
    /// Every object with its ETag, and where the store keeps versions every version by its name; each calls `found`.
    ///
    /// # Errors
    /// `store_failed`.
    pub async fn each_revision(&self, mut found: impl FnMut(StoredRevision)) -> PhotoResult<()> {
        let mut listed = self.0.store.list(None);
        while let Some(object) = listed.next().await {
            let object = object.map_err(|error| Trouble::of(&error).writing())?;
            let told = Pin::new(object.version.as_deref(), object.e_tag.as_deref());
            // Some stores list names alone.
            let Pin { version, etag } = match told {
                Pin { version: None, etag: None } => match self.present(&object.location).await {
                    Err(Trouble::Missing) => continue,
                    present => present.map_err(Trouble::writing)?,
                },
                told => told,
            };
            found(StoredRevision { key: object.location.as_ref().to_owned(), etag, version });
        }
        let versions = self.versions(&Path::default()).await.map_err(Trouble::writing)?;
        for version in versions.into_iter().flatten() {
            if version.version.is_some() && !version.is_delete_marker {
                found(StoredRevision { key: version.key, etag: None, version: version.version });
            }
        }
        Ok(())
    }

    /// Everything below a prefix that ends at a slash, sorted.
    ///
    /// # Errors
    /// `store_failed`.
    pub async fn contents_below(&self, prefix: &str) -> PhotoResult<Contents> {
        let path = self.key(prefix).map_err(|error| error.at(Stage::Publish))?;
        let mut contents = self.contents(&path).await.map_err(Trouble::writing)?;
        let below = format!("{path}/");
        contents.versions.retain(|version| version.key.starts_with(&below));
        contents.versions.sort_unstable();
        Ok(contents)
    }

    /// Everything that lies in the store, sorted.
    ///
    /// # Errors
    /// `store_failed`.
    pub async fn contents_of_all(&self) -> PhotoResult<Contents> {
        let mut contents = self.contents(&Path::default()).await.map_err(Trouble::writing)?;
        contents.versions.sort_unstable();
        Ok(contents)
    }

    /// What a version holds, if it is small and there; nothing of a delete marker.
    ///
    /// # Errors
    /// `store_failed`.
    pub async fn read_version(&self, version: &StoredVersion) -> PhotoResult<Option<Bytes>> {
        if version.is_delete_marker || version.bytes > MAX_SMALL_BYTES {
            return Ok(None);
        }
        let path = self.key(&version.key).map_err(|error| error.at(Stage::Publish))?;
        let options = GetOptions { version: version.version.clone(), ..GetOptions::default() };
        let found = match self.0.store.get_opts(&path, options).await.map_err(|error| Trouble::of(&error)) {
            Ok(found) => found,
            Err(Trouble::Missing) => return Ok(None),
            Err(trouble) => return Err(trouble.writing()),
        };
        found.bytes().await.map(Some).map_err(|error| Trouble::of(&error).writing())
    }

    /// Who sent what a version holds, as pseudonyms, where its metadata tells.
    ///
    /// # Errors
    /// `store_failed`.
    pub async fn subject_of(&self, version: &StoredVersion) -> PhotoResult<Option<Subject>> {
        let path = self.key(&version.key).map_err(|error| error.at(Stage::Publish))?;
        let options = GetOptions { head: true, version: version.version.clone(), ..GetOptions::default() };
        match self.0.store.get_opts(&path, options).await.map_err(|error| Trouble::of(&error)) {
            Ok(found) => Ok(ObjectFacts::of_attributes(&found.attributes).map(|facts| facts.subject)),
            Err(Trouble::Missing) => Ok(None),
            Err(trouble) => Err(trouble.writing()),
        }
    }

    async fn contents(&self, prefix: &Path) -> Result<Contents, Trouble> {
        if let Some(versions) = self.versions(prefix).await? {
            return Ok(Contents { versions, with_versions: true });
        }
        let may_have_some = self.0.wire.is_some() && self.0.kind == Kind::Azure;
        Ok(Contents { versions: self.plain(prefix).await?, with_versions: !may_have_some })
    }

    /// None where the store keeps no versions, or does not tell.
    async fn versions(&self, prefix: &Path) -> Result<Option<Vec<StoredVersion>>, Trouble> {
        let below = if prefix.as_ref().is_empty() { String::new() } else { format!("{prefix}/") };
        match (&self.0.wire, &self.0.kind) {
            (Some(wire), Kind::S3 { .. }) if keeps_versions(wire).await? => s3_versions(wire, &below).await.map(Some),
            (Some(wire), Kind::Gcs { .. }) => google_versions(wire, &below).await.map(Some),
            (Some(wire), Kind::Azure) => match azure_versions(wire, &below).await {
                // Emulators, and accounts without versions, do not know the question.
                Err(Trouble::Permanent(_)) => Ok(None),
                versions => versions.map(Some),
            },
            _ => Ok(None),
        }
    }

    async fn plain(&self, prefix: &Path) -> Result<Vec<StoredVersion>, Trouble> {
        let listed = self.0.store.list(Some(prefix));
        let found = listed.map_ok(|found| StoredVersion {
            key: found.location.as_ref().to_owned(),
            version: None,
            is_delete_marker: false,
            bytes: found.size,
            modified: Some(found.last_modified),
            is_latest: true,
        });
        found.map_err(|error| Trouble::of(&error)).try_collect().await
    }

    /// Remove exactly this. That it is gone already is no failure.
    ///
    /// # Errors
    /// `store_failed`.
    pub async fn remove_version(&self, version: &StoredVersion) -> PhotoResult<()> {
        let path = self.key(&version.key).map_err(|error| error.at(Stage::Publish))?;
        match self.removed(&path, version).await {
            Ok(()) | Err(Trouble::Missing) => Ok(()),
            Err(trouble) => Err(trouble.writing()),
        }
    }

    async fn removed(&self, path: &Path, version: &StoredVersion) -> Result<(), Trouble> {
        match (&self.0.wire, &version.version) {
            (Some(wire), Some(name)) => self.remove_named(wire, path, name, version.is_latest).await,
            (Some(wire), None) if self.0.kind == Kind::Azure => ended(
                wire.ask(Method::DELETE, About::Object(path), &[], &[("x-ms-delete-snapshots", "include")]).await?,
            ),
            (None, _) => self.0.store.delete(path).await.map_err(|error| Trouble::of(&error)),
            (Some(_), None) => self.remove(path).await,
        }
    }

    async fn remove_named(&self, wire: &Wire, path: &Path, name: &str, is_latest: bool) -> Result<(), Trouble> {
        match self.0.kind {
            Kind::Gcs { .. } => {
                ended(wire.ask(Method::DELETE, About::Object(path), &[("generation", name)], &[]).await?)
            }
            Kind::Azure => {
                // One that is present is only made an old one by that, and has to be removed by its name then.
                if is_latest {
                    let headers = [("x-ms-delete-snapshots", "include")];
                    ended(wire.ask(Method::DELETE, About::Object(path), &[], &headers).await?)
                        .or_else(|trouble| if trouble == Trouble::Missing { Ok(()) } else { Err(trouble) })?;
                }
                ended(wire.ask(Method::DELETE, About::Object(path), &[("versionid", name)], &[]).await?)
            }
            _ => ended(wire.ask(Method::DELETE, About::Object(path), &[("versionId", name)], &[]).await?),
        }
    }
}

fn ended(answer: super::wire::Answer) -> Result<(), Trouble> {
    if answer.status.is_success() { Ok(()) } else { Err(answer.trouble()) }
}

fn unclear() -> Trouble {
    Trouble::Passing("expected a listing, found something else".to_owned())
}

/// Whether the bucket keeps versions, or once did. A store that does not know the question keeps none.
async fn keeps_versions(wire: &Wire) -> Result<bool, Trouble> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Versioning {
        #[serde(default)]
        status: Option<String>,
    }
    let answer = wire.ask(Method::GET, About::Bucket, &[("versioning", "")], &[]).await?;
    match answer.status {
        StatusCode::NOT_IMPLEMENTED | StatusCode::METHOD_NOT_ALLOWED => return Ok(false),
        status if !status.is_success() => return Err(answer.trouble()),
        _ => {}
    }
    let versioning: Versioning = quick_xml::de::from_reader(&answer.body[..]).map_err(|_| unclear())?;
    Ok(versioning.status.is_some())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct S3Page {
    #[serde(default)]
    is_truncated: bool,
    next_key_marker: Option<String>,
    next_version_id_marker: Option<String>,
    #[serde(default)]
    version: Vec<S3Version>,
    #[serde(default)]
    delete_marker: Vec<S3Version>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct S3Version {
    key: String,
    version_id: String,
    #[serde(default)]
    is_latest: bool,
    #[serde(default)]
    size: u64,
    last_modified: Option<DateTime<Utc>>,
}

async fn s3_versions(wire: &Wire, prefix: &str) -> Result<Vec<StoredVersion>, Trouble> {
    let mut found = Vec::new();
    let mut marker: Option<(String, String)> = None;
    for _ in 0..MAX_PAGES {
        let mut query = vec![("versions", ""), ("prefix", prefix)];
        if let Some((key, version)) = &marker {
            query.extend([("key-marker", key.as_str()), ("version-id-marker", version.as_str())]);
        }
        // Signatures go over the names in their order.
        query.sort_unstable();
        let answer = wire.ask(Method::GET, About::Bucket, &query, &[]).await?;
        if !answer.status.is_success() {
            return Err(answer.trouble());
        }
        let page: S3Page = quick_xml::de::from_reader(&answer.body[..]).map_err(|_| unclear())?;
        let markers = page.delete_marker.into_iter().map(|entry| (entry, true));
        found.extend(page.version.into_iter().map(|entry| (entry, false)).chain(markers).map(|(entry, is_marker)| {
            StoredVersion {
                key: entry.key,
                version: Some(entry.version_id),
                is_delete_marker: is_marker,
                bytes: entry.size,
                modified: entry.last_modified,
                is_latest: entry.is_latest,
            }
        }));
        if !page.is_truncated {
            return Ok(found);
        }
        let next = page.next_key_marker.zip(Some(page.next_version_id_marker.unwrap_or_default()));
        // A page that leads nowhere would be listed for ever.
        if next.is_none() || next == marker {
            return Err(unclear());
        }
        marker = next;
    }
    Err(unclear())
}

async fn google_versions(wire: &Wire, prefix: &str) -> Result<Vec<StoredVersion>, Trouble> {
    let mut found = Vec::new();
    let mut token: Option<String> = None;
    for _ in 0..MAX_PAGES {
        let mut query = vec![("versions", "true"), ("prefix", prefix)];
        if let Some(token) = &token {
            query.push(("pageToken", token));
        }
        let answer = wire.ask(Method::GET, About::Listing, &query, &[]).await?;
        if !answer.status.is_success() {
            return Err(answer.trouble());
        }
        let page: Value = serde_json::from_slice(&answer.body).map_err(|_| unclear())?;
        for item in page["items"].as_array().into_iter().flatten() {
            let text = |name: &str| item[name].as_str().map(str::to_owned);
            found.push(StoredVersion {
                key: text("name").ok_or_else(unclear)?,
                version: Some(text("generation").ok_or_else(unclear)?),
                is_delete_marker: false,
                bytes: text("size").and_then(|size| size.parse().ok()).unwrap_or(0),
                modified: text("updated").and_then(|time| time.parse().ok()),
                is_latest: item.get("timeDeleted").is_none(),
            });
        }
        match page["nextPageToken"].as_str() {
            None => return Ok(found),
            Some(next) if token.as_deref() == Some(next) => return Err(unclear()),
            Some(next) => token = Some(next.to_owned()),
        }
    }
    Err(unclear())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AzurePage {
    blobs: AzureBlobs,
    next_marker: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AzureBlobs {
    #[serde(default)]
    blob: Vec<AzureBlob>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AzureBlob {
    name: String,
    version_id: Option<String>,
    #[serde(default)]
    is_current_version: bool,
    properties: AzureProperties,
}

#[derive(Deserialize)]
struct AzureProperties {
    #[serde(rename = "Content-Length", default)]
    length: u64,
    #[serde(rename = "Last-Modified")]
    modified: Option<String>,
}

async fn azure_versions(wire: &Wire, prefix: &str) -> Result<Vec<StoredVersion>, Trouble> {
    let mut found = Vec::new();
    let mut marker: Option<String> = None;
    for _ in 0..MAX_PAGES {
        let mut query = vec![("comp", "list"), ("include", "versions"), ("prefix", prefix), ("restype", "container")];
        if let Some(marker) = &marker {
            query.push(("marker", marker));
        }
        query.sort_unstable();
        let answer = wire.ask(Method::GET, About::Bucket, &query, &[]).await?;
        if !answer.status.is_success() {
            return Err(answer.trouble());
        }
        let page: AzurePage = quick_xml::de::from_reader(&answer.body[..]).map_err(|_| unclear())?;
        found.extend(page.blobs.blob.into_iter().map(|blob| StoredVersion {
            is_latest: blob.is_current_version || blob.version_id.is_none(),
            key: blob.name,
            version: blob.version_id,
            is_delete_marker: false,
            bytes: blob.properties.length,
            modified:
                blob.properties.modified.and_then(|time| Some(DateTime::parse_from_rfc2822(&time).ok()?.to_utc())),
        }));
        match page.next_marker.filter(|next| !next.is_empty()) {
            None => return Ok(found),
            Some(next) if marker.as_ref() == Some(&next) => return Err(unclear()),
            Some(next) => marker = Some(next),
        }
    }
    Err(unclear())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Amazon lists versions and delete markers in the order of their keys, mixed.
    #[test]
    fn versions_and_delete_markers_may_be_mixed() {
        let page = r#"<ListVersionsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><Prefix>p/</Prefix>
            <IsTruncated>true</IsTruncated><NextKeyMarker>c</NextKeyMarker><NextVersionIdMarker>3</NextVersionIdMarker>
            <Version><Key>a</Key><VersionId>1</VersionId><IsLatest>true</IsLatest><LastModified>2026-01-02T03:04:05.000Z</LastModified><Size>7</Size></Version>
            <DeleteMarker><Key>b</Key><VersionId>2</VersionId><IsLatest>true</IsLatest><LastModified>2026-01-02T03:04:05.000Z</LastModified></DeleteMarker>
            <Version><Key>b</Key><VersionId>null</VersionId><IsLatest>false</IsLatest><Size>9</Size></Version>
            <DeleteMarker><Key>c</Key><VersionId>3</VersionId><IsLatest>true</IsLatest></DeleteMarker></ListVersionsResult>"#;
        let page: S3Page = quick_xml::de::from_str(page).unwrap();
        let sizes: Vec<u64> = page.version.iter().map(|version| version.size).collect();
        assert_eq!((sizes, page.delete_marker.len(), page.is_truncated), (vec![7, 9], 2, true));
        assert!(page.version[0].is_latest && page.version[0].last_modified.is_some());
        assert_eq!(page.next_key_marker.as_deref(), Some("c"));
    }

    #[test]
    fn azure_tells_versions_and_the_next_page() {
        let page = r#"<?xml version="1.0"?><EnumerationResults><Prefix>p/</Prefix><Blobs>
            <Blob><Name>p/a</Name><VersionId>2026-01-02T03:04:05.0000000Z</VersionId><IsCurrentVersion>true</IsCurrentVersion>
            <Properties><Last-Modified>Fri, 02 Jan 2026 03:04:05 GMT</Last-Modified><Content-Length>7</Content-Length><Etag>0x1</Etag></Properties></Blob>
            <Blob><Name>p/a</Name><VersionId>2026-01-01T03:04:05.0000000Z</VersionId><Properties><Content-Length>9</Content-Length></Properties></Blob>
            </Blobs><NextMarker>2!x</NextMarker></EnumerationResults>"#;
        let page: AzurePage = quick_xml::de::from_str(page).unwrap();
        let current: Vec<bool> = page.blobs.blob.iter().map(|blob| blob.is_current_version).collect();
        assert_eq!((current, page.next_marker.as_deref()), (vec![true, false], Some("2!x")));
        assert_eq!(page.blobs.blob[0].properties.length, 7);
    }
}
