use std::{collections::BTreeMap, time::Duration};

use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, signer::Signer};

use crate::support::servers::{
    s3::{Keys, S3Options, S3Server, path},
    s3_faults::{Fault, Rule},
    wait,
};

const KEY: &str = "folder/photo ä.jpg";

fn server() -> S3Server {
    let server = S3Server::new();
    server.create_bucket("photos");
    server
}

fn get(server: &S3Server) -> object_store::Result<Vec<u8>> {
    let store = server.store("photos");
    wait(async { Ok(store.get(&path(KEY)).await?.bytes().await?.to_vec()) })
}

fn put(server: &S3Server, bytes: &[u8]) -> object_store::Result<()> {
    let store = server.store("photos");
    wait(async { store.put(&path(KEY), bytes.to_vec().into()).await }).map(drop)
}

#[test]
fn what_is_put_is_got_and_logged() {
    let server = server();
    put(&server, b"picture").unwrap();
    assert_eq!(get(&server).unwrap(), b"picture");
    assert_eq!(server.keys("photos"), [KEY]);
    let log = server.access_log();
    let facts: Vec<_> = log.iter().map(|a| (&a.method[..], &a.bucket[..], &a.key[..], a.status)).collect();
    assert_eq!(facts[..2], [("PUT", "photos", KEY, Some(200)), ("GET", "photos", KEY, Some(200))]);
    assert_eq!((log[0].bytes_in, log[1].bytes_out()), (7, 7));
}

#[test]
fn strangers_are_refused() {
    let server = server();
    put(&server, b"picture").unwrap();
    for keys in [Keys::new("TESTKEY", "wrong"), Keys::new("NOBODY", "wrong")] {
        let error = wait(async { server.store_with("photos", &keys).get(&path(KEY)).await }).unwrap_err();
        assert!(matches!(error, Error::PermissionDenied { .. }), "{error:?}");
        assert_eq!(server.access_log().last().unwrap().status, Some(403));
    }
}

#[test]
fn only_the_owner_uses_an_owned_bucket() {
    let owner = Keys::new("CUSTOMER", "their-secret");
    let owners = BTreeMap::from([("theirs".to_owned(), owner.access_key.clone())]);
    let server = S3Server::with(S3Options { users: vec![owner.clone()], owners, ..S3Options::default() });
    server.create_bucket("theirs");
    let put = |keys: &Keys| wait(async { server.store_with("theirs", keys).put(&path(KEY), "x".into()).await });
    put(&owner).unwrap();
    assert!(matches!(put(&Keys::default()).unwrap_err(), Error::PermissionDenied { .. }));
}

#[test]
fn one_of_eight_creates_an_object() {
    let server = server();
    let winners = std::thread::scope(|scope| {
        let create = |content: String| {
            let store = server.store("photos");
            wait(async { store.put_opts(&path(KEY), content.into(), PutMode::Create.into()).await })
        };
        let threads: Vec<_> = (0..8).map(|number| scope.spawn(move || create(format!("content {number}")))).collect();
        threads.into_iter().filter_map(|thread| thread.join().unwrap().ok()).count()
    });
    assert_eq!(winners, 1);
}

#[test]
fn conditions_hold() {
    let server = server();
    let (store, key) = (server.store("photos"), path(KEY));
    wait(async {
        let old = store.put(&key, "old".into()).await.unwrap();
        let new = store.put_opts(&key, "new".into(), PutMode::Update(old.clone().into()).into()).await.unwrap();
        store.put_opts(&key, "late".into(), PutMode::Update(old.clone().into()).into()).await.unwrap_err();
        let of = |tag: &Option<String>| object_store::GetOptions { if_match: tag.clone(), ..Default::default() };
        let error = store.get_opts(&key, of(&old.e_tag)).await.unwrap_err();
        assert!(matches!(error, Error::Precondition { .. }), "{error:?}");
        assert_eq!(store.get_opts(&key, of(&new.e_tag)).await.unwrap().bytes().await.unwrap(), "new");
    });
}

#[test]
fn a_delete_with_the_tag_of_another_content_does_nothing() {
    let server = server();
    put(&server, b"picture").unwrap();
    let store = server.store("photos");
    wait(async {
        let tag = store.head(&path(KEY)).await.unwrap().e_tag.unwrap();
        let url = store.signed_url(reqwest::Method::DELETE, &path(KEY), Duration::from_secs(60)).await.unwrap();
        let delete = |tag: &str| reqwest::Client::new().delete(url.clone()).header("if-match", tag).send();
        assert_eq!(delete("\"other\"").await.unwrap().status(), 412);
        store.head(&path(KEY)).await.unwrap();
        assert_eq!(delete(&tag).await.unwrap().status(), 204);
        assert!(matches!(store.head(&path(KEY)).await.unwrap_err(), Error::NotFound { .. }));
    });
}

#[test]
fn a_signed_address_works_until_it_is_changed() {
    let server = server();
    put(&server, b"picture").unwrap();
    let store = server.store("photos");
    wait(async {
        let url = store.signed_url(reqwest::Method::GET, &path(KEY), Duration::from_secs(60)).await.unwrap();
        assert_eq!(reqwest::get(url.clone()).await.unwrap().bytes().await.unwrap(), "picture");
        let forged = url.as_str().replace("X-Amz-Expires=60", "X-Amz-Expires=61");
        assert_eq!(reqwest::get(forged).await.unwrap().status(), 403);
    });
}

#[test]
fn a_bucket_tells_its_region() {
    let bucket_regions = BTreeMap::from([("far".to_owned(), "us-east-1".to_owned())]);
    let server = S3Server::with(S3Options { bucket_regions, ..S3Options::default() });
    server.create_bucket("near");
    let region = |bucket: &str| {
        let url = format!("{}/{bucket}", server.endpoint());
        let answer = wait(async { reqwest::Client::new().head(url).send().await }).unwrap();
        answer.headers()["x-amz-bucket-region"].to_str().unwrap().to_owned()
    };
    assert_eq!((&region("near")[..], &region("far")[..]), ("eu-central-1", "us-east-1"));
}

#[test]
fn https_works_for_who_trusts_the_authority() {
    let server = S3Server::with(S3Options { tls: true, ..S3Options::default() });
    server.create_bucket("photos");
    put(&server, b"picture").unwrap();
    assert_eq!(get(&server).unwrap(), b"picture");
    wait(async { reqwest::get(server.endpoint()).await }).unwrap_err();
}

/// The status that the log tells of the last request, and what the client saw of a get.
fn with(fault: Fault) -> (Option<u16>, object_store::Result<Vec<u8>>) {
    let server = server();
    put(&server, b"picture").unwrap();
    let injected = server.inject(Rule::new(fault).method("GET").bucket("photos").key("photo").times(1));
    let seen = get(&server);
    assert_eq!(injected.hits(), 1);
    let status = server.access_log().last().unwrap().status;
    assert_eq!(get(&server).unwrap(), b"picture", "the fault was for one request");
    (status, seen)
}

#[test]
fn errors_are_answered() {
    for (fault, status, text) in [
        (Fault::INTERNAL_ERROR, 500, "InternalError"),
        (Fault::SlowDown, 503, "SlowDown"),
        (Fault::Error(404, "NoSuchKey"), 404, "NoSuchKey"),
    ] {
        let (logged, seen) = with(fault);
        assert_eq!(logged, Some(status));
        let error = format!("{:?}", seen.unwrap_err());
        assert!(error.contains(text), "{error}");
    }
}

#[test]
fn connections_are_cut() {
    let (logged, seen) = with(Fault::Reset);
    assert_eq!(logged, None);
    let error = format!("{:?}", seen.unwrap_err());
    assert!(error.contains("ConnectionReset"), "{error}");
    let (logged, seen) = with(Fault::CutOff);
    assert_eq!(logged, Some(200));
    seen.unwrap_err();
}

#[test]
fn a_body_is_wrong_and_its_tag_right() {
    let (logged, seen) = with(Fault::WrongBody);
    assert_eq!((logged, seen.unwrap()), (Some(200), b"\x8ficture".to_vec()));
}

#[test]
fn a_late_answer_is_a_right_one() {
    let (_, seen) = with(Fault::Delay(Duration::from_millis(50)));
    assert_eq!(seen.unwrap(), b"picture");
}

#[test]
fn no_answer_comes() {
    let server = server();
    server.inject(Rule::new(Fault::Hang));
    let store = server.store("photos");
    let limited = wait(async { tokio::time::timeout(Duration::from_millis(300), store.get(&path(KEY))).await });
    limited.unwrap_err();
    assert_eq!(server.access_log().last().unwrap().status, None);
}

#[test]
fn a_put_succeeds_and_its_answer_is_lost() {
    let server = server();
    server.inject(Rule::new(Fault::LostAnswer).method("PUT").times(1));
    put(&server, b"picture").unwrap_err();
    assert_eq!(get(&server).unwrap(), b"picture");
}

#[test]
fn a_put_is_answered_with_the_tag_of_something_else() {
    let server = server();
    let store = server.store("photos");
    let put = || wait(async { store.put(&path(KEY), "picture".into()).await }).unwrap().e_tag;
    let right = put();
    server.inject(Rule::new(Fault::WrongChecksum).times(1));
    assert_ne!(put(), right);
    assert_eq!(put(), right);
}

#[test]
fn rules_skip_repeat_and_end() {
    let server = server();
    put(&server, b"picture").unwrap();
    server.inject(Rule::new(Fault::SlowDown).after(1).every(2).times(2));
    let outcomes: Vec<bool> = (0..7).map(|_| get(&server).is_ok()).collect();
    assert_eq!(outcomes, [true, false, true, false, true, true, true]);
    server.clear_faults();
    server.inject(Rule::new(Fault::SlowDown).during(Duration::ZERO));
    get(&server).unwrap();
}
