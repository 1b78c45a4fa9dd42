//! Names of outputs: the same for the same upload, others for others.

use obscura::{
    config::stream::RouteMatch,
    event::{Location, OutputName, Owner, PhotoRequest, Revision, Service, SourcePhoto, dead_letter_key},
};
use proptest::{prelude::*, proptest};

use crate::config::route;

fn request(location: Location) -> PhotoRequest {
    PhotoRequest {
        route: route("all", RouteMatch::default()).into(),
        owner: Owner { tenant: "acme".into(), project: "streets".into() },
        uploader: None,
        device: None,
        source: SourcePhoto { store: None, location, version: None, etag: None, size_bytes: None },
        replaces: None,
    }
}

fn s3(bucket: &str, key: &str) -> Location {
    Location::Object { service: Service::S3, bucket: bucket.into(), key: key.into() }
}

fn hash(location: Location, revision: &Revision) -> String {
    OutputName::new(&request(location), revision).hash().to_owned()
}

fn key_of(source_key: &str) -> String {
    OutputName::new(&request(s3("b", source_key)), &Revision::Etag("e".into())).key()
}

/// A changed name would publish every photo a second time that is delivered again after an update.
#[test]
fn names_do_not_change() {
    let name = OutputName::new(&request(s3("uploads", "2026/a.JPEG")), &Revision::Version("v1".into()));
    insta::assert_snapshot!(name.key(), @"redacted/acme/streets/960f3d9ea288103eae5c903fc88eaa7b9e9ac44d8d5d023961f2f413ecb0add5.jpg");
    insta::assert_snapshot!(name.receipt_key(&"0123456789abcdef".repeat(4)).trim_start_matches(&name.key()), @".0123456789abcdef.receipt.json");
    insta::assert_snapshot!(name.original_key("vault").replace(name.hash(), "HASH"), @"vault/acme/streets/originals/HASH.jpg");
    let id = "8b9949a9bf658c91683fc5f9e4fabff3";
    let owner = Owner { tenant: "acme".into(), project: "streets".into() };
    insta::assert_snapshot!(dead_letter_key("redacted", Some(&owner), id), @"redacted/acme/streets/dead-letters/8b9949a9bf658c91683fc5f9e4fabff3.json");
    insta::assert_snapshot!(dead_letter_key("redacted", None, id).replace(id, "ID"), @"_unrouted/dead-letters/ID.json");
}

#[test]
fn extensions_are_known_and_lower_case() {
    for (key, extension) in [
        ("a.jpg", Some("jpg")),
        ("a.JPEG", Some("jpg")),
        ("a.b.Png", Some("png")),
        ("a.webp", Some("webp")),
        ("a.TIFF", Some("tif")),
        ("a.tif", Some("tif")),
        ("a.gif", Some("gif")),
        ("a.bmp", Some("bmp")),
        ("a.html", None),
        ("a.jpg.exe", None),
        ("jpg", None),
        ("a.jpg/b", None),
        ("a.jp\u{131}g", None),
    ] {
        let name = key_of(key);
        let found = name.rsplit('/').next().and_then(|file| file.split_once('.')).map(|(_, extension)| extension);
        assert_eq!(found, extension, "{key}");
    }
}

#[test]
fn a_signed_url_is_the_same_photo_however_it_is_signed() {
    let revision = Revision::Etag("e".into());
    let url = |text: &str| hash(Location::Url(text.into()), &revision);
    let one = url("https://photos.example.com/a.jpg?sig=1");
    for same in ["https://photos.example.com/a.jpg?sig=2", "HTTPS://Photos.Example.com:443/a.jpg"] {
        assert_eq!(url(same), one, "{same}");
    }
    for other in
        ["https://photos.example.com/b.jpg?sig=1", "https://photos.example.com:8443/a.jpg", "https://example.com/a.jpg"]
    {
        assert_ne!(url(other), one, "{other}");
    }
}

#[test]
fn the_version_counts_before_the_etag() {
    let both = SourcePhoto { version: Some("v".into()), etag: Some("e".into()), ..request(s3("b", "k")).source };
    assert!(Revision::named_in(&both) == Some(Revision::Version("v".into())));
    assert!(Revision::of(None, Some("\"e\"")) == Some(Revision::Etag("e".into())));
    assert!(Revision::of(Some(""), None).is_none());
    let revisions = [Revision::Version("x".into()), Revision::Etag("x".into()), Revision::Content("x".into())];
    let hashes: std::collections::BTreeSet<_> = revisions.iter().map(|revision| hash(s3("b", "k"), revision)).collect();
    assert_eq!(hashes.len(), 3, "what a revision is counts too");
}

proptest! {
    /// No two uploads share a name, even where their parts run together.
    #[test]
    fn names_are_unambiguous(
        a in ("[ab/\0]{0,4}", "[ab/\0]{0,4}", "[ab/\0]{0,4}"),
        b in ("[ab/\0]{0,4}", "[ab/\0]{0,4}", "[ab/\0]{0,4}"),
    ) {
        let of = |(bucket, key, version): &(String, String, String)| {
            hash(s3(bucket, key), &Revision::Version(version.clone()))
        };
        prop_assert_eq!(of(&a) == of(&b), a == b);
    }
}
