//! What is refused before work starts, and what belongs to another region.

use std::collections::BTreeMap;

use obscura::{
    config::stream::{Credentials, Secret, StoreConfig, StoreUrl},
    error::ErrorCode,
};

use crate::{
    config,
    fake::{Fake, Seen, answer},
    folder, open, s3,
    support::servers::s3::{Keys, S3Options, S3Server},
};

fn local(server: &S3Server, bucket: &str) -> StoreConfig {
    let Keys { access_key, secret_key } = Keys::default();
    StoreConfig {
        cloud_region: Some("eu-central-1".to_owned()),
        ..s3(bucket, server.endpoint(), &access_key, &secret_key)
    }
}

#[tokio::test]
async fn no_client_is_made_for_a_store_of_another_region() {
    let server = S3Server::new();
    server.create_bucket("ours");
    server.create_bucket("theirs");
    let broken = StoreConfig {
        region: "us".to_owned(),
        // Would be fatal if anybody looked at it.
        ca_file: Some("/nowhere/ca.pem".into()),
        endpoint: Some("no url".to_owned()),
        ..config("broken", StoreUrl::Gcs { bucket: "x".to_owned() })
    };
    let theirs = StoreConfig { region: "us".to_owned(), ..local(&server, "theirs") };
    let set = open(&[local(&server, "ours"), theirs, broken]).await.unwrap();
    for name in ["theirs", "broken"] {
        let error = set.get(name).unwrap_err();
        assert_eq!(error.code, ErrorCode::RegionMismatch);
    }
    assert_eq!(set.get("unknown").unwrap_err().code, ErrorCode::SourceRefused);
    assert_eq!(set.iter().map(|store| store.name().to_owned()).collect::<Vec<_>>(), ["ours"]);
    assert!(server.access_log().iter().all(|access| access.bucket == "ours"), "{:?}", server.access_log());
    let debug = format!("{set:?} {:?}", set.get("ours").unwrap());
    assert!(!debug.contains("TESTKEY") && !debug.contains("secret") && !debug.contains("127.0.0.1"), "{debug}");
}

#[tokio::test]
async fn a_bucket_of_another_cloud_region_stops_the_start() {
    let bucket_regions = BTreeMap::from([("moved".to_owned(), "us-east-1".to_owned())]);
    let server = S3Server::with(S3Options { bucket_regions, ..S3Options::default() });
    server.create_bucket("moved");
    let error = open(&[local(&server, "moved")]).await.unwrap_err();
    assert!(error.message.contains("`eu-central-1`") && error.message.contains("`us-east-1`"), "{error}");
}

#[tokio::test]
async fn what_cannot_work_stops_the_start_and_says_what_to_do() {
    let server = S3Server::with(S3Options {
        users: vec![Keys::new("OTHER", "other")],
        owners: BTreeMap::from([("theirs".to_owned(), "OTHER".to_owned())]),
        ..S3Options::default()
    });
    server.create_bucket("photos");
    server.create_bucket("theirs");
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let keys = |id: &str, secret: &str| Credentials::Keys {
        access_key_id: Secret::Value(id.into()),
        secret_access_key: Secret::Value(secret.into()),
        session_token: None,
    };
    let photos = local(&server, "photos");
    open(std::slice::from_ref(&photos)).await.unwrap();
    let cases = [
        (local(&server, "nowhere"), "no such bucket"),
        (local(&server, "theirs"), "refused"),
        (StoreConfig { credentials: keys("TESTKEY", "wrong"), ..photos.clone() }, "refused"),
        (StoreConfig { endpoint: Some(format!("http://{unused}")), ..photos.clone() }, "cannot be reached"),
        (StoreConfig { endpoint: Some("http://192.0.2.1:9000".to_owned()), ..photos.clone() }, "plain HTTP"),
        (StoreConfig { endpoint: None, cloud_region: None, ..photos.clone() }, "`cloud_region`"),
        (StoreConfig { ca_file: Some("/nowhere/ca.pem".into()), ..photos.clone() }, "`ca_file`"),
        (
            StoreConfig { credentials: Credentials::AccountKey(Secret::Value("x".into())), ..photos.clone() },
            "another's",
        ),
        (folder("folder", "/nowhere/photos".as_ref()), "folder that exists"),
    ];
    for (config, expected) in cases {
        let error = open(&[config]).await.unwrap_err();
        assert!(error.message.contains(expected) && !error.hint.is_empty(), "expected {expected}: {error}");
        assert!(!format!("{error:?}").contains("wrong"), "{error:?}");
    }
    let error = open(&[photos.clone(), photos]).await.unwrap_err();
    assert!(error.message.contains("found two"), "{error}");
}

#[tokio::test]
async fn certificates_are_checked_against_the_given_authority() {
    let server = S3Server::with(S3Options { tls: true, ..S3Options::default() });
    server.create_bucket("photos");
    let error = open(&[local(&server, "photos")]).await.unwrap_err();
    assert!(error.message.contains("cannot be reached"), "{error}");
    let trusting = StoreConfig { ca_file: Some(server.certificates().ca_file()), ..local(&server, "photos") };
    open(&[trusting]).await.unwrap();
}

/// A redirect could lead to another region.
#[tokio::test]
async fn redirects_of_stores_are_not_followed() {
    let trap = Fake::start(|_: &Seen| answer(200, &[], "")).await;
    let to = trap.url("/photos");
    let server = Fake::start(move |_: &Seen| answer(307, &[("location", &to)], "")).await;
    let error = open(&[s3("photos", server.url(""), "id", "secret")]).await.unwrap_err();
    assert!(error.message.contains("not at this endpoint"), "{error}");
    assert!(trap.seen().is_empty());
}

/// Compatible stores need not tell; one that tells another region is refused, as everywhere.
#[tokio::test]
async fn a_compatible_store_that_tells_no_region_is_believed() {
    let server = Fake::start(|_: &Seen| answer(200, &[], "")).await;
    let config = StoreConfig { cloud_region: Some("eu-1".to_owned()), ..s3("photos", server.url(""), "id", "secret") };
    open(&[config]).await.unwrap();
    assert_eq!((server.seen()[0].method.as_str(), server.seen()[0].path_and_query.as_str()), ("HEAD", "/photos"));
}
