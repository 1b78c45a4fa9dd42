use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode};

use crate::support::servers::{azurite::Azurite, s3::path, wait};

#[test]
fn azurite_keeps_and_guards_what_is_put() {
    let azurite = Azurite::start();
    azurite.create_container("photos");
    let (store, key) = (azurite.store("photos"), path("folder/photo ä.jpg"));
    wait(async {
        let first = store.put(&key, "picture".into()).await.unwrap();
        assert_eq!(store.get(&key).await.unwrap().bytes().await.unwrap(), "picture");
        let error = store.put_opts(&key, "other".into(), PutMode::Create.into()).await.unwrap_err();
        assert!(matches!(error, Error::AlreadyExists { .. }), "{error:?}");
        store.put_opts(&key, "newer".into(), PutMode::Update(first.clone().into()).into()).await.unwrap();
        let error = store.put_opts(&key, "late".into(), PutMode::Update(first.into()).into()).await.unwrap_err();
        assert!(matches!(error, Error::Precondition { .. }), "{error:?}");
        let stranger = azurite.store_with("photos", "c29tZWJvZHkgZWxzZQ==");
        let error = stranger.get(&key).await.unwrap_err();
        assert!(matches!(error, Error::PermissionDenied { .. } | Error::Unauthenticated { .. }), "{error:?}");
        store.delete(&key).await.unwrap();
        assert!(matches!(store.head(&key).await.unwrap_err(), Error::NotFound { .. }));
    });
}
