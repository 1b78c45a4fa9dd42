//! Messages that mean harm.

use obscura::event::{
    Location, Notice, Routed, is_safe_name,
    limits::{MAX_KEY_BYTES, MAX_PAYLOAD_BYTES, MAX_RECORDS},
};

use crate::{
    config::{object, open_router, outcome},
    examples::{ALL, example, read, read_with},
};

/// What is found in a message that is not known.
#[track_caller]
fn unknown(text: &str) -> String {
    read(text.as_bytes()).expect_err("unknown").found
}

fn upload_with(data: &str) -> String {
    format!(r#"{{"specversion":"1.0","type":"obscura.photo.uploaded","source":"/a","id":"1","data":{{{data}}}}}"#)
}

fn s3_with(key: &str) -> String {
    format!(
        r#"{{"Records":[{{"eventSource":"aws:s3","eventName":"ObjectCreated:Put",
            "s3":{{"bucket":{{"name":"uploads"}},"object":{{"key":"{key}","size":1}}}}}}]}}"#
    )
}

#[track_caller]
fn routed(text: &str) -> String {
    let mut notices = read(text.as_bytes()).expect("understood");
    match notices.pop() {
        Some(Notice::Upload(upload)) => outcome(&open_router(), upload),
        other => panic!("expected an upload, found {other:?}"),
    }
}

#[test]
fn keys_that_lead_out_are_refused_in_every_kind() {
    for key in ["../secret", "a/../../b", "/etc/passwd", "a//b", "..", "a/./b", "a\\\\..\\\\b", "a\\u0000.jpg", "a\\nb"]
    {
        let own = upload_with(&format!(r#""bucket":"uploads","key":"{key}""#));
        assert_eq!(routed(&own), "source_refused", "{key}");
        let bridge = example("eventbridge.json").replace("2026/a+b%20c.jpg", key);
        assert_eq!(routed(&bridge), "source_refused", "{key}");
    }
    for key in [
        "..%2Fsecret",
        "%2e%2e%2Fa",
        "%2Fetc%2Fpasswd",
        "a%2F%2E%2E%2Fb",
        "a%5Cb",
        "a%00.jpg",
        "a%0Ab",
        "%E2%80%AEgpj.exe",
    ] {
        assert_eq!(routed(&s3_with(key)), "source_refused", "{key}");
    }
    // What would have to be decoded twice stays what it is once.
    assert_eq!(routed(&s3_with("%252e%252e%252fa")), "redact all");
    let azure = example("azure.json")
        .replace("/2026/car%201.jpg", "/../car%201.jpg")
        .replace("/2026/car 1.jpg", "/../car 1.jpg");
    assert_eq!(routed(&azure), "source_refused");
}

#[test]
fn keys_that_are_badly_encoded_are_not_understood() {
    for key in ["a%", "a%2", "a%zz", "a%ff.jpg", "%c0%ae%c0%ae/a", "%ed%a0%80"] {
        unknown(&s3_with(key));
    }
}

#[test]
fn everything_is_bounded() {
    let ten_megabytes = "k".repeat(10_000_000);
    assert!(unknown(&s3_with(&ten_megabytes)).contains("bytes"));
    assert!(
        unknown(&upload_with(&format!(r#""bucket":"uploads","key":"{}""#, "k".repeat(MAX_KEY_BYTES + 1))))
            .contains("`key`")
    );
    unknown(&s3_with(&"%41".repeat(MAX_KEY_BYTES + 1)));
    assert_eq!(routed(&s3_with(&"%41".repeat(MAX_KEY_BYTES))), "redact all");
    for name in ["tenant", "project", "uploader", "region", "etag", "version"] {
        let data = format!(r#""bucket":"uploads","key":"a","{name}":"{}""#, "n".repeat(2000));
        assert!(unknown(&upload_with(&data)).contains(name), "{name}");
    }
    let record = r#"{"eventSource":"aws:s3","eventName":"ObjectRemoved:Delete"}"#;
    let records = |count: usize| format!("{{\"Records\":[{}]}}", vec![record; count].join(","));
    assert_eq!(read(records(MAX_RECORDS).as_bytes()).expect("understood").len(), MAX_RECORDS);
    unknown(&records(MAX_RECORDS + 1));
    let many = format!("[{}]", vec![records(400); 3].join(","));
    unknown(&many);
}

#[test]
fn bombs_and_doubles_are_not_understood() {
    assert_eq!(unknown(&"[".repeat(MAX_PAYLOAD_BYTES)), "JSON that is nested too deep");
    let nested = format!("{}{}{}", "{\"data\":".repeat(500), "1", "}".repeat(500));
    assert_eq!(unknown(&nested), "JSON that is nested too deep");
    let wide = format!("{{\"Records\":[{}]}}", vec!["[]"; 200_000].join(","));
    assert_eq!(unknown(&wide), "JSON with too many values");
    assert_eq!(unknown(&s3_with("a\",\"key\":\"b")), "JSON with a name given twice");
    let mut wrapped = example("s3.json").to_owned();
    for _ in 0..6 {
        let message = serde_json::to_string(&wrapped).expect("JSON");
        wrapped = format!(r#"{{"Type":"Notification","TopicArn":"arn:x","Message":{message}}}"#);
    }
    assert_eq!(unknown(&wrapped), "too many envelopes inside each other");
}

#[test]
fn two_kinds_in_one_are_not_understood() {
    let both = example("cloudevent.json").replacen('{', r#"{"Records":[],"#, 1);
    assert_eq!(unknown(&both), "JSON with the marks of two kinds of events");
    let doubled = [("ce_specversion", "1.0"), ("ce_specversion", "1.0")];
    assert!(read_with(&doubled, b"{}").is_err());
    assert!(read_with(&[("ce_type", "obscura.photo.uploaded")], example("s3.json").as_bytes()).is_err());
}

#[test]
fn one_bad_record_condemns_the_message() {
    let text = example("s3.json");
    for (from, to) in [
        (r#""eventName": "ObjectRemoved:Delete""#, r#""eventName": 7"#),
        (r#""eventName": "ObjectRemoved:Delete""#, r#""eventName": "Other""#),
        (r#""key": "2026"#, r#""other": "2026"#),
        (r#""size": 482133"#, r#""size": -1"#),
    ] {
        assert!(text.contains(from), "{from}");
        unknown(&text.replace(from, to));
    }
    unknown(r#"{"Records":[]}"#);
    unknown("[]");
}

#[test]
fn what_is_found_repeats_no_content() {
    for (name, text) in ALL {
        for end in (0..text.len()).step_by(7).filter(|end| text.is_char_boundary(*end)) {
            let Err(error) = read(&text.as_bytes()[..end]) else { continue };
            for secret in ["acme", "2026", "car", "uploads", "signature", "photos.example"] {
                assert!(!error.found.contains(secret), "{name}: {error}");
            }
        }
    }
    let error = unknown(&upload_with(r#""bucket":"uploads","key":"a","Hans Mustermann":1"#));
    assert!(!error.contains("Hans"), "{error}");
}

#[test]
fn own_data_is_strict() {
    for data in [
        "",
        r#""bucket":"uploads""#,
        r#""key":"a""#,
        r#""bucket":"","key":"a""#,
        r#""bucket":"uploads","key":"""#,
        r#""bucket":"uploads","key":["a"]"#,
        r#""bucket":"uploads","key":"a","url":"https://photos.example.com/a""#,
        r#""bucket":"uploads","key":"a","teant":"acme""#,
        r#""bucket":"uploads","key":"a","size":"big""#,
    ] {
        unknown(&upload_with(data));
    }
}

#[test]
fn tenants_that_are_no_names_are_refused() {
    for name in ["..", ".", ".hidden", "a/b", "../other", "a b", "a\\u0000", "ä", "_unrouted", "dead-letters"] {
        for field in ["tenant", "project"] {
            let data = format!(r#""bucket":"uploads","key":"a","{field}":"{name}""#);
            assert_eq!(routed(&upload_with(&data)), "source_refused", "{field} {name}");
        }
        assert!(!is_safe_name(name));
    }
}

#[test]
fn urls_that_lead_elsewhere_are_refused() {
    for url in [
        "http://photos.example.com/a",
        "https://169.254.169.254/latest/meta-data/",
        "https://[::ffff:169.254.169.254]/",
        "https://localhost/a",
        "https://127.1/a",
        "https://2852039166/a",
        "https://photos.example.com@evil.example/a",
        "https://photos.example.com:8443/a",
        "https://photos.example.com.evil.example/a",
        "https://evil.example/?https://photos.example.com/",
        "https://evil.example#photos.example.com/",
        "https:\\\\/\\\\/photos.example.com",
        "file:///etc/passwd",
        "gopher://photos.example.com/",
        "s3://uploads/a",
    ] {
        let text = upload_with(&format!(r#""url":"{url}""#));
        assert_eq!(routed(&text), "source_refused", "{url}");
    }
    assert_eq!(routed(&upload_with(r#""url":"https://photos.example.com/a?s=1""#)), "redact all");
}

#[test]
fn unicode_in_keys_is_kept_to_the_byte() {
    for key in ["a\u{308}.jpg", "\u{e4}.jpg", "ﬁ.jpg", "．．/a", "a／b", "％2e", "\u{200d}a"] {
        match open_router().route(object("uploads", key)) {
            Routed::Redact(request) => {
                assert!(matches!(&request.source.location, Location::Object { key: kept, .. } if kept == key), "{key}");
            }
            other => panic!("{key}: {other:?}"),
        }
    }
}
