//! Connections to stores: no redirects, which could lead out of the region, TLS but where plain HTTP is allowed, time
//! limits, and answers that keep what is needed to judge them.

use std::{fmt, fs, path::Path, sync::Arc};

use async_trait::async_trait;
use hyper::{HeaderMap, StatusCode, header::HeaderValue};
use object_store::{
    ClientConfigKey, ClientOptions,
    client::{HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService},
};
use url::{Host, Url};

use super::set::StoreLimits;
use crate::{config::stream::StoreConfig, error::FatalError};

/// Statuses that the clients of stores understand themselves.
const UNDERSTOOD: [StatusCode; 4] =
    [StatusCode::NOT_FOUND, StatusCode::CONFLICT, StatusCode::PRECONDITION_FAILED, StatusCode::NOT_MODIFIED];
const MAX_CODE_BYTES: usize = 64;
/// More of an error's body is not looked at.
const MAX_ERROR_BYTES: usize = 16 << 10;

/// An answer that is no success.
#[derive(Clone, Debug, thiserror::Error)]
#[error("status {status}")]
pub(super) struct Refusal {
    pub status: StatusCode,
    /// The store's own name for it.
    pub code: Option<String>,
    pub headers: HeaderMap,
}

/// Headers of an answer, among its extensions.
#[derive(Clone, Debug)]
pub(super) struct AnswerHeaders(pub Arc<HeaderMap>);

/// How one store is connected to.
#[derive(Clone)]
pub(super) struct Transport {
    authority: Option<reqwest::Certificate>,
    plain_http: bool,
    loopback: bool,
    limits: StoreLimits,
}

impl Transport {
    pub fn new(config: &StoreConfig, limits: StoreLimits) -> Result<Self, FatalError> {
        let authority = config.ca_file.as_deref().map(|path| certificate(&config.name, path)).transpose()?;
        let endpoint = config.endpoint.as_deref().map(|url| checked_endpoint(config, "endpoint", url)).transpose()?;
        let plain_http = endpoint.as_ref().is_some_and(|url| url.scheme() == "http");
        Ok(Self { authority, plain_http, loopback: endpoint.as_ref().is_some_and(is_loopback), limits })
    }

    /// For the services that give credentials out, which have addresses of their own.
    pub fn allowing(&self, url: &Url) -> Self {
        Self { plain_http: url.scheme() == "http", loopback: is_loopback(url), ..self.clone() }
    }

    /// What clients of stores are told.
    pub fn options(&self) -> ClientOptions {
        ClientOptions::new().with_allow_http(self.plain_http)
    }

    pub fn client(&self) -> Result<HttpClient, reqwest::Error> {
        self.client_for(self.plain_http)
    }

    fn client_for(&self, plain_http: bool) -> Result<HttpClient, reqwest::Error> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("obscura/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .http1_only()
            .https_only(!plain_http)
            .connect_timeout(self.limits.connect)
            .read_timeout(self.limits.silence)
            .timeout(self.limits.request)
            .tls_certs_merge(self.authority.clone());
        if self.loopback {
            builder = builder.no_proxy();
        }
        Ok(HttpClient::new(Service(builder.build()?)))
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").field("plain_http", &self.plain_http).finish_non_exhaustive()
    }
}

impl HttpConnector for Transport {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        // The platform's own metadata services are asked without TLS.
        let plain_http = options.get_config_value(&ClientConfigKey::AllowHttp).as_deref() == Some("true");
        let failed = |error: reqwest::Error| object_store::Error::Generic {
            store: "client",
            source: Box::new(error.without_url()),
        };
        self.client_for(plain_http).map_err(failed)
    }
}

#[derive(Debug)]
struct Service(reqwest::Client);

#[async_trait]
impl HttpService for Service {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let mut response = HttpService::call(&self.0, request).await?;
        let status = response.status();
        if status.is_success() || UNDERSTOOD.contains(&status) {
            let headers = AnswerHeaders(Arc::new(response.headers().clone()));
            response.extensions_mut().insert(headers);
            return Ok(response);
        }
        let (parts, body) = response.into_parts();
        let body = body.bytes().await.unwrap_or_default();
        let code = error_code(&parts.headers, &body);
        Err(HttpError::new(HttpErrorKind::Unknown, Refusal { status, code, headers: parts.headers }))
    }
}

/// The name that the store gives an error, if it is no more than a name.
pub(super) fn error_code(headers: &HeaderMap, body: &[u8]) -> Option<String> {
    let body = String::from_utf8_lossy(&body[..body.len().min(MAX_ERROR_BYTES)]);
    let in_body = || body.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>")).map(|(code, _)| code);
    let code = headers.get("x-ms-error-code").and_then(|code| code.to_str().ok()).or_else(in_body)?;
    let is_name = !code.is_empty() && code.len() <= MAX_CODE_BYTES && code.chars().all(|c| c.is_ascii_alphanumeric());
    is_name.then(|| code.to_owned())
}

/// A URL of the configuration that may be connected to.
pub(super) fn checked_endpoint(config: &StoreConfig, what: &str, url: &str) -> Result<Url, FatalError> {
    let fatal = |found: &str, hint: &str| {
        FatalError::new(format!("store `{}`: expected `{what}` to be a base URL, found {found}", config.name), hint)
    };
    let example = "for example `https://s3.example.com`";
    let url = Url::parse(url).map_err(|_| fatal("no URL", example))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(fatal("a name or password in it", "give credentials under `credentials`"));
    }
    if url.query().is_some() || url.fragment().is_some() || url.host().is_none() {
        return Err(fatal("more or less than host and path", example));
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) || config.allow_insecure => Ok(url),
        "http" => Err(fatal(
            "plain HTTP",
            "use https, or allow it with `allow_insecure = true`: photos would be readable on the way",
        )),
        _ => Err(fatal("another scheme", example)),
    }
}

pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// A header's text, if it has any.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok())
}

fn certificate(store: &str, path: &Path) -> Result<reqwest::Certificate, FatalError> {
    let pem = fs::read(path).map_err(|error| {
        FatalError::new(format!("store `{store}`: expected a certificate in `ca_file`: {error}"), "check the path")
    })?;
    reqwest::Certificate::from_pem(&pem).map_err(|_| {
        FatalError::new(
            format!("store `{store}`: expected a certificate in `ca_file`, found something else"),
            "give the authority's certificate as PEM",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::stream::{Credentials, Encryption, StoreUrl};

    fn config(allow_insecure: bool) -> StoreConfig {
        StoreConfig {
            name: "photos".into(),
            url: StoreUrl::S3 { bucket: "b".into() },
            region: "eu".into(),
            cloud_region: None,
            endpoint: None,
            credentials: Credentials::None,
            ca_file: None,
            allow_insecure,
            virtual_hosted: false,
            encryption: Encryption::Store,
        }
    }

    #[test]
    fn plain_http_is_for_loopback_or_for_those_who_ask_for_it() {
        let allowed = |url, insecure| checked_endpoint(&config(insecure), "endpoint", url).is_ok();
        for url in ["http://127.0.0.1:9000", "http://[::1]:9000", "http://localhost", "https://s3.example.com/base"] {
            assert!(allowed(url, false), "{url}");
        }
        for url in
            ["http://s3.example.com", "http://10.0.0.1", "http://localhost.example.com", "http://169.254.169.254"]
        {
            assert!(!allowed(url, false) && allowed(url, true), "{url}");
        }
        for url in ["ftp://x", "x", "https://user:secret@x", "https://x?y=z", "https://x#y", "file:///x"] {
            assert!(!allowed(url, true), "{url}");
        }
    }

    #[test]
    fn only_names_are_taken_from_errors() {
        let none = HeaderMap::new();
        assert_eq!(error_code(&none, b"<Error><Code>SlowDown</Code></Error>").as_deref(), Some("SlowDown"));
        for body in [&b"<Code>a b/../c</Code>"[..], b"<Code></Code>", b"<Code>x", b"", &[0xff; 40]] {
            assert_eq!(error_code(&none, body), None);
        }
    }
}
