//! Requests that the clients of `object_store` cannot make: of a bucket itself, and removal of exactly one version.

use bytes::Bytes;
use hyper::{HeaderMap, Method, StatusCode, Uri, header::HeaderName};
use object_store::{
    aws::{AwsAuthorizer, AwsCredentialProvider},
    azure::{AzureAuthorizer, AzureCredentialProvider},
    client::{HttpClient, HttpRequest, HttpRequestBody},
    gcp::GcpCredentialProvider,
    path::Path,
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{
    http::{Refusal, error_code},
    trouble::Trouble,
};

/// Everything but RFC 3986's unreserved letters.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const PATH: &AsciiSet = &QUERY.remove(b'/');

/// Where requests go and how they are signed. URLs are without a slash at their end.
pub(super) enum Account {
    S3 { credentials: Option<AwsCredentialProvider>, region: String, bucket_url: String },
    Azure { credentials: Option<AzureCredentialProvider>, account: String, container_url: String },
    Gcs { credentials: Option<GcpCredentialProvider>, base_url: String, bucket: String },
}

pub(super) struct Wire {
    pub http: HttpClient,
    pub account: Account,
}

/// What a request is about.
#[derive(Clone, Copy)]
pub(super) enum About<'a> {
    Bucket,
    Object(&'a Path),
    /// The bucket's own record (Google's JSON API).
    Record,
    /// The bucket's objects (the same).
    Listing,
}

/// Any answer, a success or not.
pub(super) struct Answer {
    pub status: StatusCode,
    pub code: Option<String>,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn trouble(&self) -> Trouble {
        Trouble::of_status(self.status, self.code.as_deref())
    }
}

impl Wire {
    pub async fn ask(
        &self,
        method: Method,
        about: About<'_>,
        query: &[(&str, &str)],
        headers: &[(&'static str, &str)],
    ) -> Result<Answer, Trouble> {
        let unfit = || Trouble::Permanent("the request cannot be made".to_owned());
        let mut url = self.url(about);
        for (index, (name, value)) in query.iter().enumerate() {
            url.push(if index == 0 { '?' } else { '&' });
            url.push_str(name);
            url.push('=');
            url.extend(utf8_percent_encode(value, QUERY));
        }
        let mut request = HttpRequest::new(HttpRequestBody::empty());
        *request.method_mut() = method;
        *request.uri_mut() = url.parse::<Uri>().map_err(|_| unfit())?;
        for (name, value) in headers {
            request.headers_mut().insert(HeaderName::from_static(name), value.parse().map_err(|_| unfit())?);
        }
        self.sign(&mut request).await.map_err(|error| Trouble::of(&error))?;
        match self.http.execute(request).await {
            Ok(response) => {
                let (parts, body) = response.into_parts();
                let body = body.bytes().await.map_err(|error| Trouble::of_http(&error))?;
                let code = error_code(&parts.headers, &body);
                Ok(Answer { status: parts.status, code, headers: parts.headers, body })
            }
            Err(error) => match std::error::Error::source(&error).and_then(|source| source.downcast_ref::<Refusal>()) {
                Some(Refusal { status, code, headers }) => {
                    Ok(Answer { status: *status, code: code.clone(), headers: headers.clone(), body: Bytes::new() })
                }
                None => Err(Trouble::of_http(&error)),
            },
        }
    }

    fn url(&self, about: About<'_>) -> String {
        let below = |base: &str, set| match about {
            About::Object(key) => format!("{base}/{}", utf8_percent_encode(key.as_ref(), set)),
            About::Bucket | About::Record | About::Listing => base.to_owned(),
        };
        match &self.account {
            Account::S3 { bucket_url, .. } => below(bucket_url, PATH),
            Account::Azure { container_url, .. } => below(container_url, PATH),
            Account::Gcs { base_url, bucket, .. } => {
                let bucket = utf8_percent_encode(bucket, NON_ALPHANUMERIC);
                match about {
                    About::Record => format!("{base_url}/storage/v1/b/{bucket}"),
                    About::Listing => format!("{base_url}/storage/v1/b/{bucket}/o"),
                    _ => below(&format!("{base_url}/{bucket}"), NON_ALPHANUMERIC),
                }
            }
        }
    }

    async fn sign(&self, request: &mut HttpRequest) -> object_store::Result<()> {
        match &self.account {
            Account::S3 { credentials: Some(credentials), region, .. } => {
                let keys = credentials.get_credential().await?;
                AwsAuthorizer::new(&keys, "s3", region).try_authorize(request, None)
            }
            Account::Azure { credentials: Some(credentials), account, .. } => {
                let credential = credentials.get_credential().await?;
                AzureAuthorizer::new(&credential, account).try_authorize(request)
            }
            Account::Azure { credentials: None, .. } => {
                // Without it the oldest version of the service would answer.
                request.headers_mut().insert("x-ms-version", hyper::header::HeaderValue::from_static("2023-11-03"));
                Ok(())
            }
            Account::Gcs { credentials: Some(credentials), .. } => {
                let credential = credentials.get_credential().await?;
                let value = format!("Bearer {}", credential.bearer).parse();
                let value = value.map_err(|_| {
                    super::credentials::CredentialTrouble("expected a token that fits a header".to_owned())
                })?;
                request.headers_mut().insert(hyper::header::AUTHORIZATION, value);
                Ok(())
            }
            Account::S3 { credentials: None, .. } | Account::Gcs { credentials: None, .. } => Ok(()),
        }
    }
}
