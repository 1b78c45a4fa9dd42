//! The suite on every backend.

use std::{fs, os::unix::fs::symlink, sync::Arc};

use bytes::Bytes;
use object_store::memory::InMemory;
use obscura::{
    config::stream::{Credentials, Secret, StoreConfig, StoreUrl},
    error::ErrorCode,
    store::{Deletion, RegionStore, StoreSet},
};

use crate::{
    MAX_BYTES, REGION, config, folder, open, photo, s3,
    suite::suite,
    support::servers::{
        azurite::{self, Azurite},
        moto::Moto,
        s3::{Keys, S3Options, S3Server},
    },
};

#[tokio::test]
async fn memory() {
    let store = || Arc::new(InMemory::new()) as Arc<dyn object_store::ObjectStore>;
    let set = StoreSet::for_tests(REGION, [("a".to_owned(), store()), ("b".to_owned(), store())]);
    suite(set.get("a").unwrap(), set.get("b").unwrap()).await;
}

#[tokio::test]
async fn folders() {
    let (root, vault) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let set = open(&[folder("a", root.path()), folder("b", vault.path())]).await.unwrap();
    let store = set.get("a").unwrap();
    assert_eq!(store.capabilities().deletion, Deletion::Compared);
    suite(store, set.get("b").unwrap()).await;

    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret.jpg"), "secret").unwrap();
    symlink(outside.path(), root.path().join("link")).unwrap();
    let refused = store.fetch(&photo("a", "link/secret.jpg"), MAX_BYTES).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::SourceRefused);
    // A file's name that stands for an unfinished one is nobody's photo.
    assert_eq!(store.fetch(&photo("a", "x.jpg#1"), MAX_BYTES).await.unwrap_err().code, ErrorCode::SourceRefused);
    // The photo is what its receipt names, or it is not known.
    store.put("out/t/p/a.jpg", Bytes::from_static(b"touched")).await.unwrap();
    assert_eq!(store.facts("out/t/p/a.jpg").await.unwrap_err().code, ErrorCode::OutputConflict);
}

#[tokio::test]
async fn s3_server() {
    let server = S3Server::with(S3Options { tls: true, ..S3Options::default() });
    let Keys { access_key, secret_key } = Keys::default();
    let config = |bucket: &str| {
        server.create_bucket(bucket);
        StoreConfig {
            ca_file: Some(server.certificates().ca_file()),
            cloud_region: Some("eu-central-1".to_owned()),
            ..s3(bucket, server.endpoint(), &access_key, &secret_key)
        }
    };
    let vault = tempfile::tempdir().unwrap();
    let set = open(&[config("photos"), folder("vault", vault.path())]).await.unwrap();
    let store = set.get("photos").unwrap();
    assert_eq!(store.capabilities().deletion, Deletion::MustBeShown);
    suite(store, set.get("vault").unwrap()).await;
    assert_eq!(store.capabilities().deletion, Deletion::Exact);
    assert!(server.keys("photos").iter().all(|key| !key.starts_with("_obscura/")), "{:?}", server.keys("photos"));
}

#[tokio::test]
async fn azurite() {
    let server = Azurite::start();
    let config = |name: &str| {
        server.create_container(name);
        StoreConfig {
            endpoint: Some(server.endpoint()),
            credentials: Credentials::AccountKey(Secret::Value(azurite::KEY.into())),
            ..config(name, StoreUrl::Azure { account: azurite::ACCOUNT.to_owned(), container: name.to_owned() })
        }
    };
    let (photos, vault) = (config("photos"), config("vault"));
    let set = open(&[photos.clone(), vault]).await.unwrap();
    let store = set.get("photos").unwrap();
    suite(store, set.get("vault").unwrap()).await;

    rights_are_asked_for_without_a_change(store, Some(true), None).await;

    let missing = StoreUrl::Azure { account: azurite::ACCOUNT.to_owned(), container: "nowhere".to_owned() };
    let error = open(&[StoreConfig { url: missing, ..photos.clone() }]).await.unwrap_err();
    assert!(error.message.contains("no such bucket or container"), "{error}");
    let wrong_key = Credentials::AccountKey(Secret::Value("d3Jvbmc=".into()));
    let error = open(&[StoreConfig { credentials: wrong_key, ..photos }]).await.unwrap_err();
    assert!(error.message.contains("refused") && !error.hint.is_empty(), "{error}");
}

#[tokio::test]
async fn s3_with_versions() {
    let server = Moto::start();
    let config = |bucket: &str| StoreConfig {
        cloud_region: Some("eu-central-1".to_owned()),
        ..s3(bucket, server.endpoint(), "any", "any")
    };
    server.create_bucket("photos", "eu-central-1");
    server.create_bucket("vault", "eu-central-1");
    server.enable_versions("photos");
    let set = open(&[config("photos"), config("vault")]).await.unwrap();
    let store = set.get("photos").unwrap();
    suite(store, set.get("vault").unwrap()).await;

    // moto fails over an upload that it does not know, where real stores say that there is none.
    rights_are_asked_for_without_a_change(store, None, Some(true)).await;

    // Removed for good: no version of it is kept, and no mark of a deletion hides one.
    store.put("uploads/b.jpg", Bytes::from_static(b"original")).await.unwrap();
    let fetched = store.fetch(&photo("photos", "uploads/b.jpg"), MAX_BYTES).await.unwrap();
    store.delete_original(&fetched.pin(&photo("photos", "uploads/b.jpg"))).await.unwrap();
    assert!(server.versions("photos").iter().all(|version| version.key != "uploads/b.jpg"));
}

/// Of credentials that may do everything.
async fn rights_are_asked_for_without_a_change(
    store: &RegionStore,
    may_write: Option<bool>,
    may_list_versions: Option<bool>,
) {
    let all = || async { format!("{:?}", store.contents_of_all().await.unwrap()) };
    let before = all().await;
    assert_eq!(store.may_remove().await, Some(true));
    assert_eq!(store.may_write().await, may_write);
    assert_eq!(store.may_list_versions().await, may_list_versions);
    assert_eq!(all().await, before);
}

/// moto ignores the conditions of Google's store, as some compatible stores do.
#[tokio::test]
async fn a_store_that_ignores_conditions_is_no_destination() {
    let server = Moto::start();
    let endpoint = server.endpoint();
    server.create_bucket("photos", "eu-central-1");
    let google = StoreConfig {
        endpoint: Some(endpoint),
        credentials: Credentials::Bearer(Secret::Value("any".into())),
        ..config("photos", StoreUrl::Gcs { bucket: "photos".to_owned() })
    };
    let set = open(&[google]).await.unwrap();
    let store = set.get("photos").unwrap();
    assert!(store.probe().await && store.can_read().await);
    let error = store.check_destination().await.unwrap_err();
    assert!(error.message.contains("replaces what is there"), "{error}");
    let error = store.check_exact_deletion().await.unwrap_err();
    assert!(error.message.contains("removes exactly one version"), "{error}");
}
