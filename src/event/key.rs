//! Which keys and names are refused.
//!
//! To a store a key is opaque, so it is never changed or normalised: what is not refused is used to the byte. Refused is
//! what another place would read otherwise than the store: as a way out of a folder, as another line, as another order
//! of letters.

use percent_encoding::percent_decode_str;

use super::{limits::MAX_KEY_BYTES, output_name::RESERVED_NAMES};

/// Why a key is not used, or none.
#[must_use]
pub(super) fn danger(key: &str) -> Option<&'static str> {
    if key.is_empty() {
        return Some("an empty key");
    }
    if key.len() > MAX_KEY_BYTES {
        return Some("a key that is too long");
    }
    if key.chars().any(char::is_control) {
        return Some("a key with control characters");
    }
    if key.chars().any(misleads) {
        return Some("a key with characters that turn text around or break lines");
    }
    if key.contains('\\') {
        return Some("a key with a backslash");
    }
    // An empty part is a slash at the start, at the end or twice: folders and libraries drop it.
    let dangerous = |part| match part {
        "" => Some("a key with an empty part"),
        "." | ".." => Some("a key with a part of dots"),
        _ => None,
    };
    key.split('/').find_map(dangerous)
}

/// Embeddings, overrides and isolates of direction (UAX #9, section 2), line and paragraph separators. Marks of direction
/// and joiners are left: phones and messengers put them into names.
fn misleads(char: char) -> bool {
    matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}

/// Whether a tenant or project can be a part of a key: `[A-Za-z0-9._-]{1,64}`, not starting with a dot, none of Obscura's
/// own.
#[must_use]
pub fn is_safe_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=64).contains(&name.len())
        && name.bytes().all(plain)
        && !name.starts_with('.')
        && !RESERVED_NAMES.contains(&name)
}

/// The text, if every `%` in it starts an encoded byte and all together are UTF-8.
pub(super) fn percent_decoded(text: &str) -> Option<String> {
    let whole = |rest: &str| rest.as_bytes().get(..2).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit));
    if !text.split('%').skip(1).all(whole) {
        return None;
    }
    percent_decode_str(text).decode_utf8().ok().map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_mean_something_else_elsewhere_are_refused() {
        let long = "k".repeat(MAX_KEY_BYTES + 1);
        for key in [
            "",
            "/",
            "/etc/passwd",
            "a/",
            "a//b",
            "..",
            "../a",
            "a/..",
            "a/../b",
            ".",
            "./a",
            "a/./b",
            "a\\b",
            "..\\a",
            "a\0",
            "a\nb",
            "a\u{7f}",
            "a\u{85}b",
            "a\u{202e}gpj.exe",
            "a\u{2066}b",
            "a\u{2028}b",
            &long,
        ] {
            assert!(danger(key).is_some(), "{key:?}");
        }
    }

    #[test]
    fn strange_but_harmless_keys_are_used() {
        for key in [
            "a",
            "a b.jpg",
            "a/b/c.jpg",
            "...",
            "a/..b",
            "a/b..",
            "%2e%2e/a",
            "a%00",
            "Bild äöü.jpg",
            "Bild a\u{308}.jpg",
            "照片/1.jpg",
            "👩\u{200d}👩\u{200d}👧.jpg",
            "WhatsApp\u{200e} 2024.jpg",
            "C:/a",
            "~/a",
            "a?b#c",
            "$HOME",
            "'; --",
            &"k".repeat(MAX_KEY_BYTES),
        ] {
            assert_eq!(danger(key), None, "{key:?}");
        }
    }

    #[test]
    fn names_are_plain() {
        for name in ["a", "Tenant-1", "a.b_c", "-", "_a", &"n".repeat(64)] {
            assert!(is_safe_name(name), "{name}");
        }
        for name in ["", ".", "..", ".a", "a/b", "a b", "ä", "a\0", "_unrouted", "dead-letters", &"n".repeat(65)] {
            assert!(!is_safe_name(name), "{name}");
        }
    }

    #[test]
    fn only_whole_encodings_are_decoded() {
        assert_eq!(percent_decoded("a%20b%C3%A4%2B").as_deref(), Some("a b\u{e4}+"));
        for text in ["%", "a%2", "%zz", "%%20", "%+1", "%ff", "%c0%ae"] {
            assert_eq!(percent_decoded(text), None, "{text}");
        }
    }
}
