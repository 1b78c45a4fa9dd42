//! Which signed URLs may be fetched: HTTPS, and hosts that the configuration lists.
//!
//! Pure checks. Whoever fetches has to connect only to addresses of the public internet ([`is_public`]), ask again for every
//! redirect, and follow none by itself.

use std::net::IpAddr;

use url::{Host, Url};

use super::{address::is_public, limits::MAX_URL_BYTES};

/// Why a URL is not fetched. Tells nothing of the URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a signed HTTPS URL of a host in `url_sources.hosts`, found {0}")]
pub struct UrlRefused(pub &'static str);

/// The hosts from which signed URLs may be fetched.
#[derive(Clone, Debug, Default)]
pub struct UrlPolicy {
    rules: Vec<HostRule>,
}

/// One entry of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostRule {
    host: RuleHost,
    port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum RuleHost {
    Exactly(String),
    /// With its leading dot: subdomains at any depth, not the domain itself.
    Under(String),
    Address(IpAddr),
}

const HTTPS_PORT: u16 = 443;

impl HostRule {
    /// `host`, `host:port`, `*.domain`, `*.domain:port`, or an address; without a port it is 443.
    ///
    /// # Errors
    /// With what is wrong.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (wild, host) = match text.strip_prefix("*.") {
            Some(domain) => (true, domain),
            None => (false, text),
        };
        if host.is_empty() || !host.bytes().all(is_host_byte) {
            return Err("a host is letters, digits, `-` and `.`, with `:` and a port");
        }
        let url = Url::parse(&format!("https://{host}/")).map_err(|_| "no host")?;
        let port = url.port().unwrap_or(HTTPS_PORT);
        let host = match (url.host(), wild) {
            (Some(Host::Domain(host)), _) if host.ends_with('.') => return Err("a host ends without a dot"),
            (Some(Host::Domain(host)), false) => RuleHost::Exactly(host.to_owned()),
            (Some(Host::Domain(host)), true) if host.contains('.') => RuleHost::Under(format!(".{host}")),
            (Some(Host::Domain(_)), true) => return Err("`*.` needs a domain of at least two parts"),
            (Some(Host::Ipv4(address)), false) => RuleHost::Address(address.into()),
            (Some(Host::Ipv6(address)), false) => RuleHost::Address(address.into()),
            _ => return Err("`*.` needs a domain"),
        };
        if let RuleHost::Address(address) = host
            && !is_public(address)
        {
            return Err("addresses outside the public internet are never fetched from");
        }
        Ok(Self { host, port })
    }

    fn matches(&self, host: &Host<&str>, port: u16) -> bool {
        let host_fits = match (&self.host, host) {
            (RuleHost::Exactly(own), Host::Domain(host)) => own == host,
            (RuleHost::Under(domain), Host::Domain(host)) => {
                host.strip_suffix(domain.as_str()).is_some_and(|start| !start.is_empty())
            }
            (RuleHost::Address(own), host) => address_of(host) == Some(*own),
            _ => false,
        };
        host_fits && self.port == port
    }
}

impl UrlPolicy {
    /// Entries that are no hosts allow nothing; [`HostRule::parse`] says why.
    #[must_use]
    pub fn new(hosts: &[String]) -> Self {
        Self { rules: hosts.iter().filter_map(|host| HostRule::parse(host).ok()).collect() }
    }

    /// The URL to fetch. Whatever two programs could read differently is refused.
    ///
    /// # Errors
    /// With what is wrong with it.
    pub fn check(&self, text: &str) -> Result<Url, UrlRefused> {
        let rest = match text.get(..8) {
            Some(scheme) if scheme.eq_ignore_ascii_case("https://") => &text[8..],
            _ => return Err(UrlRefused("another scheme")),
        };
        check_characters(text)?;
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        if authority.is_empty() {
            return Err(UrlRefused("no host"));
        }
        if authority.contains('@') {
            return Err(UrlRefused("a user name"));
        }
        if !authority.bytes().all(is_host_byte) {
            return Err(UrlRefused("a host in a strange spelling"));
        }
        let url = Url::parse(text).map_err(|_| UrlRefused("no URL"))?;
        self.check_parsed(&url)?;
        Ok(url)
    }

    fn check_parsed(&self, url: &Url) -> Result<(), UrlRefused> {
        if url.scheme() != "https" {
            return Err(UrlRefused("another scheme"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(UrlRefused("a user name"));
        }
        let host = url.host().ok_or(UrlRefused("no host"))?;
        let port = url.port().unwrap_or(HTTPS_PORT);
        if self.rules.iter().any(|rule| rule.matches(&host, port)) {
            return Ok(());
        }
        Err(UrlRefused(if address_of(&host).is_some() { "an address" } else { "another host" }))
    }
}

/// A signed URL is printable ASCII. The rest, and backslashes, are read differently by different programs.
fn check_characters(text: &str) -> Result<(), UrlRefused> {
    if text.len() > MAX_URL_BYTES {
        return Err(UrlRefused("one that is too long"));
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) || text.contains('\\') {
        return Err(UrlRefused("characters that belong encoded"));
    }
    if text.contains('#') {
        return Err(UrlRefused("a fragment"));
    }
    Ok(())
}

fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b':' | b'[' | b']')
}

fn address_of(host: &Host<&str>) -> Option<IpAddr> {
    match host {
        Host::Domain(_) => None,
        Host::Ipv4(address) => Some((*address).into()),
        Host::Ipv6(address) => Some((*address).into()),
    }
}
