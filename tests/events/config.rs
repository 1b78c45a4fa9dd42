//! A worker of region `eu` with a store of each kind.

use std::{collections::BTreeMap, time::Duration};

use obscura::{
    config::stream::{
        Assignment, Credentials, Encryption, KafkaConfig, Originals, Retention, RouteConfig, RouteMatch, StoreConfig,
        StoreUrl, StreamConfig,
    },
    detect::Wanted,
    event::{Location, Routed, Router, Service, UploadEvent},
    redact::{ClassPolicy, RedactionPolicy, Style},
};

pub fn store(name: &str, url: StoreUrl) -> StoreConfig {
    StoreConfig {
        name: name.into(),
        url,
        region: "eu".into(),
        cloud_region: None,
        endpoint: None,
        credentials: Credentials::Environment,
        ca_file: None,
        allow_insecure: false,
        virtual_hosted: false,
        encryption: Encryption::Store,
    }
}

pub fn route(name: &str, matches: RouteMatch) -> RouteConfig {
    let class = ClassPolicy { style: Style::Blur, cells: 4, enlarge_x: 0.2, enlarge_y: 0.2 };
    RouteConfig {
        name: name.into(),
        matches,
        region: "eu".into(),
        tenant: Some("acme".into()),
        project: Some("streets".into()),
        destination: "out".into(),
        prefix: "redacted".into(),
        originals: Originals::Keep,
        retention: Retention::default(),
        redaction: RedactionPolicy { face: class, plate: class, text: class },
        wanted: Wanted::default(),
    }
}

pub fn config(routes: Vec<RouteConfig>) -> StreamConfig {
    StreamConfig {
        region: "eu".into(),
        forward_topics: BTreeMap::from([("us".into(), "uploads-us".into())]),
        region_store: "out".into(),
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
            StoreConfig {
                cloud_region: Some("eu-central-1".into()),
                ..store("in", StoreUrl::S3 { bucket: "uploads".into() })
            },
            store("azure", StoreUrl::Azure { account: "acmephotos".into(), container: "photos".into() }),
            store("gcs", StoreUrl::Gcs { bucket: "pictures".into() }),
            store("folder", StoreUrl::File { root: "/srv/photos".into() }),
            store("out", StoreUrl::S3 { bucket: "published".into() }),
        ],
        routes,
        url_hosts: vec!["photos.example.com".into()],
        wipe_recheck: Duration::from_secs(30),
        project_keys: None,
        pseudonym_keys: None,
        audit: None,
        patience: Duration::from_secs(60),
        tables: toml::Table::default(),
    }
}

/// One route for everything.
pub fn open_router() -> Router {
    Router::new(&config(vec![route("all", RouteMatch::default())]))
}

pub fn object(bucket: &str, key: &str) -> UploadEvent {
    let (bucket, key) = (bucket.to_owned(), key.to_owned());
    UploadEvent::at(Location::Object { service: Service::Any, bucket, key })
}

/// What became of an upload, in a word: `redact route`, `ignore why`, `forward topic`, or the code of the refusal.
pub fn outcome(router: &Router, event: UploadEvent) -> String {
    match router.route(event) {
        Routed::Redact(request) => format!("redact {}", request.route.name),
        Routed::Ignore(why) => format!("ignore {}", why.as_str()),
        Routed::Forward { topic, .. } => format!("forward {topic}"),
        Routed::Refuse { error, .. } => error.code.as_str().to_owned(),
    }
}
