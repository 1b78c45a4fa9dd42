//! Stores that fail: what may pass is told from what will not, and nothing is stored twice or taken for another.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use object_store::memory::InMemory;
use obscura::{
    error::{ErrorCode, PhotoError},
    store::{Put, RegionStore, Removal, StoreLimits, StoreSet},
};

use crate::{
    MAX_BYTES, REGION, assert_tells_nothing, facts, photo, s3,
    support::{
        faulty_store::{FaultyStore, StoreFault},
        servers::{
            s3::{Keys, S3Server},
            s3_faults::{Fault, Rule},
        },
    },
};

const KEY: &str = "uploads/private-name.jpg";

fn memory() -> (Arc<FaultyStore>, StoreSet) {
    let faulty = FaultyStore::new(Arc::new(InMemory::new()));
    let set =
        StoreSet::for_tests(REGION, [("photos".to_owned(), faulty.clone() as Arc<dyn object_store::ObjectStore>)]);
    (faulty, set)
}

fn assert_may_pass(error: &PhotoError) {
    assert!(error.is_transient(), "{error}");
    assert_tells_nothing(error, &["private-name", "photos", "uploads"]);
}

#[tokio::test]
async fn broken_answers_may_pass_and_are_never_taken_for_the_photo() {
    let (faulty, set) = memory();
    let store = set.get("photos").unwrap();
    store.put(KEY, Bytes::from_static(b"the original")).await.unwrap();
    let unnamed = photo("photos", KEY);
    let named = store.fetch(&unnamed, MAX_BYTES).await.unwrap().pin(&unnamed);
    for fault in [StoreFault::Fails, StoreFault::Reset, StoreFault::ShortBody, StoreFault::LongBody] {
        faulty.on_get(&[fault]);
        assert_may_pass(&store.fetch(&named, MAX_BYTES).await.unwrap_err());
        assert_eq!(store.fetch(&named, MAX_BYTES).await.unwrap().bytes, "the original");
    }
}

#[tokio::test]
async fn a_put_whose_answer_was_lost_is_recognised() {
    let (faulty, set) = memory();
    let store = set.get("photos").unwrap();
    let bytes = Bytes::from_static(b"redacted");
    let of_one = facts("one", &bytes);
    faulty.on_put(&[StoreFault::Fails, StoreFault::LostAnswer]);
    for _ in 0..2 {
        assert_may_pass(&store.put_new(KEY, bytes.clone(), "image/jpeg", &of_one).await.unwrap_err());
    }
    let put = store.put_new(KEY, bytes.clone(), "image/jpeg", &of_one).await.unwrap();
    assert_eq!(put, Put::AlreadyThere(of_one.clone()));
    // Nor is it known what lies there while that cannot be asked.
    faulty.on_get(&[StoreFault::Fails]);
    assert_may_pass(&store.put_new(KEY, bytes, "image/jpeg", &of_one).await.unwrap_err());
}

#[tokio::test]
async fn a_removal_is_resumed_wherever_it_broke_off() {
    let (faulty, set) = memory();
    let store = set.get("photos").unwrap();
    store.put(KEY, Bytes::from_static(b"the original")).await.unwrap();
    let original = store.fetch(&photo("photos", KEY), MAX_BYTES).await.unwrap().pin(&photo("photos", KEY));
    let moved = || store.move_original(&original, store, "vault/a.jpg", MAX_BYTES);
    faulty.on_put(&[StoreFault::Fails]);
    assert_may_pass(&moved().await.unwrap_err());
    faulty.on_put(&[StoreFault::LostAnswer]);
    assert_may_pass(&moved().await.unwrap_err());
    faulty.on_delete(&[StoreFault::Fails]);
    assert_may_pass(&moved().await.unwrap_err());
    assert_eq!(store.fetch(&original, MAX_BYTES).await.unwrap().bytes, "the original");
    faulty.on_delete(&[StoreFault::LostAnswer]);
    assert_may_pass(&moved().await.unwrap_err());
    assert_eq!(moved().await.unwrap(), Removal::AlreadyGone);
    assert_eq!(store.get_small("vault/a.jpg").await.unwrap().unwrap(), "the original");
}

#[tokio::test]
async fn a_probe_tells_an_outage() {
    let (faulty, set) = memory();
    let store = set.get("photos").unwrap();
    faulty.on_put(&[StoreFault::Fails]);
    faulty.on_get(&[StoreFault::Fails]);
    assert!(!store.probe().await && !store.can_read().await);
    assert!(store.probe().await && store.can_read().await);
}

/// Over the wire, with its own limits of time.
async fn over_the_wire(server: &S3Server) -> RegionStore {
    server.create_bucket("photos");
    let Keys { access_key, secret_key } = Keys::default();
    let config = s3("photos", server.endpoint(), &access_key, &secret_key);
    let limits = StoreLimits {
        connect: Duration::from_secs(30),
        silence: Duration::from_secs(3),
        request: Duration::from_secs(60),
    };
    StoreSet::open(&[config], REGION, limits).await.unwrap().get("photos").unwrap().clone()
}

#[tokio::test]
async fn what_goes_wrong_on_the_wire_may_pass() {
    let server = S3Server::new();
    let store = over_the_wire(&server).await;
    let original = Bytes::from(vec![7; 300_000]);
    store.put(KEY, original.clone()).await.unwrap();
    let unnamed = photo("photos", KEY);
    let named = store.fetch(&unnamed, MAX_BYTES).await.unwrap().pin(&unnamed);
    for fault in [
        Fault::INTERNAL_ERROR,
        Fault::SlowDown,
        Fault::Error(400, "RequestTimeout"),
        Fault::Error(400, "ExpiredToken"),
        Fault::Error(429, "TooManyRequests"),
        Fault::Reset,
        Fault::Hang,
        Fault::LostAnswer,
        Fault::CutOff,
        Fault::WrongBody,
        Fault::WrongChecksum,
    ] {
        let injected = server.inject(Rule::new(fault).bucket("photos").key(KEY).times(1));
        let error = store.fetch(&named, MAX_BYTES).await.unwrap_err();
        assert!(error.is_transient(), "{fault:?}: {error}");
        assert_tells_nothing(&error, &["private-name", "photos", "uploads", "TESTKEY"]);
        assert_eq!(injected.hits(), 1, "{fault:?}: nothing is tried again beneath us");
        assert_eq!(store.fetch(&named, MAX_BYTES).await.unwrap().bytes, original);
        server.clear_faults();
        // Without a name the answer alone tells what is there.
        server.inject(Rule::new(fault).bucket("photos").key(KEY).times(1));
        match store.fetch(&unnamed, MAX_BYTES).await {
            Err(error) => assert!(error.is_transient(), "{fault:?}: {error}"),
            Ok(fetched) => panic!("{fault:?}: {fetched:?}"),
        }
        server.clear_faults();
    }
    server.inject(Rule::new(Fault::Error(403, "AccessDenied")).key(KEY).times(1));
    let refused = store.fetch(&named, MAX_BYTES).await.unwrap_err();
    assert_eq!((refused.code, refused.is_transient()), (ErrorCode::SourceMissing, false));
}

#[tokio::test]
async fn a_result_is_stored_once_whatever_happens_to_its_put() {
    let server = S3Server::new();
    let store = over_the_wire(&server).await;
    let bytes = Bytes::from(vec![9; 200_000]);
    for (index, fault) in [
        Fault::INTERNAL_ERROR,
        Fault::SlowDown,
        Fault::Reset,
        Fault::Hang,
        Fault::LostAnswer,
        Fault::Error(400, "BadDigest"),
    ]
    .into_iter()
    .enumerate()
    {
        let key = format!("out/{index}/private-name.jpg");
        let of_one = facts("one", &bytes);
        server.inject(Rule::new(fault).method("PUT").key(&key).times(1));
        let error = store.put_new(&key, bytes.clone(), "image/jpeg", &of_one).await.unwrap_err();
        assert!(error.is_transient(), "{fault:?}: {error}");
        assert_tells_nothing(&error, &["private-name", "photos", "TESTKEY"]);
        let put = store.put_new(&key, bytes.clone(), "image/jpeg", &of_one).await.unwrap();
        let was_done = fault == Fault::LostAnswer;
        assert_eq!(put, if was_done { Put::AlreadyThere(of_one) } else { Put::Created }, "{fault:?}");
        assert_eq!(server.get("photos", &key), bytes);
    }
}
