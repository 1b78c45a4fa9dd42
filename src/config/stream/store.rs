//! Object stores and how to get into them.

use std::{fmt, path::PathBuf};

use super::Secret;

/// One bucket, container or folder.
#[derive(Clone, Debug, PartialEq)]
pub struct StoreConfig {
    /// By which routes name it.
    pub name: String,
    pub url: StoreUrl,
    /// The region it belongs to, in the operator's words.
    pub region: String,
    /// What the store itself calls its region, such as `eu-central-1`; checked at the start where the store can tell.
    pub cloud_region: Option<String>,
    /// Base URL of an S3-compatible store, an emulator or a private endpoint; none is the cloud's own.
    pub endpoint: Option<String>,
    pub credentials: Credentials,
    /// Certificate authority of the endpoint, PEM.
    pub ca_file: Option<PathBuf>,
    /// Plain HTTP to other than loopback.
    pub allow_insecure: bool,
    /// Bucket in the host name instead of in the path; the default is path style with an endpoint.
    pub virtual_hosted: bool,
}

/// What a store's URL says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum StoreUrl {
    /// `s3://bucket`
    S3 { bucket: String },
    /// `az://account/container`
    Azure { account: String, container: String },
    /// `gs://bucket`
    Gcs { bucket: String },
    /// `file:///folder`
    File { root: PathBuf },
}

/// Who this worker is to a store. Files are mounted secrets, read again when they change.
#[derive(Clone, Debug, PartialEq)]
pub enum Credentials {
    /// What the environment gives: variables, or the platform's workload identity.
    Environment,
    /// S3 access keys.
    Keys { access_key_id: Secret, secret_access_key: Secret, session_token: Option<Secret> },
    /// S3: an OpenID token exchanged at the token service for keys of a role.
    WebIdentity { role_arn: String, token_file: PathBuf, sts_endpoint: Option<String> },
    /// S3: a role of another account, with the external id that its owner chose; asked for with `base`.
    AssumeRole { role_arn: String, external_id: Option<Secret>, sts_endpoint: Option<String>, base: Box<Credentials> },
    /// Azure: the account's key.
    AccountKey(Secret),
    /// Azure: a shared access signature.
    SasToken(Secret),
    /// Azure: workload identity by a federated token.
    AzureFederated { tenant_id: String, client_id: String, token_file: PathBuf, authority: Option<String> },
    /// GCS: a service account's JSON.
    ServiceAccount(PathBuf),
    /// GCS and Azure: a bearer token.
    Bearer(Secret),
    /// Folders, and public test servers.
    None,
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::S3 { bucket } => write!(f, "s3://{bucket}"),
            Self::Azure { account, container } => write!(f, "az://{account}/{container}"),
            Self::Gcs { bucket } => write!(f, "gs://{bucket}"),
            Self::File { root } => write!(f, "file://{}", root.display()),
        }
    }
}
