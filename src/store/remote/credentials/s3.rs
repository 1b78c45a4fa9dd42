//! Keys of S3.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use object_store::{
    CredentialProvider, RetryConfig,
    aws::{AmazonS3Builder, AmazonS3ConfigKey, AwsCredential, AwsCredentialProvider},
};
use secrecy::ExposeSecret;

use super::{
    Context, read_together,
    sts::{Asked, Sts},
};
use crate::{
    config::stream::{Credentials, Secret, StoreConfig},
    error::FatalError,
    store::remote::http::{Transport, checked_endpoint},
};

/// What of the environment is about credentials. Endpoints and regions come from the configuration alone.
const FROM_ENVIRONMENT: [(&str, AmazonS3ConfigKey); 11] = [
    ("AWS_ACCESS_KEY_ID", AmazonS3ConfigKey::AccessKeyId),
    ("AWS_SECRET_ACCESS_KEY", AmazonS3ConfigKey::SecretAccessKey),
    ("AWS_SESSION_TOKEN", AmazonS3ConfigKey::Token),
    ("AWS_WEB_IDENTITY_TOKEN_FILE", AmazonS3ConfigKey::WebIdentityTokenFile),
    ("AWS_ROLE_ARN", AmazonS3ConfigKey::RoleArn),
    ("AWS_ROLE_SESSION_NAME", AmazonS3ConfigKey::RoleSessionName),
    ("AWS_ENDPOINT_URL_STS", AmazonS3ConfigKey::StsEndpoint),
    ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", AmazonS3ConfigKey::ContainerCredentialsRelativeUri),
    ("AWS_CONTAINER_CREDENTIALS_FULL_URI", AmazonS3ConfigKey::ContainerCredentialsFullUri),
    ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", AmazonS3ConfigKey::ContainerAuthorizationTokenFile),
    ("AWS_METADATA_ENDPOINT", AmazonS3ConfigKey::MetadataEndpoint),
];

/// None: requests are not signed.
pub(in crate::store::remote) fn s3(
    config: &StoreConfig,
    region: &str,
    transport: &Transport,
) -> Result<Option<AwsCredentialProvider>, FatalError> {
    Context { config, transport }.keys(&config.credentials, region)
}

impl Context<'_> {
    fn keys(&self, credentials: &Credentials, region: &str) -> Result<Option<AwsCredentialProvider>, FatalError> {
        Ok(Some(match credentials {
            Credentials::None => return Ok(None),
            Credentials::Environment => self.environment(region)?,
            Credentials::Keys { access_key_id, secret_access_key, session_token } => Arc::new(Keys {
                id: access_key_id.clone(),
                secret: secret_access_key.clone(),
                token: session_token.clone(),
            }),
            Credentials::WebIdentity { role_arn, token_file, sts_endpoint } => {
                let asked = Asked::WebIdentity { token_file: token_file.clone() };
                Arc::new(self.token_service(sts_endpoint.as_deref(), region, role_arn, asked)?)
            }
            Credentials::AssumeRole { role_arn, external_id, sts_endpoint, base } => {
                let base = self.keys(base, region)?.ok_or_else(|| {
                    self.fatal("expected `base` credentials to ask for the role with, found none", "give `base`")
                })?;
                let asked = Asked::Role { external_id: external_id.clone(), base };
                Arc::new(self.token_service(sts_endpoint.as_deref(), region, role_arn, asked)?)
            }
            _ => return Err(self.unfit()),
        }))
    }

    fn token_service(
        &self,
        endpoint: Option<&str>,
        region: &str,
        role_arn: &str,
        asked: Asked,
    ) -> Result<Sts, FatalError> {
        let own = format!("https://sts.{region}.amazonaws.com");
        let endpoint = checked_endpoint(self.config, "sts_endpoint", endpoint.unwrap_or(&own))?;
        let http = self.transport.allowing(&endpoint).client();
        let http = http.map_err(|_| self.fatal("the TLS client cannot be built", "check `ca_file`"))?;
        Ok(Sts::new(http, &endpoint, region, role_arn, asked))
    }

    fn environment(&self, region: &str) -> Result<AwsCredentialProvider, FatalError> {
        let mut builder = AmazonS3Builder::new()
            .with_region(region)
            .with_bucket_name("any")
            .with_client_options(self.transport.options())
            .with_retry(RetryConfig { max_retries: 1, ..RetryConfig::default() })
            .with_http_connector(self.transport.clone());
        for (name, key) in FROM_ENVIRONMENT {
            if let Some(value) = std::env::var(name).ok().filter(|value| !value.is_empty()) {
                builder = builder.with_config(key, value);
            }
        }
        let built = builder.build().map_err(|error| self.failed(&error))?;
        Ok(Arc::clone(built.credentials()))
    }
}

struct Keys {
    id: Secret,
    secret: Secret,
    token: Option<Secret>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys")
    }
}

#[async_trait]
impl CredentialProvider for Keys {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let [id, secret, token] = read_together([Some(&self.id), Some(&self.secret), self.token.as_ref()])?;
        let plain = |secret: Option<secrecy::SecretString>| secret.map(|secret| secret.expose_secret().to_owned());
        Ok(Arc::new(AwsCredential {
            key_id: plain(id).unwrap_or_default(),
            secret_key: plain(secret).unwrap_or_default(),
            token: plain(token),
        }))
    }
}
