//! Keys of a role, asked for at a token service (AWS STS API 2011-06-15): `AssumeRole` with an external id, and
//! `AssumeRoleWithWebIdentity`. Renewed before they end; while renewal fails the old ones are used as long as they are good.

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use hyper::{Method, header::CONTENT_TYPE, header::HeaderValue};
use object_store::{
    CredentialProvider,
    aws::{AwsAuthorizer, AwsCredential, AwsCredentialProvider},
    client::{HttpClient, HttpRequest},
};
use secrecy::ExposeSecret;
use serde::Deserialize;
use tokio::sync::Mutex;
use url::{Url, form_urlencoded};

use super::{CredentialTrouble, read, read_token};
use crate::{config::stream::Secret, store::remote::trouble::Trouble};

/// The longest that roles of roles may last.
const SESSION: Duration = Duration::from_secs(3600);
/// Renewed this long before the end.
const MARGIN: Duration = Duration::from_secs(300);

/// In whose name the role is asked for.
pub(super) enum Asked {
    WebIdentity { token_file: PathBuf },
    Role { external_id: Option<Secret>, base: AwsCredentialProvider },
}

pub(super) struct Sts {
    http: HttpClient,
    endpoint: String,
    region: String,
    role_arn: String,
    asked: Asked,
    kept: Mutex<Option<Session>>,
}

#[derive(Clone)]
struct Session {
    keys: Arc<AwsCredential>,
    ends: DateTime<Utc>,
}

impl Session {
    fn lasts(&self, margin: Duration) -> bool {
        Utc::now() + margin < self.ends
    }
}

impl Sts {
    pub fn new(http: HttpClient, endpoint: &Url, region: &str, role_arn: &str, asked: Asked) -> Self {
        let (endpoint, region, role_arn) = (endpoint.to_string(), region.to_owned(), role_arn.to_owned());
        Self { http, endpoint, region, role_arn, asked, kept: Mutex::new(None) }
    }

    fn form(&self) -> Result<String, CredentialTrouble> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("Version", "2011-06-15")
            .append_pair("RoleArn", &self.role_arn)
            .append_pair("RoleSessionName", "obscura")
            .append_pair("DurationSeconds", &SESSION.as_secs().to_string());
        match &self.asked {
            Asked::WebIdentity { token_file } => {
                let token = read_token(token_file)?;
                form.append_pair("Action", "AssumeRoleWithWebIdentity")
                    .append_pair("WebIdentityToken", token.expose_secret());
            }
            Asked::Role { external_id, .. } => {
                form.append_pair("Action", "AssumeRole");
                if let Some(id) = external_id {
                    form.append_pair("ExternalId", read(id)?.expose_secret());
                }
            }
        }
        Ok(form.finish())
    }

    async fn ask(&self) -> object_store::Result<Session> {
        let mut request = HttpRequest::new(self.form()?.into());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.endpoint.parse().map_err(|_| trouble("the token service has no valid address"))?;
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        if let Asked::Role { base, .. } = &self.asked {
            let keys = base.get_credential().await?;
            AwsAuthorizer::new(&keys, "sts", &self.region).try_authorize(&mut request, None)?;
        }
        let answered = self.http.execute(request).await.map_err(|error| {
            let text = Trouble::of_http(&error).text().replace("the store", "the token service");
            trouble(&text)
        })?;
        if !answered.status().is_success() {
            return Err(trouble(&format!("the token service answered {}", answered.status().as_u16())));
        }
        let body = answered.into_body().bytes().await.map_err(|_| trouble("the token service broke off"))?;
        parse(&body)
    }
}

#[async_trait]
impl CredentialProvider for Sts {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let mut kept = self.kept.lock().await;
        if let Some(session) = kept.as_ref().filter(|session| session.lasts(MARGIN)) {
            return Ok(Arc::clone(&session.keys));
        }
        match self.ask().await {
            Ok(session) => Ok(Arc::clone(&kept.insert(session).keys)),
            Err(error) => match kept.as_ref().filter(|session| session.lasts(Duration::from_secs(5))) {
                Some(session) => Ok(Arc::clone(&session.keys)),
                None => Err(error),
            },
        }
    }
}

impl fmt::Debug for Sts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sts")
    }
}

fn trouble(text: &str) -> object_store::Error {
    CredentialTrouble(text.to_owned()).into()
}

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "AssumeRoleResult", alias = "AssumeRoleWithWebIdentityResult")]
    result: Assumed,
}

#[derive(Deserialize)]
struct Assumed {
    #[serde(rename = "Credentials")]
    credentials: AssumedKeys,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AssumedKeys {
    access_key_id: String,
    secret_access_key: String,
    session_token: String,
    expiration: DateTime<Utc>,
}

fn parse(body: &[u8]) -> object_store::Result<Session> {
    let unclear = || trouble("expected keys from the token service, found something else");
    let answer: Answer = quick_xml::de::from_reader(body).map_err(|_| unclear())?;
    let AssumedKeys { access_key_id, secret_access_key, session_token, expiration } = answer.result.credentials;
    for text in [&access_key_id, &secret_access_key, &session_token] {
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(unclear());
        }
    }
    let keys = AwsCredential { key_id: access_key_id, secret_key: secret_access_key, token: Some(session_token) };
    Ok(Session { keys: Arc::new(keys), ends: expiration })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: &str = "<Credentials><AccessKeyId>id</AccessKeyId><SecretAccessKey>s/+=</SecretAccessKey>\
        <SessionToken>t</SessionToken><Expiration>2030-01-01T00:00:00.000Z</Expiration></Credentials>";

    #[test]
    fn both_kinds_of_answers_are_understood_and_nothing_else() {
        for kind in ["AssumeRole", "AssumeRoleWithWebIdentity"] {
            let body = format!(
                r#"<?xml version="1.0"?><{kind}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{kind}Result>
                <AssumedRoleUser><Arn>a</Arn></AssumedRoleUser>{KEYS}<PackedPolicySize>6</PackedPolicySize></{kind}Result>
                <ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></{kind}Response>"#
            );
            let session = parse(body.as_bytes()).unwrap();
            assert_eq!((session.keys.key_id.as_str(), session.keys.secret_key.as_str()), ("id", "s/+="));
            assert!(session.lasts(MARGIN));
        }
        for body in ["", "<a/>", "{}", "<R><AssumeRoleResult/></R>"] {
            assert!(parse(body.as_bytes()).is_err());
        }
    }
}
