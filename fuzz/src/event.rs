//! What every message promises, whatever it says.

use std::{collections::BTreeMap, sync::LazyLock, time::Duration};

use obscura::{
    config::stream::{
        Assignment, Credentials, Encryption, KafkaConfig, Originals, Retention, RouteConfig, RouteMatch, StoreConfig,
        StoreUrl, StreamConfig,
    },
    detect::Wanted,
    error::ErrorCode,
    event::{
        Location, Message, Notice, OutputName, PhotoRequest, Revision, Routed, Router, is_safe_name, parse, redact_urls,
    },
    redact::{ClassPolicy, RedactionPolicy, Style},
};

static ROUTER: LazyLock<Router> = LazyLock::new(|| Router::new(&config()));

/// # Panics
/// Where a promise is broken.
pub fn message_keeps_its_contract(bytes: &[u8]) {
    let redacted = redact_urls(bytes);
    assert_eq!(redact_urls(&redacted), redacted, "once is enough");
    let (headers, payload) = message_of(bytes);
    let Ok(notices) = parse(&Message { headers: &headers, payload }) else { return };
    assert!(!notices.is_empty(), "a message says something or is not known");
    for notice in notices {
        let Notice::Upload(upload) = notice else { continue };
        match ROUTER.route(upload) {
            Routed::Redact(request) => request_is_safe(&request),
            Routed::Forward { region, topic } => assert_eq!((region.as_str(), topic.as_str()), ("us", "uploads-us")),
            Routed::Refuse { error, owner } => {
                assert_ne!(error.code, ErrorCode::InternalError);
                assert!(owner.is_none_or(|owner| is_safe_name(&owner.tenant) && is_safe_name(&owner.project)));
            }
            Routed::Ignore(_) => {}
        }
    }
}

/// Headers as `name: value` lines before an empty line, as in the examples; without one all is payload.
fn message_of(bytes: &[u8]) -> (Vec<(String, Vec<u8>)>, &[u8]) {
    let Some(end) = bytes.windows(2).position(|pair| pair == b"\n\n") else { return (Vec::new(), bytes) };
    let header = |line: &[u8]| {
        let at = line.windows(2).position(|pair| pair == b": ")?;
        Some((String::from_utf8_lossy(&line[..at]).into_owned(), line[at + 2..].to_vec()))
    };
    (bytes[..end].split(|byte| *byte == b'\n').filter_map(header).collect(), &bytes[end + 2..])
}

fn request_is_safe(request: &PhotoRequest) {
    let (tenant, project) = (&request.owner.tenant, &request.owner.project);
    assert!(is_safe_name(tenant) && is_safe_name(project));
    match &request.source.location {
        Location::Object { bucket, key, .. } => {
            assert!(matches!(bucket.as_str(), "uploads" | "photos" | "pictures" | "folder"), "a configured bucket");
            assert!(request.source.store.is_some());
            let plain = |part: &str| !matches!(part, "" | "." | "..");
            assert!(key.len() <= 1024 && key.split('/').all(plain), "a key that stays inside");
            assert!(!key.contains(|char: char| char.is_control() || char == '\\'));
        }
        Location::Url(url) => {
            assert!(url.starts_with("https://photos.example.com/"), "a listed host");
            assert!(request.source.store.is_none());
        }
    }
    let revision = Revision::named_in(&request.source).unwrap_or(Revision::Content("0".repeat(64)));
    let name = OutputName::new(request, &revision);
    assert!(name.key().starts_with(&format!("redacted/{tenant}/{project}/{}", name.hash())));
}

fn config() -> StreamConfig {
    let store = |name: &str, url| StoreConfig {
        name: name.into(),
        url,
        region: "eu".into(),
        cloud_region: Some("eu-central-1".into()),
        endpoint: None,
        credentials: Credentials::Environment,
        ca_file: None,
        allow_insecure: false,
        virtual_hosted: false,
        encryption: Encryption::Store,
    };
    let class = ClassPolicy { style: Style::Blur, cells: 4, enlarge_x: 0.2, enlarge_y: 0.2 };
    let route = |tenant: Option<&str>| RouteConfig {
        name: "all".into(),
        matches: RouteMatch { tenant: tenant.map(Into::into), ..RouteMatch::default() },
        region: "eu".into(),
        tenant: Some(tenant.unwrap_or("acme").into()),
        project: tenant.is_none().then(|| "streets".into()),
        destination: "s3".into(),
        prefix: "redacted".into(),
        originals: Originals::Keep,
        retention: Retention::default(),
        redaction: RedactionPolicy { face: class, plate: class, text: class },
        wanted: Wanted::default(),
    };
    StreamConfig {
        region: "eu".into(),
        forward_topics: BTreeMap::from([("us".into(), "uploads-us".into())]),
        region_store: "s3".into(),
        kafka: KafkaConfig {
            brokers: "127.0.0.1:9092".into(),
            topics: vec!["uploads".into()],
            group: "obscura".into(),
            assignment: Assignment::default(),
            instance_id: None,
            outcome_topic: None,
            dead_letter_topic: "dead-letters".into(),
            session_timeout: Duration::from_secs(45),
            max_poll_interval: Duration::from_secs(300),
            fetch_bytes: 1 << 20,
            max_message_bytes: 1 << 20,
            tls: None,
            sasl: None,
        },
        stores: vec![
            store("s3", StoreUrl::S3 { bucket: "uploads".into() }),
            store("azure", StoreUrl::Azure { account: "acmephotos".into(), container: "photos".into() }),
            store("gcs", StoreUrl::Gcs { bucket: "pictures".into() }),
            store("folder", StoreUrl::File { root: "/srv/photos".into() }),
        ],
        routes: vec![route(Some("other")), route(None)],
        url_hosts: vec!["photos.example.com".into()],
        wipe_recheck: Duration::from_secs(30),
        project_keys: None,
        pseudonym_keys: None,
        audit: None,
        patience: Duration::from_secs(60),
        tables: Default::default(),
    }
}
