//! Photos behind signed URLs. An event is not trusted: only hosts that the configuration lists, only over TLS, only at public
//! addresses, whatever their names resolve to and wherever they redirect to.

use std::{
    error::Error,
    fmt,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use futures::StreamExt;
use hyper::header::{ETAG, IF_MATCH, LOCATION};
use reqwest::{
    Client, Response,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect,
};
use url::{Host, Url};

use super::{
    fetch::{FetchedObject, Pin, check, too_large},
    integrity::Tag,
    set::StoreLimits,
    trouble::{Trouble, source_changed, unreadable},
};
use crate::{
    error::{ErrorCode, FatalError, PhotoError, PhotoResult, Stage},
    event::{Location, SourcePhoto},
};

const MAX_REDIRECTS: usize = 3;

/// What may be fetched.
pub trait UrlRules: Send + Sync + 'static {
    /// Whether the URL's host and port are allowed.
    fn allows(&self, url: &Url) -> bool;

    /// Whether the address belongs to the public internet.
    fn is_public(&self, address: IpAddr) -> bool;

    /// For tests: servers without certificates.
    fn allows_plain_http(&self) -> bool {
        false
    }
}

impl UrlRules for crate::event::UrlPolicy {
    fn allows(&self, url: &Url) -> bool {
        self.check(url.as_str()).is_ok()
    }

    fn is_public(&self, address: IpAddr) -> bool {
        crate::event::is_public(address)
    }
}

pub struct UrlFetcher {
    client: Client,
    rules: Arc<dyn UrlRules>,
}

impl UrlFetcher {
    /// # Errors
    /// If no TLS client can be made.
    pub fn new(rules: Arc<dyn UrlRules>, limits: StoreLimits) -> Result<Self, FatalError> {
        let client = Client::builder()
            .user_agent(concat!("obscura/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .referer(false)
            // A proxy would resolve names itself.
            .no_proxy()
            .https_only(!rules.allows_plain_http())
            .http1_only()
            .connect_timeout(limits.connect)
            .read_timeout(limits.silence)
            .timeout(limits.request)
            .dns_resolver(Arc::new(PublicOnly(Arc::clone(&rules))))
            .build();
        let failed =
            |_| FatalError::new("the TLS client for signed URLs cannot be built", "check the system's certificates");
        Ok(Self { client: client.map_err(failed)?, rules })
    }

    /// Fetch the photo behind a signed URL.
    ///
    /// # Errors
    /// `source_refused` for what may not be fetched, `source_missing`, `source_changed`, `encoded_too_large` above
    /// `max_bytes`, `unreadable`; those that may pass are transient.
    pub async fn fetch(&self, photo: &SourcePhoto, max_bytes: u64) -> PhotoResult<FetchedObject> {
        let Location::Url(text) = &photo.location else {
            let detail = "an object of a store is no signed URL";
            return Err(PhotoError::new(Stage::Fetch, ErrorCode::InternalError, detail));
        };
        if let Some(size) = photo.size_bytes.filter(|size| *size > max_bytes) {
            return Err(too_large(size, max_bytes));
        }
        let pin = Pin::new(None, photo.etag.as_deref());
        let mut url = Url::parse(text).map_err(|_| refused("expected a URL, found something else"))?;
        for _ in 0..=MAX_REDIRECTS {
            self.check(&url)?;
            let response = self.ask(&url, &pin).await?;
            if !response.status().is_redirection() || response.status() == 304 {
                return receive(response, &pin, max_bytes).await;
            }
            let to = response.headers().get(LOCATION).and_then(|to| to.to_str().ok());
            let to = to.and_then(|to| url.join(to).ok());
            url = to.ok_or_else(|| refused("expected a redirect to a URL, found one to nowhere"))?;
        }
        Err(refused(&format!("expected at most {MAX_REDIRECTS} redirects, found more")))
    }

    fn check(&self, url: &Url) -> PhotoResult<()> {
        let is_allowed_scheme = url.scheme() == "https" || (url.scheme() == "http" && self.rules.allows_plain_http());
        if !is_allowed_scheme {
            return Err(refused("expected https, found another scheme"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refused("expected a URL without name and password"));
        }
        // The resolver is not asked about these.
        let address = match url.host() {
            Some(Host::Ipv4(ip)) => Some(IpAddr::V4(ip)),
            Some(Host::Ipv6(ip)) => Some(IpAddr::V6(ip)),
            Some(Host::Domain(_)) => None,
            None => return Err(refused("expected a host, found none")),
        };
        if address.is_some_and(|address| !self.rules.is_public(address)) {
            return Err(refused("expected a public address, found another"));
        }
        if self.rules.allows(url) { Ok(()) } else { Err(refused("expected an allowed host, found another")) }
    }

    async fn ask(&self, url: &Url, pin: &Pin) -> PhotoResult<Response> {
        let mut url = url.clone();
        url.set_fragment(None);
        let mut request = self.client.get(url);
        if let Some(etag) = &pin.etag {
            request = request.header(IF_MATCH, format!("\"{etag}\""));
        }
        let response = request.send().await.map_err(|error| failed(&error))?;
        if response.remote_addr().is_some_and(|address| !self.rules.is_public(address.ip())) {
            return Err(refused("expected a public address, found another"));
        }
        Ok(response)
    }
}

async fn receive(response: Response, pin: &Pin, max_bytes: u64) -> PhotoResult<FetchedObject> {
    let status = response.status();
    if !status.is_success() {
        // A signature that has ended does not come to life again.
        let is_refused = matches!(status.as_u16(), 400 | 401 | 403);
        let trouble = match Trouble::of_status(status, None) {
            _ if is_refused => Trouble::Forbidden(format!("the host answered {}", status.as_u16())),
            trouble => trouble,
        };
        return Err(trouble.reading());
    }
    let found = Pin::new(None, response.headers().get(ETAG).and_then(|etag| etag.to_str().ok()));
    if pin.etag.is_some() && found.etag.is_some() && pin.etag != found.etag {
        return Err(source_changed());
    }
    let announced = response.content_length();
    if let Some(size) = announced.filter(|size| *size > max_bytes) {
        return Err(too_large(size, max_bytes));
    }
    let headers = Arc::new(response.headers().clone());
    let mut bytes = Vec::with_capacity(announced.unwrap_or_default() as usize);
    let mut stream = response.bytes_stream();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|error| failed(&error))?;
        let size = bytes.len() as u64 + chunk.len() as u64;
        if size > max_bytes {
            return Err(too_large(size, max_bytes));
        }
        bytes.extend_from_slice(&chunk);
    }
    if announced.is_some_and(|size| size != bytes.len() as u64) {
        return Err(unreadable("expected a body of the length that was announced, found another").retry_if(true));
    }
    let fetched = FetchedObject { bytes: bytes.into(), etag: found.etag, version: None };
    check(Some(headers), Tag::Nothing, fetched.bytes.clone()).await?;
    Ok(fetched)
}

fn refused(detail: &str) -> PhotoError {
    PhotoError::new(Stage::Fetch, ErrorCode::SourceRefused, detail)
}

/// The error's own text holds the URL.
fn failed(error: &reqwest::Error) -> PhotoError {
    let mut source = error.source();
    while let Some(inner) = source {
        if inner.is::<NotPublic>() {
            return refused("expected a public address, found another");
        }
        source = inner.source();
    }
    let text = if error.is_timeout() {
        "the host did not answer in time"
    } else if error.is_connect() {
        "the host cannot be reached"
    } else {
        "the connection to the host broke off"
    };
    unreadable(text).retry_if(true)
}

#[derive(Debug, thiserror::Error)]
#[error("no public address")]
struct NotPublic;

/// Resolves names to public addresses only, at the moment of connecting: a name that means something else a moment later
/// gains nothing.
struct PublicOnly(Arc<dyn UrlRules>);

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let rules = Arc::clone(&self.0);
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<SocketAddr> = found.filter(|address| rules.is_public(address.ip())).collect();
            if public.is_empty() {
                return Err(Box::new(NotPublic) as Box<dyn Error + Send + Sync>);
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

impl fmt::Debug for UrlFetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UrlFetcher")
    }
}
