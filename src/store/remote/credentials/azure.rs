//! Credentials of Azure's blob storage.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use object_store::{
    CredentialProvider, RetryConfig,
    azure::{AzureAccessKey, AzureConfigKey, AzureCredential, AzureCredentialProvider, MicrosoftAzureBuilder},
};
use secrecy::ExposeSecret;
use url::form_urlencoded;

use super::{Context, CredentialTrouble, Shared, read};
use crate::{
    config::stream::{Credentials, Secret, StoreConfig},
    error::FatalError,
    store::remote::http::{Transport, checked_endpoint},
};

const FROM_ENVIRONMENT: [(&str, AzureConfigKey); 12] = [
    ("AZURE_STORAGE_ACCOUNT_KEY", AzureConfigKey::AccessKey),
    ("AZURE_STORAGE_ACCESS_KEY", AzureConfigKey::AccessKey),
    ("AZURE_STORAGE_SAS_TOKEN", AzureConfigKey::SasKey),
    ("AZURE_STORAGE_TOKEN", AzureConfigKey::Token),
    ("AZURE_CLIENT_ID", AzureConfigKey::ClientId),
    ("AZURE_CLIENT_SECRET", AzureConfigKey::ClientSecret),
    ("AZURE_TENANT_ID", AzureConfigKey::AuthorityId),
    ("AZURE_AUTHORITY_HOST", AzureConfigKey::AuthorityHost),
    ("AZURE_FEDERATED_TOKEN_FILE", AzureConfigKey::FederatedTokenFile),
    ("IDENTITY_ENDPOINT", AzureConfigKey::MsiEndpoint),
    ("AZURE_OBJECT_ID", AzureConfigKey::ObjectId),
    ("AZURE_MSI_RESOURCE_ID", AzureConfigKey::MsiResourceId),
];

/// None: requests are not signed.
pub(in crate::store::remote) fn azure(
    config: &StoreConfig,
    account: &str,
    transport: &Transport,
) -> Result<Option<AzureCredentialProvider>, FatalError> {
    let context = Context { config, transport };
    let secret =
        |kind, secret: &Secret| -> Shared<AzureCredential> { Arc::new(Given { kind, secret: secret.clone() }) };
    Ok(Some(match &config.credentials {
        Credentials::None => return Ok(None),
        Credentials::AccountKey(key) => secret(Kind::Key, key),
        Credentials::SasToken(token) => secret(Kind::Sas, token),
        Credentials::Bearer(token) => secret(Kind::Bearer, token),
        Credentials::AzureFederated { tenant_id, client_id, token_file, authority } => {
            let own = object_store::azure::authority_hosts::AZURE_PUBLIC_CLOUD;
            let authority = checked_endpoint(config, "authority", authority.as_deref().unwrap_or(own))?;
            let transport = transport.allowing(&authority);
            let builder = builder(account, &transport)
                .with_tenant_id(tenant_id)
                .with_client_id(client_id)
                .with_federated_token_file(token_file.to_string_lossy())
                .with_authority_host(authority.as_str().trim_end_matches('/'));
            context.built(builder)?
        }
        Credentials::Environment => {
            let mut builder = builder(account, transport);
            for (name, key) in FROM_ENVIRONMENT {
                if let Some(value) = std::env::var(name).ok().filter(|value| !value.is_empty()) {
                    builder = builder.with_config(key, value);
                }
            }
            context.built(builder)?
        }
        _ => return Err(context.unfit()),
    }))
}

fn builder(account: &str, transport: &Transport) -> MicrosoftAzureBuilder {
    MicrosoftAzureBuilder::new()
        .with_account(account)
        .with_container_name("any")
        .with_client_options(transport.options())
        .with_retry(RetryConfig { max_retries: 1, ..RetryConfig::default() })
        .with_http_connector(transport.clone())
}

impl Context<'_> {
    fn built(&self, builder: MicrosoftAzureBuilder) -> Result<AzureCredentialProvider, FatalError> {
        let built = builder.build().map_err(|error| self.failed(&error))?;
        Ok(Arc::clone(built.credentials()))
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Key,
    Sas,
    Bearer,
}

struct Given {
    kind: Kind,
    secret: Secret,
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Given")
    }
}

#[async_trait]
impl CredentialProvider for Given {
    type Credential = AzureCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AzureCredential>> {
        let secret = read(&self.secret)?;
        let text = secret.expose_secret();
        let unfit = |what: &str| CredentialTrouble(format!("expected {what}, found something else"));
        Ok(Arc::new(match self.kind {
            Kind::Key => AzureCredential::AccessKey(
                AzureAccessKey::try_new(text).map_err(|_| unfit("an account key in base64"))?,
            ),
            Kind::Sas => {
                let pairs: Vec<(String, String)> =
                    form_urlencoded::parse(text.trim_start_matches('?').as_bytes()).into_owned().collect();
                if !pairs.iter().any(|(name, _)| name == "sig") {
                    return Err(unfit("a shared access signature").into());
                }
                AzureCredential::SASToken(pairs)
            }
            Kind::Bearer => AzureCredential::BearerToken(text.to_owned()),
        }))
    }
}
