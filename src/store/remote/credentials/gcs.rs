//! Credentials of Google's cloud storage.

use std::{
    fmt, fs,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use object_store::{
    CredentialProvider, RetryConfig,
    gcp::{GcpCredential, GcpCredentialProvider, GoogleCloudStorageBuilder, GoogleConfigKey},
};
use secrecy::{ExposeSecret, SecretString};

use super::{Context, CredentialTrouble, read};
use crate::{
    config::stream::{Credentials, Secret, StoreConfig},
    error::FatalError,
    store::remote::http::Transport,
};

/// None: requests carry no token.
pub(in crate::store::remote) fn gcs(
    config: &StoreConfig,
    transport: &Transport,
) -> Result<Option<GcpCredentialProvider>, FatalError> {
    let context = Context { config, transport };
    Ok(Some(match &config.credentials {
        Credentials::None => return Ok(None),
        Credentials::Bearer(token) => Arc::new(Bearer(token.clone())),
        Credentials::ServiceAccount(path) => {
            let account = ServiceAccount { path: path.clone(), transport: transport.clone(), kept: Mutex::new(None) };
            account.provider().map_err(|trouble| {
                context.fatal(&trouble.to_string(), "give the JSON key file of a service account")
            })?;
            Arc::new(account)
        }
        Credentials::Environment => {
            let mut builder = builder(transport);
            for name in ["GOOGLE_SERVICE_ACCOUNT", "SERVICE_ACCOUNT", "GOOGLE_SERVICE_ACCOUNT_PATH"] {
                if let Some(value) = std::env::var(name).ok().filter(|value| !value.is_empty()) {
                    builder = builder.with_config(GoogleConfigKey::ServiceAccount, value);
                }
            }
            if let Ok(path) = std::env::var("GOOGLE_APPLICATION_CREDENTIALS") {
                builder = builder.with_application_credentials(path);
            }
            let built = builder.build().map_err(|error| context.failed(&error))?;
            Arc::clone(built.credentials())
        }
        _ => return Err(context.unfit()),
    }))
}

fn builder(transport: &Transport) -> GoogleCloudStorageBuilder {
    GoogleCloudStorageBuilder::new()
        .with_bucket_name("any")
        .with_client_options(transport.options())
        .with_retry(RetryConfig { max_retries: 1, ..RetryConfig::default() })
        .with_http_connector(transport.clone())
}

struct Bearer(Secret);

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bearer")
    }
}

#[async_trait]
impl CredentialProvider for Bearer {
    type Credential = GcpCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<GcpCredential>> {
        Ok(Arc::new(GcpCredential { bearer: read(&self.0)?.expose_secret().to_owned() }))
    }
}

/// A service account, made anew when its file changes.
struct ServiceAccount {
    path: PathBuf,
    transport: Transport,
    kept: Mutex<Option<(SecretString, GcpCredentialProvider)>>,
}

impl ServiceAccount {
    fn provider(&self) -> Result<GcpCredentialProvider, CredentialTrouble> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let json: SecretString = match fs::read_to_string(&self.path) {
            Ok(json) => json.into(),
            Err(error) => {
                let text = format!("the service account's file cannot be read: {}", error.kind());
                return Err(CredentialTrouble(text));
            }
        };
        if let Some((old, provider)) = &*kept
            && old.expose_secret() == json.expose_secret()
        {
            return Ok(Arc::clone(provider));
        }
        let built = builder(&self.transport).with_service_account_key(json.expose_secret()).build();
        let built = built.map_err(|_| {
            CredentialTrouble("expected the JSON of a service account, found something else".to_owned())
        })?;
        let provider = Arc::clone(built.credentials());
        *kept = Some((json, Arc::clone(&provider)));
        Ok(provider)
    }
}

impl fmt::Debug for ServiceAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServiceAccount")
    }
}

#[async_trait]
impl CredentialProvider for ServiceAccount {
    type Credential = GcpCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<GcpCredential>> {
        let provider = self.provider()?;
        provider.get_credential().await
    }
}
