//! What every store must do, asked of each through the same door.

use bytes::Bytes;
use obscura::{
    error::ErrorCode,
    event::SourcePhoto,
    redact::sha256_hex,
    store::{ObjectFacts, Put, RegionStore, Removal},
};

use crate::{MAX_BYTES, assert_tells_nothing, facts, photo};

/// Run on an empty store and an empty vault; the vault may be of another kind.
pub async fn suite(store: &RegionStore, vault: &RegionStore) {
    assert!(store.probe().await && store.can_read().await);
    small_objects(store).await;
    fetching(store).await;
    odd_keys(store).await;
    store.check_destination().await.unwrap();
    publishing(store).await;
    races(store).await;
    replacing(store).await;
    store.check_exact_deletion().await.unwrap();
    removing(store).await;
    moving(store, vault).await;
}

async fn small_objects(store: &RegionStore) {
    assert!(store.get_small("a/none.json").await.unwrap().is_none());
    for text in ["one", "two"] {
        store.put("a/small.json", Bytes::from_static(text.as_bytes())).await.unwrap();
        assert_eq!(store.get_small("a/small.json").await.unwrap().unwrap(), text);
    }
    store.delete("a/small.json").await.unwrap();
    store.delete("a/small.json").await.unwrap();
    assert!(store.get_small("a/small.json").await.unwrap().is_none());
}

pub async fn fetching(store: &RegionStore) {
    let name = store.name();
    let unnamed = photo(name, "uploads/a.jpg");
    let missing = store.fetch(&unnamed, MAX_BYTES).await.unwrap_err();
    assert_eq!((missing.code, missing.is_transient()), (ErrorCode::SourceMissing, false));
    assert_tells_nothing(&missing, &["uploads", "a.jpg"]);

    let first = Bytes::from(vec![7; 100_000]);
    store.put("uploads/a.jpg", first.clone()).await.unwrap();
    let fetched = store.fetch(&unnamed, MAX_BYTES).await.unwrap();
    assert_eq!(fetched.bytes, first);
    let named = fetched.pin(&unnamed);
    assert!(named.etag.is_some());
    assert_eq!(store.fetch(&named, 100_000).await.unwrap().bytes, first);
    let quoted = SourcePhoto { etag: named.etag.as_ref().map(|etag| format!("\"{etag}\"")), ..named.clone() };
    assert_eq!(store.fetch(&quoted, MAX_BYTES).await.unwrap().bytes, first);

    for named in [&unnamed, &named] {
        let limit = SourcePhoto { size_bytes: None, ..named.clone() };
        let large = store.fetch(&limit, 99_999).await.unwrap_err();
        assert_eq!(large.code, ErrorCode::EncodedTooLarge);
    }
    let announced = SourcePhoto { size_bytes: Some(MAX_BYTES + 1), ..unnamed.clone() };
    assert_eq!(store.fetch(&announced, MAX_BYTES).await.unwrap_err().code, ErrorCode::EncodedTooLarge);

    let second = Bytes::from(vec![8; 100_000]);
    store.put("uploads/a.jpg", second.clone()).await.unwrap();
    if named.version.is_some() {
        assert_eq!(store.fetch(&named, MAX_BYTES).await.unwrap().bytes, first, "versions stay");
    } else {
        let changed = store.fetch(&named, MAX_BYTES).await.unwrap_err();
        assert_eq!((changed.code, changed.is_transient()), (ErrorCode::SourceChanged, false));
        assert_tells_nothing(&changed, &["uploads", "a.jpg"]);
    }
    assert_eq!(store.fetch(&unnamed, MAX_BYTES).await.unwrap().bytes, second);

    for key in
        ["", "/uploads/a.jpg", "uploads//a.jpg", "uploads/../uploads/a.jpg", "./a", "a/", "a\nb", &"x".repeat(2000)]
    {
        let refused = store.fetch(&photo(name, key), MAX_BYTES).await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::SourceRefused, "{key}");
    }
}

async fn odd_keys(store: &RegionStore) {
    for (index, key) in
        ["ä/ü ö.jpg", "a+b/c d%20e.jpg", "x/#y?z=1&w.jpg", "~a/(b)!*'.jpg", "日本/写真.jpg"].into_iter().enumerate()
    {
        let bytes = Bytes::from(format!("photo {index}"));
        store.put(key, bytes.clone()).await.unwrap();
        let fetched = store.fetch(&photo(store.name(), key), MAX_BYTES).await.unwrap();
        assert_eq!(fetched.bytes, bytes, "{key}");
        store.delete(key).await.unwrap();
        let gone = store.fetch(&photo(store.name(), key), MAX_BYTES).await.unwrap_err();
        assert_eq!(gone.code, ErrorCode::SourceMissing, "{key}");
    }
}

fn receipt(key: &str, facts: &ObjectFacts) -> (String, Bytes) {
    let receipt = serde_json::json!({
        "source": {"sha256": facts.source_sha256}, "pipeline": facts.pipeline, "output": {"sha256": facts.output_sha256}
    });
    let receipt_key = format!("{key}.{}.receipt.json", &facts.output_sha256[..16]);
    (receipt_key, serde_json::to_vec(&receipt).unwrap().into())
}

async fn publish(store: &RegionStore, key: &str, bytes: &Bytes, facts: &ObjectFacts) -> Result<Put, ErrorCode> {
    let (receipt_key, receipt) = receipt(key, facts);
    store.put(&receipt_key, receipt).await.unwrap();
    store.put_new(key, bytes.clone(), "image/jpeg", facts).await.map_err(|error| error.code)
}

async fn publishing(store: &RegionStore) {
    let (key, bytes) = ("out/t/p/a.jpg", Bytes::from_static(b"redacted"));
    let of_one = facts("one", &bytes);
    assert!(store.facts(key).await.unwrap().is_none());
    assert_eq!(publish(store, key, &bytes, &of_one).await, Ok(Put::Created));
    let Put::AlreadyThere(found) = publish(store, key, &bytes, &of_one).await.unwrap() else { panic!("created twice") };
    assert!(found.is_same_result(&of_one));
    let found = store.facts(key).await.unwrap().unwrap();
    assert_eq!((&found.output_sha256, &found.pipeline), (&of_one.output_sha256, &of_one.pipeline));
    assert_eq!(found.source_identity.is_some(), store.capabilities().attributes);
    // The same result with other bytes: what was published first stays.
    let other_bytes = Bytes::from_static(b"redacted elsewhere");
    let Put::AlreadyThere(found) = publish(store, key, &other_bytes, &facts("one", &other_bytes)).await.unwrap() else {
        panic!("created twice")
    };
    assert_eq!(found.output_sha256, sha256_hex(&bytes));

    assert_eq!(publish(store, key, &other_bytes, &facts("two", &other_bytes)).await, Err(ErrorCode::OutputConflict));
    let of_other = facts("one", &other_bytes);
    let other_pipeline = ObjectFacts { pipeline: "fedcba9876543210".to_owned(), ..of_other };
    assert_eq!(publish(store, key, &other_bytes, &other_pipeline).await.unwrap_err(), ErrorCode::OutputConflict);
    assert_eq!(store.get_small(key).await.unwrap().unwrap(), bytes, "nothing of it was written");

    store.put("out/t/p/foreign.jpg", Bytes::from_static(b"somebody else's")).await.unwrap();
    assert_eq!(store.facts("out/t/p/foreign.jpg").await.unwrap_err().code, ErrorCode::OutputConflict);
    assert_eq!(publish(store, "out/t/p/foreign.jpg", &bytes, &of_one).await, Err(ErrorCode::OutputConflict));
}

async fn races(store: &RegionStore) {
    for is_same in [true, false] {
        let key = format!("out/race-{is_same}.jpg");
        let attempts = (0..8).map(|index| {
            let (store, key) = (store.clone(), key.clone());
            tokio::spawn(async move {
                let bytes = Bytes::from(format!("result {index}"));
                let source = if is_same { "one".to_owned() } else { index.to_string() };
                loop {
                    match publish(&store, &key, &bytes, &facts(&source, &bytes)).await {
                        // In the moment between another's put and its answer.
                        Err(ErrorCode::StoreFailed) => {}
                        ended => return ended,
                    }
                }
            })
        });
        let ended = futures_util::future::join_all(attempts.collect::<Vec<_>>()).await;
        let ended: Vec<_> = ended.into_iter().map(Result::unwrap).collect();
        assert_eq!(ended.iter().filter(|end| **end == Ok(Put::Created)).count(), 1, "{ended:?}");
        let others = ended.iter().filter(|end| match end {
            Ok(Put::AlreadyThere(_)) => is_same,
            Err(code) => !is_same && *code == ErrorCode::OutputConflict,
            Ok(Put::Created) => false,
        });
        assert_eq!(others.count(), 7, "{ended:?}");
    }
}

/// Exactly the result that was looked at gives way, and to one result only.
async fn replacing(store: &RegionStore) {
    let (key, old) = ("out/t/p/replaced.jpg", Bytes::from_static(b"by the old pipeline"));
    assert!(store.present_result(key).await.unwrap().is_none());
    publish(store, key, &old, &facts("one", &old)).await.unwrap();
    let present = store.present_result(key).await.unwrap().unwrap();
    assert_eq!(present.facts.output_sha256, sha256_hex(&old));
    let replace = async |bytes: &Bytes, pipeline: &str| {
        let facts = ObjectFacts { pipeline: pipeline.to_owned(), ..facts("one", bytes) };
        let (receipt_key, receipt) = receipt(key, &facts);
        // An earlier attempt may have written it.
        for _ in 0..2 {
            store.put_receipt_again(&receipt_key, receipt.clone(), &facts).await.unwrap();
        }
        store.replace(key, bytes.clone(), "image/jpeg", &facts, &present).await.map_err(|error| error.code)
    };
    let new = Bytes::from_static(b"by the new pipeline");
    assert_eq!(replace(&new, "fedcba9876543210").await, Ok(Put::Created));
    assert_eq!(store.get_small(key).await.unwrap().unwrap(), new);
    assert_eq!(store.facts(key).await.unwrap().unwrap().pipeline, "fedcba9876543210");
    // What was looked at is gone: the answer of an earlier attempt was lost, or somebody else was there.
    assert!(matches!(replace(&new, "fedcba9876543210").await, Ok(Put::AlreadyThere(_))));
    let third = Bytes::from_static(b"by a third pipeline");
    assert_eq!(replace(&third, "0000000000000000").await, Err(ErrorCode::OutputConflict));
    assert_eq!(store.get_small(key).await.unwrap().unwrap(), new);
    store.put("out/t/p/foreign-2.jpg", Bytes::from_static(b"somebody else's")).await.unwrap();
    let foreign = store.present_result("out/t/p/foreign-2.jpg").await.err().map(|error| error.code);
    assert_eq!(foreign, Some(ErrorCode::OutputConflict));
}

/// Uploads `bytes` and names what is there then.
async fn uploaded(store: &RegionStore, key: &str, bytes: &'static [u8]) -> SourcePhoto {
    store.put(key, Bytes::from_static(bytes)).await.unwrap();
    let unnamed = photo(store.name(), key);
    store.fetch(&unnamed, MAX_BYTES).await.unwrap().pin(&unnamed)
}

async fn removing(store: &RegionStore) {
    let first = uploaded(store, "uploads/remove.jpg", b"first").await;
    let second = uploaded(store, "uploads/remove.jpg", b"second").await;
    let removal = store.delete_original(&first).await.unwrap();
    let has_versions = first.version.is_some();
    assert_eq!(removal, if has_versions { Removal::Deleted } else { Removal::Changed });
    assert_eq!(store.fetch(&second, MAX_BYTES).await.unwrap().bytes, "second", "the successor stays");
    assert_eq!(store.delete_original(&second).await.unwrap(), Removal::Deleted);
    let gone = store.fetch(&second, MAX_BYTES).await.unwrap_err();
    assert_eq!(gone.code, ErrorCode::SourceMissing);
    // Some answer the same for what is not there.
    let again = store.delete_original(&second).await.unwrap();
    assert!(matches!(again, Removal::AlreadyGone | Removal::Deleted), "{again:?}");

    let unnamed = photo(store.name(), "uploads/remove.jpg");
    assert_eq!(store.delete_original(&unnamed).await.unwrap_err().code, ErrorCode::OriginalNotRemoved);
}

async fn moving(store: &RegionStore, vault: &RegionStore) {
    let moved = |photo: SourcePhoto, key: &'static str| async move {
        store.move_original(&photo, vault, key, MAX_BYTES).await.map_err(|error| error.code)
    };
    let original = uploaded(store, "uploads/move.jpg", b"original").await;
    assert_eq!(moved(original.clone(), "kept/move.jpg").await, Ok(Removal::Deleted));
    assert_eq!(vault.get_small("kept/move.jpg").await.unwrap().unwrap(), "original");
    assert_eq!(moved(original.clone(), "kept/move.jpg").await, Ok(Removal::AlreadyGone));
    assert_eq!(
        moved(original, "kept/elsewhere.jpg").await,
        Err(ErrorCode::OriginalNotRemoved),
        "nothing is kept there"
    );

    // Interrupted after the copy.
    let original = uploaded(store, "uploads/resume.jpg", b"original").await;
    vault.put("kept/resume.jpg", Bytes::from_static(b"original")).await.unwrap();
    assert_eq!(moved(original.clone(), "kept/resume.jpg").await, Ok(Removal::Deleted));

    for other in [&b"another!"[..], b"longer than the original", b"short"] {
        let original = uploaded(store, "uploads/conflict.jpg", b"original").await;
        vault.put("kept/conflict.jpg", Bytes::copy_from_slice(other)).await.unwrap();
        assert_eq!(moved(original.clone(), "kept/conflict.jpg").await, Err(ErrorCode::OutputConflict));
        assert_eq!(store.fetch(&original, MAX_BYTES).await.unwrap().bytes, "original", "it is not removed");
    }

    let first = uploaded(store, "uploads/changed.jpg", b"first").await;
    let second = uploaded(store, "uploads/changed.jpg", b"second").await;
    if first.version.is_none() {
        assert_eq!(moved(first, "kept/changed.jpg").await, Ok(Removal::Changed));
    }
    assert_eq!(store.fetch(&second, MAX_BYTES).await.unwrap().bytes, "second");
}
