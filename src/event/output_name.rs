//! Names of what Obscura writes.
//!
//! They follow from the source and its version alone, never from a time or an offset: whoever works on an upload again,
//! after a crash or on another worker, comes to the same names, and finds what is already there.

use std::fmt::{self, Write};

use sha2::{Digest, Sha256};
use url::Url;

use super::{Location, Owner, PhotoRequest, Service, SourcePhoto, key::is_safe_name};

/// No tenant and no project may be called so.
pub(super) const RESERVED_NAMES: [&str; 3] = [UNROUTED, DEAD_LETTERS, ORIGINALS];
/// In place of tenant and project where they are not known.
pub(super) const UNROUTED: &str = "_unrouted";
pub(super) const DEAD_LETTERS: &str = "dead-letters";
pub(super) const ORIGINALS: &str = "originals";
/// Folder of what is written to see whether a store takes it.
pub const PROBES: &str = "_obscura";
pub(super) const RECEIPT_SUFFIX: &str = ".receipt.json";
/// Hexadecimal digits of a name's hash, of the output's hash in a receipt's name, and of a dead letter's id.
const HASH_DIGITS: usize = 64;
pub(super) const RECEIPT_DIGITS: usize = 16;
pub(super) const LETTER_DIGITS: usize = 32;
/// Extensions that an output may have.
const EXTENSIONS: [&str; 6] = ["jpg", "png", "webp", "tif", "gif", "bmp"];

/// What tells one upload from another under the same key.
#[derive(Clone, PartialEq, Eq)]
pub enum Revision {
    /// The store's version id or generation.
    Version(String),
    /// Without quotation marks.
    Etag(String),
    /// SHA-256 of the content in hexadecimal, where the source knows nothing else.
    Content(String),
}

impl Revision {
    /// What the event names: the version before the etag. None if it has neither and the source must be asked.
    #[must_use]
    pub fn named_in(source: &SourcePhoto) -> Option<Self> {
        Self::of(source.version.as_deref(), source.etag.as_deref())
    }

    /// The same from what a source answered.
    #[must_use]
    pub fn of(version: Option<&str>, etag: Option<&str>) -> Option<Self> {
        let filled = |text: &&str| !text.is_empty();
        let version = version.filter(filled).map(|version| Self::Version(version.to_owned()));
        version
            .or_else(|| etag.map(|etag| etag.trim_matches('"')).filter(filled).map(|etag| Self::Etag(etag.to_owned())))
    }

    fn parts(&self) -> [&str; 2] {
        match self {
            Self::Version(text) => ["version", text],
            Self::Etag(text) => ["etag", text],
            Self::Content(text) => ["content", text],
        }
    }
}

/// The names that belong to one upload.
#[derive(Clone, PartialEq, Eq)]
pub struct OutputName {
    prefix: String,
    owner: Owner,
    hash: String,
    extension: Option<&'static str>,
}

impl OutputName {
    /// A pure function of the route's prefix, the owner, the source and its revision. Where the event names a revision,
    /// that one counts, whatever the source answers; use [`Revision::named_in`] first.
    #[must_use]
    pub fn new(request: &PhotoRequest, revision: &Revision) -> Self {
        let location = &request.source.location;
        Self {
            prefix: request.route.prefix.clone(),
            owner: request.owner.clone(),
            hash: Self::hash_of(location, revision),
            extension: extension_of(location),
        }
    }

    /// The names that belong to a result which lies under `key`; none if it is not that of one under this prefix.
    #[must_use]
    pub fn of_key(prefix: &str, key: &str) -> Option<Self> {
        let rest = if prefix.is_empty() {
            Some(key)
        } else {
            key.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('/'))
        };
        let [tenant, project, file] = rest?.split('/').collect::<Vec<_>>()[..] else { return None };
        let (hash, extension) = output_parts(file)?;
        (is_safe_name(tenant) && is_safe_name(project)).then(|| Self {
            prefix: prefix.to_owned(),
            owner: Owner { tenant: tenant.to_owned(), project: project.to_owned() },
            hash: hash.to_owned(),
            extension,
        })
    }

    #[must_use]
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// SHA-256 of source and revision, in hexadecimal.
    #[must_use]
    pub fn hash_of(location: &Location, revision: &Revision) -> String {
        let mut parts = source_parts(location);
        parts.extend(revision.parts().map(str::to_owned));
        digest("obscura output 1", &parts)
    }

    /// `{prefix}/{tenant}/{project}/{hash}.{ext}`
    #[must_use]
    pub fn key(&self) -> String {
        under(&self.prefix, &format!("{}/{}", folder(&self.owner), self.file()))
    }

    /// `{key}.{first 16 digits of the output's SHA-256}.receipt.json`
    ///
    /// # Panics
    /// If that is no SHA-256 in hexadecimal.
    #[must_use]
    pub fn receipt_key(&self, output_sha256: &str) -> String {
        let digits = output_sha256.get(..RECEIPT_DIGITS).expect("a SHA-256 in hexadecimal");
        format!("{}.{digits}{RECEIPT_SUFFIX}", self.key())
    }

    /// Where the original goes: `{vault prefix}/{tenant}/{project}/originals/{hash}.{ext}`
    #[must_use]
    pub fn original_key(&self, vault_prefix: &str) -> String {
        under(vault_prefix, &format!("{}/{ORIGINALS}/{}", folder(&self.owner), self.file()))
    }

    /// SHA-256 of source and revision, in hexadecimal.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }

    fn file(&self) -> String {
        match self.extension {
            Some(extension) => format!("{}.{extension}", self.hash),
            None => self.hash.clone(),
        }
    }
}

/// Hash and extension of a result's file name; none if it is no such name.
pub(super) fn output_parts(file: &str) -> Option<(&str, Option<&'static str>)> {
    let (hash, extension) = match file.split_once('.') {
        Some((hash, extension)) => (hash, Some(EXTENSIONS.into_iter().find(|known| *known == extension)?)),
        None => (file, None),
    };
    is_hex(hash, HASH_DIGITS).then_some((hash, extension))
}

pub(super) fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Names are not for logs.
impl fmt::Debug for OutputName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OutputName")
    }
}

/// `{prefix}/{tenant}/{project}/dead-letters/{id}.json`, or `_unrouted/dead-letters/{id}.json` without an owner.
#[must_use]
pub fn dead_letter_key(prefix: &str, owner: Option<&Owner>, id: &str) -> String {
    match owner {
        Some(owner) => under(prefix, &format!("{}/{DEAD_LETTERS}/{id}.json", folder(owner))),
        None => format!("{UNROUTED}/{DEAD_LETTERS}/{id}.json"),
    }
}

fn folder(owner: &Owner) -> String {
    format!("{}/{}", owner.tenant, owner.project)
}

fn under(prefix: &str, rest: &str) -> String {
    if prefix.is_empty() { rest.to_owned() } else { format!("{prefix}/{rest}") }
}

/// The photo's identity without its version. A signed URL's query changes each time it is signed, so it is left out.
fn source_parts(location: &Location) -> Vec<String> {
    match location {
        Location::Object { service, bucket, key } => {
            let (kind, account) = match service {
                Service::S3 => ("s3", ""),
                Service::Azure { account } => ("az", account.as_str()),
                Service::Gcs => ("gs", ""),
                Service::Any => ("store", ""),
            };
            [kind, account, bucket, key].map(str::to_owned).to_vec()
        }
        Location::Url(url) => match Url::parse(url) {
            Ok(url) => {
                let host = url.host_str().unwrap_or_default();
                let port = url.port_or_known_default().unwrap_or_default().to_string();
                [url.scheme(), host, &port, url.path()].map(str::to_owned).to_vec()
            }
            // The routes let no such URL pass.
            Err(_) => vec!["url".to_owned(), url.split(['?', '#']).next().unwrap_or_default().to_owned()],
        },
    }
}

fn extension_of(location: &Location) -> Option<&'static str> {
    let path = match location {
        Location::Object { key, .. } => key.as_str(),
        Location::Url(url) => url.split(['?', '#']).next().unwrap_or_default(),
    };
    let (_, extension) = path.rsplit('/').next()?.rsplit_once('.')?;
    let extension = match extension.to_ascii_lowercase().as_str() {
        "jpeg" => "jpg",
        "tiff" => "tif",
        other => EXTENSIONS.into_iter().find(|known| *known == other)?,
    };
    Some(extension)
}

/// Every part with its length before it, so that no two lists of parts are the same bytes.
fn digest(domain: &str, parts: &[String]) -> String {
    let mut hash = Sha256::new();
    for part in std::iter::once(domain).chain(parts.iter().map(String::as_str)) {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().iter().fold(String::with_capacity(HASH_DIGITS), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("text can be written to");
        hex
    })
}
