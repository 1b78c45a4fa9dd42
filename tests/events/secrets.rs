//! No signature survives in what is kept of a message.

use base64::{Engine, engine::general_purpose::STANDARD};
use obscura::event::{redact_headers, redact_urls};
use proptest::{prelude::*, proptest};

use crate::examples::ALL;

/// The ways in which a message may carry a URL.
const WAYS: usize = 12;

fn carried(url: &str, way: usize) -> String {
    let json = |text: &str| serde_json::to_string(text).expect("JSON");
    let each = |text: &str, write: fn(char) -> String| text.chars().map(write).collect::<Vec<_>>().concat();
    let percent = |text: &str| {
        each(text, |char| if char.is_ascii_alphanumeric() { char.into() } else { format!("%{:02X}", char as u32) })
    };
    match way {
        0 => format!("{{\"url\":{}}}", json(url)),
        1 => format!("{{\"url\":{}}}", json(url).replace('/', "\\/")),
        2 => format!("{{\"u\":\"{}\"}}", each(url, |char| format!("\\u{:04x}", char as u32))),
        3 => format!("{{\"m\":{}}}", json(&format!("{{\"u\":{}}}", json(url)))),
        4 => format!("{{\"data\":\"{}\"}}", STANDARD.encode(format!("{{\"u\":{}}}", json(url)))),
        5 => format!("{{\"data\":\"{}\"}}", STANDARD.encode(url)),
        6 => format!("{{\"u\":\"{}\"}}", percent(url)),
        7 => format!("{{\"u\":\"{}\"}}", percent(&percent(url))),
        8 => format!("{{{}:[1,{{}}]}}", json(url)),
        9 => format!("see {url} for more"),
        10 => format!("{{\"u\":\"first\",\"u\":{},\"u\":\"last\"}}", json(&format!("see {url}"))),
        _ => format!("[{{\"a\":[[{}]]}}, broken", json(&json(&json(url)))),
    }
}

/// Everything that can be read in a text by decoding it.
fn readings(text: &str, depth: usize) -> Vec<String> {
    let mut all = vec![text.to_owned()];
    if depth == 0 {
        return all;
    }
    let bare: String = percent_encoding::percent_decode_str(&text.replace("\\/", "/")).decode_utf8_lossy().into();
    let words = text.split(|char: char| !char.is_ascii_alphanumeric() && !"+/=".contains(char));
    all.extend(
        words
            .filter_map(|word| String::from_utf8(STANDARD.decode(word).ok()?).ok())
            .flat_map(|word| readings(&word, depth - 1)),
    );
    if bare != text {
        all.extend(readings(&bare, depth - 1));
    }
    all
}

fn survives(kept: &[u8], secret: &str) -> bool {
    let kept = std::str::from_utf8(kept).expect("text");
    readings(kept, 3).iter().any(|reading| reading.contains(secret))
}

proptest! {
    #[test]
    fn no_signature_survives(
        secret in "[A-Za-z0-9]{16,40}",
        parameter in "(X-Amz-Signature|X-Goog-Signature|sig|Signature|anything|)",
        before in "(X-Amz-Date=2026&|a=b;|%3D=1&|)",
        way in 0..WAYS,
        cut in 0..60_usize,
    ) {
        let url = format!("https://host.example/dir/a%20b.jpg?{before}{parameter}={secret}&x=y");
        let whole = carried(&url, way);
        prop_assert!(!survives(&redact_urls(whole.as_bytes()), &secret), "{}", whole);
        // Cut off somewhere, as in a message that was too long; in base64 there is nothing to be read any more then.
        let end = whole.len() - cut.min(whole.len());
        let part = &whole.as_bytes()[..end];
        if !matches!(way, 2 | 4..=7) {
            let found = survives(&redact_urls(part), &secret);
            prop_assert!(!found, "{}", String::from_utf8_lossy(part));
        }
        let headers = [("x".to_owned(), whole.clone().into_bytes())];
        prop_assert!(!survives(&redact_headers(&headers)[0].1, &secret));
    }

    #[test]
    fn no_password_survives(user in "[a-z]{0,5}", secret in "[A-Za-z0-9]{16,40}", way in 0..WAYS) {
        let whole = carried(&format!("https://{user}:{secret}@host.example/a.jpg"), way);
        prop_assert!(!survives(&redact_urls(whole.as_bytes()), &secret), "{}", whole);
    }

    #[test]
    fn any_bytes_are_taken_and_twice_is_once(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "[{}\\[\\]\":/?#@%\\\\u0-9a-f=.]{0,200}") {
        for payload in [bytes, text.into_bytes()] {
            let once = redact_urls(&payload);
            prop_assert_eq!(&redact_urls(&once), &once);
        }
    }

    /// What had no secret is kept to the byte, so that it can be put back.
    #[test]
    fn ordinary_messages_are_kept(key in "[a-zA-Z0-9 äß+._/-]{0,40}", size in any::<u32>()) {
        let text = format!("{{\"Records\":[{{\"key\":{key:?}, \"size\" : {size}, \"url\":\"https://h.example/p\"}}]}}");
        prop_assert_eq!(redact_urls(text.as_bytes()), text.into_bytes());
    }
}

#[test]
fn examples_keep_what_is_needed_to_put_them_back() {
    for (name, text) in ALL {
        let kept = redact_urls(text.as_bytes());
        let changed = kept != text.as_bytes();
        let has_secret = matches!(*name, "cloudevent_binary.msg" | "sns.json" | "azure_validation.json");
        assert_eq!(changed, has_secret, "{name}");
    }
}
