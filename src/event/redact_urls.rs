//! Taking secrets out of a message before it is kept as a dead letter.
//!
//! Whoever has a signed URL has the photo. What follows `?` or `#` in a URL goes, with the rest of its text; so do user
//! names and passwords, and what follows a parameter that names a credential, even where no URL is to be seen. This also
//! happens inside of JSON in JSON, escapes, percent-encoding and base64. Too much may go, never too little: a message
//! whose URL is gone cannot be put back, but it can be told from others.

use std::borrow::Cow;

use base64::{
    Engine,
    alphabet::{STANDARD, URL_SAFE},
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose},
};
use percent_encoding::percent_decode_str;

/// In place of a text that hides too well what it says.
const HIDDEN: &str = "[removed]";
const REMOVED: &str = "removed";
/// Encodings inside each other that are looked through.
const MAX_LAYERS: usize = 8;
/// Shorter text holds no URL with a signature in base64.
const MIN_BASE64_BYTES: usize = 12;
/// Ends of names of parameters that are credentials, without what stands before a sign such as `-`.
const CREDENTIALS: [&str; 11] = [
    "accesskeyid",
    "accountkey",
    "awsaccesskeyid",
    "credential",
    "googleaccessid",
    "password",
    "policy",
    "secret",
    "sig",
    "signature",
    "token",
];
/// Parts of names of headers that are credentials as a whole.
const CREDENTIAL_HEADERS: [&str; 8] =
    ["api-key", "apikey", "authorization", "cookie", "credential", "password", "secret", "token"];

/// The message without the secrets of its URLs; to the byte the same if there are none. What is no text is replaced by
/// its length, for it may be a photo.
#[must_use]
pub fn redact_urls(payload: &[u8]) -> Vec<u8> {
    match std::str::from_utf8(payload) {
        Ok(text) => cleaned(text, 0).unwrap_or_else(|| text.to_owned()).into_bytes(),
        Err(_) => format!("[{} bytes that are no text]", payload.len()).into_bytes(),
    }
}

/// The same for headers; those that are credentials by their name lose their value.
#[must_use]
pub fn redact_headers(headers: &[(String, Vec<u8>)]) -> Vec<(String, Vec<u8>)> {
    let redacted = |(name, value): &(String, Vec<u8>)| {
        let lower = name.to_ascii_lowercase();
        let value = if CREDENTIAL_HEADERS.iter().any(|part| lower.contains(part)) {
            HIDDEN.as_bytes().to_vec()
        } else {
            redact_urls(value)
        };
        (name.clone(), value)
    };
    headers.iter().map(redacted).collect()
}

/// The text without secrets, or none if it has none.
fn cleaned(text: &str, layers: usize) -> Option<String> {
    if layers > MAX_LAYERS {
        return Some(HIDDEN.to_owned());
    }
    if text.trim_start().starts_with(['{', '[', '"']) {
        return cleaned_json(text, layers);
    }
    cleaned_text(text, layers)
}

/// JSON, maybe cut off or broken: every string is read, cleaned and written again. Not parsed, since a parser keeps one of
/// two values of the same name.
fn cleaned_json(text: &str, layers: usize) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut changed = false;
    let mut rest = text;
    loop {
        let (between, string) = rest.split_once('"').unwrap_or((rest, ""));
        push(&mut out, &mut changed, between, cleaned_text(between, layers));
        if between.len() == rest.len() {
            break;
        }
        let end = end_of_string(string);
        let raw = &string[..end];
        let content = unescaped(raw);
        let clean = cleaned(&content, layers + 1).map(|clean| {
            let quoted = serde_json::to_string(&clean).expect("text is JSON");
            quoted[1..quoted.len() - 1].to_owned()
        });
        out.push('"');
        push(&mut out, &mut changed, raw, clean);
        if end == string.len() {
            break;
        }
        out.push('"');
        rest = &string[end + 1..];
    }
    changed.then_some(out)
}

fn push(out: &mut String, changed: &mut bool, original: &str, clean: Option<String>) {
    *changed |= clean.is_some();
    out.push_str(clean.as_deref().unwrap_or(original));
}

/// Where the closing quotation mark is, or the end.
fn end_of_string(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at,
            _ => {}
        }
    }
    text.len()
}

fn cleaned_text(text: &str, layers: usize) -> Option<String> {
    let plain = without_secrets(text);
    let now = plain.as_deref().unwrap_or(text);
    let deeper = if let Some(decoded) = from_base64(now) {
        cleaned(&decoded, layers + 1).map(|clean| general_purpose::STANDARD.encode(clean))
    } else {
        let bare = unescaped(now);
        let bare = percent_decode_str(&bare).decode_utf8_lossy();
        (bare != now).then(|| cleaned(&bare, layers + 1)).flatten()
    };
    deeper.or(plain)
}

fn without_secrets(text: &str) -> Option<String> {
    let query = text.find("://").and_then(|scheme| Some(scheme + text[scheme..].find(['?', '#'])?));
    let (keep, mark) = match (query, credential(text)) {
        (Some(query), Some(value)) if value < query => (value, ""),
        (Some(query), _) => (query, "?"),
        (None, Some(value)) => (value, ""),
        (None, None) => (text.len(), ""),
    };
    let mut out = without_users(&text[..keep]);
    if keep < text.len() {
        out.push_str(mark);
        out.push_str(REMOVED);
    }
    (out != text).then_some(out)
}

/// Where the first value of a credential starts.
fn credential(text: &str) -> Option<usize> {
    let lower = text.to_ascii_lowercase();
    let mut from = 0;
    while let Some(found) = lower[from..].find(['=', '%']) {
        let name_end = from + found;
        let sign = if lower[name_end..].starts_with('=') { 1 } else { 3 };
        from = name_end + 1;
        if sign == 3 && !lower[name_end..].starts_with("%3d") {
            continue;
        }
        let start = lower[..name_end]
            .rfind(|char: char| !char.is_ascii_alphanumeric())
            .map_or(0, |at| at + lower[at..].chars().next().map_or(1, char::len_utf8));
        let value = name_end + sign;
        if CREDENTIALS.contains(&&lower[start..name_end]) && value < text.len() {
            return Some(value);
        }
    }
    None
}

/// `scheme://user:password@host` without the first two.
fn without_users(text: &str) -> String {
    let mut parts = text.split("://");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str("://");
        let end = part.find(|char: char| matches!(char, '/' | '\\') || char.is_whitespace()).unwrap_or(part.len());
        match part[..end].rfind('@') {
            Some(at) => {
                out.push_str(REMOVED);
                out.push_str(&part[at..]);
            }
            None => out.push_str(part),
        }
    }
    out
}

/// With the escapes of JSON resolved; what is none loses its backslash.
fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return text.into();
    }
    if let Ok(exact) = serde_json::from_str::<String>(&format!("\"{text}\"")) {
        return exact.into();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, escape)) = rest.split_once('\\') {
        out.push_str(before);
        let code =
            escape.strip_prefix('u').and_then(|hex| hex.get(..4)).and_then(|hex| u32::from_str_radix(hex, 16).ok());
        rest = match code {
            Some(code) => {
                out.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                &escape[5..]
            }
            None => match escape.chars().next() {
                Some(char) => {
                    out.push(match char {
                        'n' | 'r' | 't' | 'b' | 'f' => ' ',
                        other => other,
                    });
                    &escape[char.len_utf8()..]
                }
                None => "",
            },
        };
    }
    out.push_str(rest);
    out.into()
}

fn from_base64(text: &str) -> Option<String> {
    const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    if text.len() < MIN_BASE64_BYTES {
        return None;
    }
    let text: String = text.split_ascii_whitespace().collect();
    let alphabet = if text.contains(['-', '_']) { URL_SAFE } else { STANDARD };
    String::from_utf8(GeneralPurpose::new(&alphabet, LENIENT).decode(text).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redacted(text: &str) -> String {
        String::from_utf8(redact_urls(text.as_bytes())).expect("text")
    }

    #[test]
    fn queries_and_users_go_and_the_rest_stays() {
        for (before, after) in [
            (r#"{"url":"https://h/p/a.jpg?X-Amz-Signature=f00"}"#, r#"{"url":"https://h/p/a.jpg?removed"}"#),
            (r#"{"url":"https:\/\/h\/p?sig=f00","n":1.50}"#, r#"{"url":"https://h/p?removed","n":1.50}"#),
            (r#"{"u":"\u0068ttps://h/p\u003fsig=f00"}"#, r#"{"u":"https://h/p?removed"}"#),
            (
                r#"{"a":"s3://u:pw@h/k","b":"https://u:pw@h/k?q"}"#,
                r#"{"a":"s3://removed@h/k","b":"https://removed@h/k?removed"}"#,
            ),
            (
                r#"{"a":"https://h/1?f00","a":"https://h/2?f00"}"#,
                r#"{"a":"https://h/1?removed","a":"https://h/2?removed"}"#,
            ),
            (r#"{"https://h/p?f00":1}"#, r#"{"https://h/p?removed":1}"#),
            (r#"{"m":"{\"u\":\"https://h/p?f00\"}"}"#, r#"{"m":"{\"u\":\"https://h/p?removed\"}"}"#),
            (r#"{"u":"https://h/p#f00"}"#, r#"{"u":"https://h/p?removed"}"#),
            (r#"{"u":"//h/p?X-Goog-Signature=f00&a=b"}"#, r#"{"u":"//h/p?X-Goog-Signature=removed"}"#),
            (r#"{"u":"https%3A%2F%2Fh%2Fp%3Ff00"}"#, r#"{"u":"https://h/p?removed"}"#),
            (r#"{"u": "https://h/p?f00"#, r#"{"u": "https://h/p?removed"#),
            ("go to https://h/p?f00 now", "go to https://h/p?removed"),
            (r#"{"d":"aHR0cHM6Ly9oL3A/c2lnPWYwMA=="}"#, r#"{"d":"aHR0cHM6Ly9oL3A/cmVtb3ZlZA=="}"#),
        ] {
            assert_eq!(redacted(before), after);
            assert_eq!(redacted(after), after, "a second time");
        }
    }

    #[test]
    fn what_has_no_secret_stays_to_the_byte() {
        for text in [
            "",
            "{}",
            "  {\"a\" : 1e2, \"a\":\"\\u00e4\\/\"} x",
            r#"{"key":"a%20b+c?.jpg","url":"https://h/p/%20a@b.jpg"}"#,
            "no JSON",
            "[\"unfinished",
            r#"{"url":"https://h/p?removed"}"#,
            r#"{"data":"eyJhIjoiaHR0cHM6Ly9oL3AifQ=="}"#,
        ] {
            assert_eq!(redacted(text), text);
        }
    }

    #[test]
    fn what_is_no_text_is_not_kept() {
        assert_eq!(redact_urls(b"\xff\xd8\xff\xe0 photo"), b"[10 bytes that are no text]");
    }

    #[test]
    fn what_hides_too_deep_is_removed() {
        let mut text = "https://h/p?f00".to_owned();
        for _ in 0..20 {
            text = serde_json::to_string(&[text]).expect("JSON");
        }
        let clean = redacted(&text);
        assert!(clean.contains(HIDDEN) && !clean.contains("f00"), "{clean}");
    }

    #[test]
    fn headers_that_are_credentials_lose_their_value() {
        let headers = [("Authorization", "Bearer f00"), ("x-url", "https://h/p?f00"), ("content-type", "text/plain")];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
        let values: Vec<_> = redact_headers(&headers).into_iter().map(|(_, value)| String::from_utf8(value)).collect();
        assert_eq!(values, ["[removed]", "https://h/p?removed", "text/plain"].map(|text| Ok(text.to_owned())));
    }
}
