//! Signed URLs out of events: nothing but allowed hosts at public addresses is ever asked.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use obscura::{
    error::{ErrorCode, PhotoError},
    event::{Location, SourcePhoto},
    store::{FetchedObject, StoreLimits, UrlFetcher, UrlRules},
};
use url::Url;

use crate::{
    MAX_BYTES, assert_tells_nothing,
    fake::{Fake, Seen, answer},
};

/// As in use, but for what a test opens.
struct Rules {
    hosts: Vec<&'static str>,
    /// Is taken for public.
    opened: Option<IpAddr>,
    plain_http: bool,
    asked: Mutex<Vec<IpAddr>>,
}

impl UrlRules for Rules {
    fn allows(&self, url: &Url) -> bool {
        self.hosts.iter().any(|host| url.host_str() == Some(host))
    }

    fn is_public(&self, address: IpAddr) -> bool {
        self.asked.lock().unwrap().push(address);
        let is_open = match address.to_canonical() {
            IpAddr::V4(ip) => !(ip.is_loopback() || ip.is_private() || ip.is_link_local() || ip.is_unspecified()),
            IpAddr::V6(ip) => !(ip.is_loopback() || ip.is_unspecified()),
        };
        is_open || self.opened == Some(address)
    }

    fn allows_plain_http(&self) -> bool {
        self.plain_http
    }
}

fn strict() -> UrlFetcher {
    let hosts =
        vec!["photos.example.com", "localhost", "127.0.0.1", "169.254.169.254", "[::1]", "[::ffff:7f00:1]", "10.0.0.1"];
    fetcher(Rules { hosts, opened: None, plain_http: false, asked: Mutex::default() })
}

/// 127.0.0.1 stands for the public internet, the rest of the loopback network for what must not be reached.
fn open() -> UrlFetcher {
    let opened = Some("127.0.0.1".parse().unwrap());
    let hosts = vec!["127.0.0.1", "127.0.0.2", "localhost"];
    fetcher(Rules { hosts, opened, plain_http: true, asked: Mutex::default() })
}

fn fetcher(rules: Rules) -> UrlFetcher {
    let limits = StoreLimits { silence: Duration::from_secs(3), ..StoreLimits::default() };
    UrlFetcher::new(Arc::new(rules), limits).unwrap()
}

fn signed(url: &str) -> SourcePhoto {
    SourcePhoto { store: None, location: Location::Url(url.to_owned()), version: None, etag: None, size_bytes: None }
}

async fn fetch(fetcher: &UrlFetcher, url: &str) -> Result<FetchedObject, PhotoError> {
    let result = fetcher.fetch(&signed(url), MAX_BYTES).await;
    if let Err(error) = &result {
        assert_tells_nothing(error, &["private-name", "signature", "localhost"]);
    }
    result
}

#[tokio::test]
async fn private_addresses_are_refused_however_they_are_written() {
    let fetcher = strict();
    for url in [
        "https://169.254.169.254/latest/meta-data/private-name",
        "https://127.0.0.1/private-name",
        "https://2130706433/private-name",
        "https://0x7f.1/private-name",
        "https://[::1]/private-name",
        "https://[::ffff:127.0.0.1]/private-name",
        "https://10.0.0.1/private-name",
        "https://localhost/private-name",
        "http://photos.example.com/private-name?signature=s",
        "ftp://photos.example.com/private-name",
        "file:///private-name",
        "https://user@photos.example.com/private-name",
        "https://:secret@photos.example.com/private-name",
        "https://evil.example.com/private-name",
        "https://photos.example.com.evil.example.com/private-name",
        "private-name",
        "",
    ] {
        let error = fetch(&fetcher, url).await.unwrap_err();
        assert_eq!((error.code, error.is_transient()), (ErrorCode::SourceRefused, false), "{url}");
    }
    assert_eq!(format!("{fetcher:?}"), "UrlFetcher");
}

#[tokio::test]
async fn every_hop_of_a_redirect_is_checked() {
    let inside = Fake::start(|_: &Seen| answer(200, &[], "secret")).await;
    let port = inside.port();
    let server = Fake::start(move |seen: &Seen| {
        let to = |location: &str| answer(302, &[("location", location)], "");
        match seen.path_and_query.as_str() {
            "/photo?signature=s" => answer(200, &[("etag", "\"tag\"")], "photo"),
            "/1" => to("/photo?signature=s"),
            "/2" => to("1"),
            "/3" => to("/2"),
            "/4" => to("/3"),
            "/inside" => to(&format!("http://127.0.0.2:{port}/")),
            "/metadata" => to("http://169.254.169.254/latest/meta-data/"),
            "/name" => to(&format!("http://LOCALHOST.:{port}/")),
            "/userinfo" => to(&format!("http://user@127.0.0.1:{port}/")),
            "/host" => to("http://127.0.0.1.evil.example.com/"),
            "/nowhere" => answer(302, &[], ""),
            "/scheme" => to("file:///etc/passwd"),
            other => panic!("{other}"),
        }
    })
    .await;
    let fetcher = open();
    for path in ["/photo?signature=s#private-name", "/1", "/2", "/3"] {
        let fetched = fetch(&fetcher, &server.url(path)).await.unwrap();
        assert_eq!((fetched.bytes, fetched.etag.as_deref()), (Bytes::from_static(b"photo"), Some("tag")));
    }
    for path in ["/4", "/inside", "/metadata", "/name", "/userinfo", "/host", "/nowhere", "/scheme"] {
        let error = fetch(&fetcher, &server.url(path)).await.unwrap_err();
        assert_eq!((error.code, error.is_transient()), (ErrorCode::SourceRefused, false), "{path}");
    }
    assert!(inside.seen().is_empty(), "{:?}", inside.seen());
    for seen in server.seen() {
        assert!(!seen.headers.contains_key("referer") && !seen.headers.contains_key("cookie"), "{seen:?}");
    }
}

#[tokio::test]
async fn answers_are_bounded_and_judged() {
    let server = Fake::start(|seen: &Seen| {
        let chunks = |count: usize| {
            Body::from_stream(stream::iter((0..count).map(|_| Ok::<_, std::io::Error>(Bytes::from(vec![1; 64 << 10])))))
        };
        match seen.path_and_query.as_str() {
            "/large" => answer(200, &[], vec![1; (1 << 20) + 1]),
            "/endless" => answer(200, &[], chunks(10_000)),
            "/chunks" => answer(200, &[], chunks(16)),
            "/short" => answer(200, &[("content-length", "100")], chunks(0)),
            "/broken" => {
                let parts = [Ok(Bytes::from_static(b"x")), Err(std::io::Error::other("broken"))];
                answer(200, &[], Body::from_stream(stream::iter(parts)))
            }
            "/damaged" => answer(200, &[("x-amz-checksum-crc32", "AAAAAA==")], "photo"),
            "/tag" => answer(200, &[("etag", "\"new\"")], "photo"),
            "/condition" => answer(if seen.headers["if-match"] == "\"old\"" { 412 } else { 200 }, &[], "photo"),
            path => answer(path[1..].parse().unwrap(), &[], "signature"),
        }
    })
    .await;
    let fetcher = open();
    assert_eq!(fetch(&fetcher, &server.url("/chunks")).await.unwrap().bytes.len(), 1 << 20);
    for (path, code, may_pass) in [
        ("/large", ErrorCode::EncodedTooLarge, false),
        ("/endless", ErrorCode::EncodedTooLarge, false),
        ("/short", ErrorCode::Unreadable, true),
        ("/broken", ErrorCode::Unreadable, true),
        ("/damaged", ErrorCode::Unreadable, true),
        ("/403", ErrorCode::SourceMissing, false),
        ("/401", ErrorCode::SourceMissing, false),
        ("/404", ErrorCode::SourceMissing, false),
        ("/410", ErrorCode::SourceMissing, false),
        ("/429", ErrorCode::Unreadable, true),
        ("/500", ErrorCode::Unreadable, true),
        ("/503", ErrorCode::Unreadable, true),
    ] {
        let error = fetch(&fetcher, &server.url(path)).await.unwrap_err();
        assert_eq!((error.code, error.is_transient()), (code, may_pass), "{path}: {error}");
    }
    for path in ["/tag", "/condition"] {
        let old = SourcePhoto { etag: Some("old".to_owned()), ..signed(&server.url(path)) };
        let error = fetcher.fetch(&old, MAX_BYTES).await.unwrap_err();
        assert_eq!((error.code, error.is_transient()), (ErrorCode::SourceChanged, false), "{path}");
    }
    let announced = SourcePhoto { size_bytes: Some(MAX_BYTES + 1), ..signed(&server.url("/unasked")) };
    assert_eq!(fetcher.fetch(&announced, MAX_BYTES).await.unwrap_err().code, ErrorCode::EncodedTooLarge);
}
