//! Clients of stores, made from their configuration.

use std::{path::PathBuf, sync::Arc, time::Duration};

use hyper::{HeaderMap, header::HeaderValue};
use object_store::{
    ObjectStore, RetryConfig,
    aws::{AmazonS3Builder, AwsCredential},
    azure::MicrosoftAzureBuilder,
    gcp::{GcpCredential, GoogleCloudStorageBuilder},
    local::LocalFileSystem,
};
use url::Url;

use super::{
    credentials,
    http::{Transport, checked_endpoint},
    set::StoreLimits,
    wire::{Account, Wire},
};
use crate::{
    config::stream::{Credentials, Encryption, StoreConfig, StoreUrl},
    error::FatalError,
};

const GOOGLE: &str = "https://storage.googleapis.com";

/// What kind of store it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `is_amazon`: not just compatible.
    S3 {
        is_amazon: bool,
    },
    Azure,
    /// `is_google`: no emulator.
    Gcs {
        is_google: bool,
    },
    /// Its canonical path.
    Folder(PathBuf),
    /// Any store of `object_store`, in tests.
    #[cfg(any(test, feature = "failpoints"))]
    Any,
}

pub(super) struct Opened {
    pub kind: Kind,
    pub store: Arc<dyn ObjectStore>,
    pub wire: Option<Wire>,
}

/// Make the client. Sends nothing.
pub(super) fn open(config: &StoreConfig, limits: StoreLimits) -> Result<Opened, FatalError> {
    let transport = Transport::new(config, limits)?;
    match &config.url {
        StoreUrl::S3 { bucket } => s3(config, bucket, &transport),
        StoreUrl::Azure { account, container } => azure(config, account, container, &transport),
        StoreUrl::Gcs { bucket } => gcs(config, bucket, &transport),
        StoreUrl::File { root } => {
            if config.credentials != Credentials::None {
                return Err(fatal(config, "expected no credentials for a folder", "remove `credentials`"));
            }
            let hint = "create the folder, and let this worker's user read and write it";
            let missing = || fatal(config, "expected a folder that exists", hint);
            let root = root.canonicalize().map_err(|_| missing())?;
            if !root.is_dir() {
                return Err(missing());
            }
            let store = LocalFileSystem::new_with_prefix(&root).map_err(|_| missing())?.with_fsync(true);
            Ok(Opened { kind: Kind::Folder(root), store: Arc::new(store), wire: None })
        }
    }
}

/// Trying again is for those who know how long a photo may take.
fn no_retries() -> RetryConfig {
    RetryConfig { max_retries: 0, retry_timeout: Duration::from_secs(60), ..RetryConfig::default() }
}

fn s3(config: &StoreConfig, bucket: &str, transport: &Transport) -> Result<Opened, FatalError> {
    let endpoint = endpoint(config)?;
    let is_amazon = endpoint.as_ref().is_none_or(|url| {
        url.host_str().is_some_and(|host| host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn"))
    });
    let region = match &config.cloud_region {
        Some(region) => region.as_str(),
        None if is_amazon => {
            let hint = "set it to the bucket's region, such as `eu-central-1`";
            return Err(fatal(config, "expected `cloud_region` for a bucket of Amazon S3", hint));
        }
        // What compatible stores take who have no regions.
        None => "us-east-1",
    };
    let bucket_url = match &endpoint {
        None if bucket.contains('.') => format!("https://s3.{region}.amazonaws.com/{bucket}"),
        None => format!("https://{bucket}.s3.{region}.amazonaws.com"),
        Some(url) if config.virtual_hosted => {
            let mut url = url.clone();
            let host = format!("{bucket}.{}", url.host_str().unwrap_or_default());
            let unfit = |_| {
                fatal(config, "expected an endpoint that a bucket can be put before", "set `virtual_hosted = false`")
            };
            url.set_host(Some(&host)).map_err(unfit)?;
            trimmed(&url)
        }
        Some(url) => format!("{}/{bucket}", trimmed(url)),
    };
    let credentials = credentials::s3(config, region, transport)?;
    // Lets the store send the checksums it keeps; it has to be among what is signed.
    let mut headers = HeaderMap::new();
    headers.insert("x-amz-checksum-mode", HeaderValue::from_static("ENABLED"));
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_region(region)
        // Then the endpoint is taken to have the bucket in it.
        .with_virtual_hosted_style_request(true)
        .with_endpoint(&bucket_url)
        .with_disable_bulk_delete(true)
        .with_client_options(transport.options().with_default_headers(headers))
        .with_retry(no_retries())
        .with_http_connector(transport.clone());
    if let Encryption::SseKms { key } = &config.encryption {
        builder = builder.with_sse_kms_encryption(key);
    }
    builder = match &credentials {
        Some(credentials) => builder.with_credentials(Arc::clone(credentials)),
        // Given all the same, lest it looks for others.
        None => {
            builder.with_skip_signature(true).with_credentials(Arc::new(object_store::StaticCredentialProvider::new(
                AwsCredential { key_id: String::new(), secret_key: String::new(), token: None },
            )))
        }
    };
    let store = builder.build().map_err(|_| unfit(config))?;
    let account = Account::S3 { credentials, region: region.to_owned(), bucket_url };
    opened(config, Kind::S3 { is_amazon }, Arc::new(store), account, transport)
}

fn azure(config: &StoreConfig, account: &str, container: &str, transport: &Transport) -> Result<Opened, FatalError> {
    let base = match endpoint(config)? {
        Some(url) => trimmed(&url),
        None => format!("https://{account}.blob.core.windows.net"),
    };
    let credentials = credentials::azure(config, account, transport)?;
    let mut builder = MicrosoftAzureBuilder::new()
        .with_account(account)
        .with_container_name(container)
        .with_endpoint(base.clone())
        .with_client_options(transport.options())
        .with_retry(no_retries())
        .with_http_connector(transport.clone());
    builder = match &credentials {
        Some(credentials) => builder.with_credentials(Arc::clone(credentials)),
        None => builder.with_skip_signature(true),
    };
    let store = builder.build().map_err(|_| unfit(config))?;
    let container_url = format!("{base}/{container}");
    let account = Account::Azure { credentials, account: account.to_owned(), container_url };
    opened(config, Kind::Azure, Arc::new(store), account, transport)
}

fn gcs(config: &StoreConfig, bucket: &str, transport: &Transport) -> Result<Opened, FatalError> {
    let endpoint = endpoint(config)?;
    let is_google = endpoint.as_ref().is_none_or(|url| {
        url.host_str().is_some_and(|host| host == "storage.googleapis.com" || host.ends_with(".googleapis.com"))
    });
    let base_url = endpoint.as_ref().map_or_else(|| GOOGLE.to_owned(), trimmed);
    let credentials = credentials::gcs(config, transport)?;
    let nobody = || -> object_store::gcp::GcpCredentialProvider {
        Arc::new(object_store::StaticCredentialProvider::new(GcpCredential { bearer: String::new() }))
    };
    let store = GoogleCloudStorageBuilder::new()
        .with_bucket_name(bucket)
        .with_base_url(&base_url)
        .with_client_options(transport.options())
        .with_retry(no_retries())
        .with_http_connector(transport.clone())
        .with_skip_signature(credentials.is_none())
        // Given in any case, lest it asks the metadata address.
        .with_credentials(credentials.clone().unwrap_or_else(nobody))
        .build()
        .map_err(|_| unfit(config))?;
    let account = Account::Gcs { credentials, base_url, bucket: bucket.to_owned() };
    opened(config, Kind::Gcs { is_google }, Arc::new(store), account, transport)
}

fn opened(
    config: &StoreConfig,
    kind: Kind,
    store: Arc<dyn ObjectStore>,
    account: Account,
    transport: &Transport,
) -> Result<Opened, FatalError> {
    let http = transport.client().map_err(|_| fatal(config, "the TLS client cannot be built", "check `ca_file`"))?;
    Ok(Opened { kind, store, wire: Some(Wire { http, account }) })
}

fn endpoint(config: &StoreConfig) -> Result<Option<Url>, FatalError> {
    config.endpoint.as_deref().map(|url| checked_endpoint(config, "endpoint", url)).transpose()
}

fn trimmed(url: &Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}

fn unfit(config: &StoreConfig) -> FatalError {
    fatal(
        config,
        "no client can be made of its configuration",
        "compare `url`, `endpoint` and `credentials` with docs/stores.md",
    )
}

pub(super) fn fatal(config: &StoreConfig, message: &str, hint: &str) -> FatalError {
    FatalError::new(format!("store `{}`: {message}", config.name), hint)
}
