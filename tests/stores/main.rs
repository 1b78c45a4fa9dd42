//! Object stores: one suite for every backend, faults, credentials, regions, signed URLs.

#[path = "../support/mod.rs"]
mod support;

mod backends;
mod fake;
mod faults;
mod roles;
mod start;
mod suite;
mod urls;

use std::path::Path;

use bytes::Bytes;
use obscura::{
    config::stream::{Credentials, Encryption, Secret, StoreConfig, StoreUrl},
    error::{FatalError, PhotoError},
    event::{Location, Service, SourcePhoto},
    redact::sha256_hex,
    store::{ObjectFacts, StoreLimits, StoreSet},
    trust::Subject,
};

pub const REGION: &str = "eu";
pub const MAX_BYTES: u64 = 1 << 20;

pub(crate) fn config(name: &str, url: StoreUrl) -> StoreConfig {
    StoreConfig {
        name: name.to_owned(),
        url,
        region: REGION.to_owned(),
        cloud_region: None,
        endpoint: None,
        credentials: Credentials::None,
        ca_file: None,
        allow_insecure: false,
        virtual_hosted: false,
        encryption: Encryption::Store,
    }
}

pub(crate) fn folder(name: &str, root: &Path) -> StoreConfig {
    config(name, StoreUrl::File { root: root.to_owned() })
}

pub(crate) fn s3(bucket: &str, endpoint: String, key: &str, secret: &str) -> StoreConfig {
    StoreConfig {
        endpoint: Some(endpoint),
        credentials: Credentials::Keys {
            access_key_id: Secret::Value(key.into()),
            secret_access_key: Secret::Value(secret.into()),
            session_token: None,
        },
        ..config(bucket, StoreUrl::S3 { bucket: bucket.to_owned() })
    }
}

pub(crate) async fn open(configs: &[StoreConfig]) -> Result<StoreSet, FatalError> {
    StoreSet::open(configs, REGION, StoreLimits::default()).await
}

/// Without a version, as an event that tells nothing.
pub(crate) fn photo(store: &str, key: &str) -> SourcePhoto {
    let location = Location::Object { service: Service::Any, bucket: "any".to_owned(), key: key.to_owned() };
    SourcePhoto { store: Some(store.to_owned()), location, version: None, etag: None, size_bytes: None }
}

pub(crate) fn facts(source: &str, output: &Bytes) -> ObjectFacts {
    ObjectFacts {
        source_sha256: sha256_hex(source.as_bytes()),
        pipeline: "0123456789abcdef".to_owned(),
        output_sha256: sha256_hex(output),
        source_identity: Some(sha256_hex(b"identity")),
        subject: Subject::default(),
    }
}

/// Nothing of where a photo is or how one gets in.
pub(crate) fn assert_tells_nothing(error: &PhotoError, secrets: &[&str]) {
    let text = format!("{error} {error:?}");
    for secret in secrets.iter().chain(&["http://", "https://", "127.0.0.1", "X-Amz", "s3cr3t"]) {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}
