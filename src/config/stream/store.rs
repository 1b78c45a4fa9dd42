//! Object stores and how to get into them.

use std::{fmt, path::PathBuf};

use super::{Encryption, Secret, table::TableReader};
use crate::config::{Field, check::Checker, raw::RawStore};

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
    /// How its objects are encrypted.
    pub encryption: Encryption,
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

impl StoreUrl {
    /// None if it is none of the four kinds.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let name = |name: &str| {
            let is_name =
                !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
            is_name.then(|| name.to_owned())
        };
        match scheme {
            "s3" => Some(Self::S3 { bucket: name(rest.trim_end_matches('/'))? }),
            "gs" => Some(Self::Gcs { bucket: name(rest.trim_end_matches('/'))? }),
            "az" => {
                let (account, container) = rest.trim_end_matches('/').split_once('/')?;
                Some(Self::Azure { account: name(account)?, container: name(container)? })
            }
            "file" if rest.starts_with('/') => Some(Self::File { root: PathBuf::from(rest) }),
            _ => None,
        }
    }
}

/// Kinds of credentials, as they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CredentialsKind {
    #[default]
    Environment,
    Keys,
    WebIdentity,
    AssumeRole,
    AccountKey,
    Sas,
    AzureFederated,
    ServiceAccount,
    Bearer,
    None,
}

pub(super) fn resolve_stores(tables: &[toml::Table], check: &mut Checker) -> Vec<StoreConfig> {
    let mut stores: Vec<StoreConfig> = Vec::new();
    for (index, table) in tables.iter().enumerate() {
        let (raw, mut reader) = TableReader::open::<RawStore>("stores", index, table, check);
        let Some(store) = resolve_store(&raw, &mut reader) else { continue };
        if stores.iter().any(|other| other.name == store.name) {
            reader.problem("name", &format!("found `{}` twice", store.name), "every store has a name of its own");
        }
        if stores.iter().any(|other| other.url == store.url && other.endpoint == store.endpoint) {
            reader.problem("url", "found a store that is there already", "routes may share one store");
        }
        stores.push(store);
    }
    stores
}

fn resolve_store(raw: &RawStore, reader: &mut TableReader) -> Option<StoreConfig> {
    let name = reader.required("name", &raw.name, "routes name stores by it");
    let text = reader.required("url", &raw.url, "such as `s3://bucket`");
    let url = StoreUrl::parse(&text);
    if url.is_none() && !text.is_empty() {
        reader.problem(
            "url",
            &format!("expected a store, found `{text}`"),
            "write `s3://bucket`, `az://account/container`, `gs://bucket` or `file:///folder`",
        );
    }
    let region = reader.required("region", &raw.region, "the region that its photos belong to, in your words");
    let default =
        if matches!(url, Some(StoreUrl::File { .. })) { CredentialsKind::None } else { CredentialsKind::default() };
    let kind = reader.optional("credentials", &raw.credentials).unwrap_or(default);
    let fits = match (&url, kind) {
        (None, _) | (Some(_), CredentialsKind::None) => true,
        (Some(StoreUrl::File { .. }), _) => false,
        (Some(_), CredentialsKind::Environment) => true,
        (Some(StoreUrl::S3 { .. }), kind) => {
            matches!(kind, CredentialsKind::Keys | CredentialsKind::WebIdentity | CredentialsKind::AssumeRole)
        }
        (Some(StoreUrl::Azure { .. }), kind) => matches!(
            kind,
            CredentialsKind::AccountKey
                | CredentialsKind::Sas
                | CredentialsKind::AzureFederated
                | CredentialsKind::Bearer
        ),
        (Some(StoreUrl::Gcs { .. }), kind) => matches!(kind, CredentialsKind::ServiceAccount | CredentialsKind::Bearer),
    };
    if !fits {
        reader.problem("credentials", "found a kind that this store does not know", "see docs/configuration.md");
    }
    let credentials = resolve_credentials(kind, raw, reader);
    let encryption = Encryption::resolve(raw, url.as_ref(), reader);
    let store = StoreConfig {
        name,
        region,
        cloud_region: reader.optional("cloud_region", &raw.cloud_region),
        endpoint: reader.optional("endpoint", &raw.endpoint).map(|url| url.trim_end_matches('/').to_owned()),
        ca_file: reader.optional("ca_file", &raw.ca_file),
        allow_insecure: reader.value("allow_insecure", &raw.allow_insecure),
        virtual_hosted: reader.value("virtual_hosted", &raw.virtual_hosted),
        encryption,
        credentials: credentials?,
        url: url?,
    };
    Some(store)
}

/// A secret of which a table names the variable or the file.
fn secret(
    reader: &mut TableReader,
    key: &str,
    variable: &Field<String>,
    file: &Field<PathBuf>,
    is_required: bool,
) -> Option<Secret> {
    let file = reader.optional(&format!("{key}_file"), file);
    let variable = reader.optional(&format!("{key}_env"), variable);
    let secret = match (file, variable) {
        (Some(file), None) => Some(Secret::File(file)),
        (None, Some(variable)) => {
            let secret = Secret::variable(&variable);
            if secret.is_none() {
                let message = format!("expected a value in the variable `{variable}`, found none");
                reader.problem(&format!("{key}_env"), &message, "set it where the worker is started");
            }
            return secret;
        }
        (Some(_), Some(_)) => {
            reader.problem(&format!("{key}_file"), "found a variable too", "name one of them");
            return None;
        }
        (None, None) => None,
    };
    if secret.is_none() && is_required {
        reader.problem(
            &format!("{key}_file"),
            "expected a file or `_env` a variable, found neither",
            "name one of them",
        );
    }
    secret
}

fn file(reader: &mut TableReader, key: &str, field: &Field<PathBuf>) -> Option<PathBuf> {
    let file = reader.optional(key, field);
    if file.is_none() {
        reader.problem(key, "expected a file, found none", "this kind of credentials needs it");
    }
    file
}

fn resolve_credentials(kind: CredentialsKind, raw: &RawStore, reader: &mut TableReader) -> Option<Credentials> {
    let needed = "this kind of credentials needs it";
    Some(match kind {
        CredentialsKind::Environment => Credentials::Environment,
        CredentialsKind::None => Credentials::None,
        CredentialsKind::Keys => {
            let id = secret(reader, "access_key_id", &raw.access_key_id_env, &raw.access_key_id_file, true);
            let key =
                secret(reader, "secret_access_key", &raw.secret_access_key_env, &raw.secret_access_key_file, true);
            let session_token = secret(reader, "session_token", &raw.session_token_env, &raw.session_token_file, false);
            Credentials::Keys { access_key_id: id?, secret_access_key: key?, session_token }
        }
        CredentialsKind::WebIdentity => Credentials::WebIdentity {
            role_arn: reader.required("role_arn", &raw.role_arn, needed),
            token_file: file(reader, "token_file", &raw.token_file)?,
            sts_endpoint: reader.optional("sts_endpoint", &raw.sts_endpoint),
        },
        CredentialsKind::AssumeRole => {
            let base = reader.value("base_credentials", &raw.base_credentials);
            if !matches!(base, CredentialsKind::Environment | CredentialsKind::Keys | CredentialsKind::WebIdentity) {
                reader.problem(
                    "base_credentials",
                    "found a kind that cannot ask for a role",
                    "use environment, keys or web_identity",
                );
                return None;
            }
            Credentials::AssumeRole {
                role_arn: reader.required("role_arn", &raw.role_arn, needed),
                external_id: secret(reader, "external_id", &raw.external_id_env, &raw.external_id_file, false),
                sts_endpoint: reader.optional("sts_endpoint", &raw.sts_endpoint),
                base: Box::new(resolve_credentials(base, raw, reader)?),
            }
        }
        CredentialsKind::AccountKey => {
            Credentials::AccountKey(secret(reader, "account_key", &raw.account_key_env, &raw.account_key_file, true)?)
        }
        CredentialsKind::Sas => {
            Credentials::SasToken(secret(reader, "sas_token", &raw.sas_token_env, &raw.sas_token_file, true)?)
        }
        CredentialsKind::AzureFederated => Credentials::AzureFederated {
            tenant_id: reader.required("tenant_id", &raw.tenant_id, needed),
            client_id: reader.required("client_id", &raw.client_id, needed),
            token_file: file(reader, "token_file", &raw.token_file)?,
            authority: reader.optional("authority", &raw.authority),
        },
        CredentialsKind::ServiceAccount => {
            Credentials::ServiceAccount(file(reader, "service_account_file", &raw.service_account_file)?)
        }
        CredentialsKind::Bearer => {
            Credentials::Bearer(secret(reader, "bearer_token", &raw.bearer_token_env, &raw.bearer_token_file, true)?)
        }
    })
}
