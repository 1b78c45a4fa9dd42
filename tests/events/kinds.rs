//! What is taken from each kind.

use obscura::event::{FORWARDED_HEADER, Ignored, Location, Notice, RECORD_HEADER, Replaces, Service, UploadEvent};

use crate::examples::{example, read, read_with};

fn at(service: Service, bucket: &str, key: &str) -> UploadEvent {
    UploadEvent::at(Location::Object { service, bucket: bucket.to_owned(), key: key.to_owned() })
}

fn text<T: From<String>>(text: &str) -> T {
    text.to_owned().into()
}

/// Compared field by field, since names are not printed.
#[track_caller]
fn says(name: &str, expected: &[Notice]) {
    let notices = read(example(name).as_bytes()).expect(name);
    assert_eq!(notices.len(), expected.len(), "{name}");
    for (notice, expected) in notices.iter().zip(expected) {
        if let (Notice::Upload(found), Notice::Upload(expected)) = (notice, expected) {
            assert_eq!(found.tenant, expected.tenant);
            assert_eq!(found.version, expected.version);
            assert_eq!(found.etag, expected.etag);
            assert_eq!(found.cloud_region, expected.cloud_region);
            if let (
                Location::Object { service: a, bucket: b, key: c },
                Location::Object { service: d, bucket: e, key: f },
            ) = (&found.location, &expected.location)
            {
                assert_eq!((a, b, c), (d, e, f));
            }
        }
        assert!(notice == expected, "{name}");
    }
}

#[test]
fn cloudevents() {
    let upload = UploadEvent {
        tenant: text("acme"),
        project: text("streets"),
        uploader: text("driver-17"),
        region: text("eu"),
        version: text("3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY"),
        etag: text("9b2cf535f27731c974343645a3985328"),
        size_bytes: Some(482_133),
        ..at(Service::Any, "uploads", "2026/03/01/a b+c.jpg")
    };
    says("cloudevent.json", &[Notice::Upload(upload)]);
    let url = "https://photos.example.com/inbox/1.jpeg?expires=1772366400&signature=0f3a9c";
    let upload = UploadEvent {
        tenant: text("acme"),
        project: text("streets"),
        ..UploadEvent::at(Location::Url(url.to_owned()))
    };
    says("cloudevent_binary.msg", &[Notice::Upload(upload)]);
    says("cloudevent_outcome.json", &[Notice::Ignored(Ignored::OwnOutput)]);
    let again = UploadEvent {
        tenant: text("acme"),
        project: text("streets"),
        etag: text("9b2cf535f27731c974343645a3985328"),
        replaces: Some(Replaces {
            route: "all".to_owned(),
            output_key: "redacted/acme/streets/a692a3e91e10490d76d3032d75c719700491535850b71a7711777c85ba958235.jpg"
                .to_owned(),
        }),
        ..at(Service::Any, "in", "2026/03/01/a b+c.jpg")
    };
    says("cloudevent_reprocess.json", &[Notice::Upload(again)]);
    for name in ["tenant", "project", "route", "output_key", "store", "key"] {
        let event = example("cloudevent_reprocess.json").replace(&format!("\"{name}\": "), &format!("\"{name}s\": "));
        assert!(read(event.as_bytes()).is_err(), "without {name}");
    }
}

#[test]
fn cloudevents_by_content_type_and_in_batches() {
    let event = example("cloudevent.json");
    let structured = [("content-type", "application/cloudevents+json; charset=UTF-8")];
    assert_eq!(read_with(&structured, event.as_bytes()).expect("an event").len(), 1);
    let batch = format!("[{event},{event}]");
    let batched = [("Content-Type", "application/cloudevents-batch+json")];
    assert_eq!(read_with(&batched, batch.as_bytes()).expect("a batch").len(), 2);
    assert!(read_with(&structured, batch.as_bytes()).is_err());
    assert!(read_with(&batched, event.as_bytes()).is_err());
    assert!(read_with(&[("content-type", "application/cloudevents+avro")], event.as_bytes()).is_err());
    assert!(read_with(&structured, example("s3.json").as_bytes()).is_err(), "no CloudEvent");
    assert_eq!(read_with(&[("content-type", "application/json")], event.as_bytes()).expect("by content").len(), 1);
}

#[test]
fn cloudevents_with_data_in_base64() {
    let event = r#"{"specversion":"1.0","type":"obscura.photo.uploaded","source":"/a","id":"1",
        "data_base64":"eyJidWNrZXQiOiJ1cGxvYWRzIiwia2V5IjoiYSJ9"}"#;
    assert!(read(event.as_bytes()).expect("an event") == [Notice::Upload(at(Service::Any, "uploads", "a"))]);
    let both = event.replace("\"data_base64\"", "\"data\":{},\"data_base64\"");
    assert!(read(both.as_bytes()).is_err());
}

#[test]
fn s3_and_what_speaks_like_it() {
    let upload = UploadEvent {
        cloud_region: text("eu-central-1"),
        version: text("096fKKXTRTtl3on89fVO.nfljtsv6qko"),
        etag: text("9b2cf535f27731c974343645a3985328"),
        size_bytes: Some(482_133),
        ..at(Service::S3, "uploads", "2026/03/01/Straße 1+2.jpg")
    };
    says("s3.json", &[Notice::Upload(upload), Notice::Ignored(Ignored::Deletion)]);
    says("s3_test.json", &[Notice::Ignored(Ignored::TestEvent)]);
    let upload = UploadEvent {
        etag: text("0c3f2d4be2d3cb4d0b8c1f5ad9f0a111"),
        size_bytes: Some(90_122),
        ..at(Service::S3, "uploads", "2026/car 1.png")
    };
    says("minio.json", &[Notice::Upload(upload)]);
    // Ceph's keys are not encoded, its zone group is no cloud's region, and its size is text.
    let upload = UploadEvent {
        etag: text("37b51d194a7513e45b56f6524f2d51f2"),
        size_bytes: Some(1024),
        ..at(Service::S3, "uploads", "2026/a+b%20c.jpg")
    };
    says("ceph.json", &[Notice::Upload(upload)]);
}

#[test]
fn s3_in_the_envelopes_of_amazon() {
    let upload = UploadEvent {
        cloud_region: text("eu-central-1"),
        etag: text("d41d8cd98f00b204e9800998ecf8427e"),
        size_bytes: Some(1024),
        ..at(Service::S3, "uploads", "a.jpg")
    };
    says("sns.json", &[Notice::Upload(upload.clone())]);
    says("sqs.json", &[Notice::Upload(upload)]);
    let upload = UploadEvent {
        cloud_region: text("eu-central-1"),
        version: text("IYV3p45BT0ac8hjHg1houSdS1a.Mro8e"),
        etag: text("b1946ac92492d2347c6235b4d2611184"),
        size_bytes: Some(482_133),
        ..at(Service::S3, "uploads", "2026/a+b%20c.jpg")
    };
    says("eventbridge.json", &[Notice::Upload(upload)]);
}

#[test]
fn names_of_s3_events() {
    let event = example("minio.json");
    for (name, why) in [
        ("s3:ObjectRemoved:DeleteMarkerCreated", Ignored::Deletion),
        ("LifecycleExpiration:Delete", Ignored::Deletion),
        ("ObjectLifecycle:Expiration:Current", Ignored::Deletion),
        ("s3:ObjectAccessed:Get", Ignored::OtherKind),
        ("ObjectTagging:Put", Ignored::OtherKind),
        ("ObjectRestore:Completed", Ignored::OtherKind),
        ("s3:ObjectCreated:PutRetention", Ignored::OtherKind),
        ("ObjectSynced:Create", Ignored::OtherKind),
    ] {
        let event = event.replace("\"eventName\": \"s3:ObjectCreated:Put\"", &format!("\"eventName\": \"{name}\""));
        assert!(read(event.as_bytes()).expect(name) == [Notice::Ignored(why)], "{name}");
    }
    let unknown = event.replace("\"eventName\": \"s3:ObjectCreated:Put\"", "\"eventName\": \"s3:Invented:Put\"");
    assert!(read(unknown.as_bytes()).is_err());
}

#[test]
fn the_null_version_names_no_upload() {
    let event = example("s3.json").replace("096fKKXTRTtl3on89fVO.nfljtsv6qko", "null");
    let notices = read(event.as_bytes()).expect("an event");
    assert!(matches!(&notices[0], Notice::Upload(upload) if upload.version.is_none() && upload.etag.is_some()));
}

#[test]
fn azure() {
    let photos = |key| at(Service::Azure { account: "acmephotos".into() }, "photos", key);
    let upload = UploadEvent { etag: text("0x8D4BCC2E4835CD0"), size_bytes: Some(524_288), ..photos("2026/car 1.jpg") };
    says("azure.json", &[Notice::Upload(upload)]);
    let upload = UploadEvent { etag: text("0x8D6E4A59C2D5E5F"), size_bytes: Some(3072), ..photos("a.jpg") };
    says("azure_cloudevent.json", &[Notice::Upload(upload)]);
    says("azure_validation.json", &[Notice::Ignored(Ignored::TestEvent)]);
    for (from, to, why) in [
        ("Storage.BlobCreated", "Storage.BlobDeleted", Ignored::Deletion),
        ("Storage.BlobCreated", "Storage.BlobTierChanged", Ignored::OtherKind),
        ("FlushWithClose", "CreateFile", Ignored::OtherKind),
    ] {
        let event = example("azure_cloudevent.json").replace(from, to);
        assert!(read(event.as_bytes()).expect(to) == [Notice::Ignored(why)], "{to}");
    }
}

#[test]
fn azure_names_one_blob_in_two_ways() {
    let event = example("azure.json");
    let bare = event.replace("car%201.jpg", "car 1.jpg");
    assert!(read(bare.as_bytes()) == read(event.as_bytes()), "a URL that is not encoded");
    for (from, to) in [
        ("/blobs/2026/car 1.jpg", "/blobs/2026/car 2.jpg"),
        ("containers/photos", "containers/others"),
        ("storageAccounts/acmephotos", "storageAccounts/others"),
        ("https://acmephotos.blob", "https://x@acmephotos.blob"),
        ("car%201.jpg", "car%201.jpg?sig=x"),
    ] {
        let found = read(event.replace(from, to).as_bytes());
        assert!(found.is_err(), "{to}");
    }
}

#[test]
fn gcs() {
    let upload = |key| UploadEvent {
        version: text("1772366400123456"),
        size_bytes: Some(352_624),
        ..at(Service::Gcs, "pictures", key)
    };
    says("gcs_attributes.msg", &[Notice::Upload(upload("2026/a+b%20c.tiff"))]);
    says("gcs_push.json", &[Notice::Upload(upload("2026/1.jpg"))]);
    says("gcs_cloudevent.json", &[Notice::Upload(upload("2026/1.jpg"))]);
    for (name, from, to, why) in [
        ("gcs_attributes.msg", "OBJECT_FINALIZE", "OBJECT_DELETE", Ignored::Deletion),
        ("gcs_attributes.msg", "OBJECT_FINALIZE", "OBJECT_METADATA_UPDATE", Ignored::OtherKind),
        ("gcs_push.json", "OBJECT_FINALIZE", "OBJECT_ARCHIVE", Ignored::Deletion),
        ("gcs_cloudevent.json", "v1.finalized", "v1.deleted", Ignored::Deletion),
        ("gcs_cloudevent.json", "v1.finalized", "v1.metadataUpdated", Ignored::OtherKind),
    ] {
        let event = example(name).replace(from, to);
        assert!(read(event.as_bytes()).expect(to) == [Notice::Ignored(why)], "{to}");
    }
    for (name, from, to) in [
        ("gcs_attributes.msg", "bucketId: pictures", "bucketId: others"),
        ("gcs_attributes.msg", "objectGeneration: 1", "objectGeneration: 2"),
        ("gcs_push.json", "\"objectId\": \"2026/1.jpg\"", "\"objectId\": \"2026/2.jpg\""),
        ("gcs_cloudevent.json", "buckets/pictures", "buckets/others"),
        ("gcs_cloudevent.json", "objects/2026/1.jpg", "objects/2026/2.jpg"),
    ] {
        assert!(example(name).contains(from), "{from}");
        assert!(read(example(name).replace(from, to).as_bytes()).is_err(), "{to}");
    }
}

#[test]
fn gcs_without_the_resource() {
    let event = example("gcs_attributes.msg").replace("JSON_API_V1", "NONE");
    let (headers, _) = event.split_once("\n\n").expect("headers");
    let notices = read(format!("{headers}\n\n").as_bytes()).expect("an event");
    assert!(matches!(&notices[..], [Notice::Upload(upload)] if upload.size_bytes.is_none()));
}

#[test]
fn a_forwarded_or_replayed_message_is_about_one_record() {
    let event = example("s3.json").as_bytes();
    let notices = read_with(&[(RECORD_HEADER, "1"), (FORWARDED_HEADER, "us")], event).expect("an event");
    assert!(notices == [Notice::Ignored(Ignored::OtherRecord), Notice::Ignored(Ignored::Deletion)]);
    let notices = read_with(&[(RECORD_HEADER, "0"), (FORWARDED_HEADER, "us")], event).expect("an event");
    assert!(matches!(&notices[0], Notice::Upload(upload) if upload.forwarded));
    for number in ["2", "-1", "x", "18446744073709551616"] {
        assert!(read_with(&[(RECORD_HEADER, number)], event).is_err(), "{number}");
    }
}
