use std::sync::OnceLock;

use object_store::{Error, GetOptions, ObjectStore, ObjectStoreExt, PutMode};

use crate::support::servers::{moto::Moto, s3::path, wait};

fn moto() -> &'static Moto {
    static MOTO: OnceLock<Moto> = OnceLock::new();
    MOTO.get_or_init(Moto::start)
}

#[test]
fn versions_are_kept_and_listed() {
    moto().create_bucket("versioned", "eu-central-1");
    moto().enable_versions("versioned");
    let (store, key) = (moto().store("versioned", "eu-central-1"), path("photo.jpg"));
    wait(async {
        let old = store.put(&key, "old".into()).await.unwrap().version;
        store.put(&key, "new".into()).await.unwrap();
        store.delete(&key).await.unwrap();
        assert!(matches!(store.get(&key).await.unwrap_err(), Error::NotFound { .. }));
        let of_old = GetOptions { version: old.clone(), ..GetOptions::default() };
        assert_eq!(store.get_opts(&key, of_old).await.unwrap().bytes().await.unwrap(), "old");
        let versions = moto().versions("versioned");
        assert_eq!(versions.len(), 3);
        assert_eq!(versions.iter().filter(|version| version.is_delete_marker && version.is_latest).count(), 1);
        let old = old.unwrap();
        assert_eq!(moto().request("DELETE", &format!("/versioned/photo.jpg?versionId={old}"), "").0, 204);
        assert!(moto().versions("versioned").iter().all(|version| version.id != old));
    });
}

#[test]
fn conditions_and_regions_are_known() {
    moto().create_bucket("conditions", "eu-west-1");
    let (store, key) = (moto().store("conditions", "eu-west-1"), path("photo.jpg"));
    wait(async {
        store.put_opts(&key, "one".into(), PutMode::Create.into()).await.unwrap();
        let error = store.put_opts(&key, "two".into(), PutMode::Create.into()).await.unwrap_err();
        assert!(matches!(error, Error::AlreadyExists { .. }), "{error:?}");
        let head = reqwest::Client::new().head(format!("{}/conditions", moto().endpoint())).send().await.unwrap();
        assert_eq!(head.headers()["x-amz-bucket-region"], "eu-west-1");
    });
}

#[test]
fn google_s_client_gets_what_it_puts() {
    moto().create_bucket("google", "eu-central-1");
    let (store, key, copy) = (moto().google_store("google"), path("photo.jpg"), path("copy.jpg"));
    wait(async {
        store.put(&key, "picture".into()).await.unwrap();
        assert_eq!(store.get(&key).await.unwrap().bytes().await.unwrap(), "picture");
        store.copy(&key, &copy).await.unwrap();
        store.delete(&key).await.unwrap();
        let listed: Vec<_> = futures_util::TryStreamExt::try_collect(store.list(None)).await.unwrap();
        assert_eq!(listed.into_iter().map(|object| object.location).collect::<Vec<_>>(), [copy]);
    });
}
