//! Whether an answer's body is what the store keeps, by the checksums that came with it.

use base64::{Engine, prelude::BASE64_STANDARD};
use crc_fast::{CrcAlgorithm, checksum};
use hyper::HeaderMap;
use md5::{Digest, Md5};
use sha2::Sha256;

use super::http::text;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It agrees with every checksum, or there is none.
    Sound,
    /// It disagrees with one: damaged on the way, or in the store.
    Damaged,
}

/// What an ETag says of the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    /// Amazon documents it as MD5 of plain or SSE-S3 objects that were put in one part.
    Amazon,
    /// As Amazon's with all that are known, but for encrypted objects.
    Compatible,
    Nothing,
}

/// Judge by the strongest cheap evidence: checksums that the store sends; else its hash of an upload in one part.
pub(super) fn judge(headers: &HeaderMap, tag: Tag, body: &[u8]) -> Verdict {
    if text(headers, "x-goog-stored-content-encoding").is_some_and(|stored| stored != "identity")
        && !headers.contains_key("content-encoding")
    {
        // Decompressed on the way: the checksums are of what is stored.
        return Verdict::Sound;
    }
    let mut is_checked = false;
    for (given, found) in checksums(headers, body) {
        if given != found {
            return Verdict::Damaged;
        }
        is_checked = true;
    }
    if is_checked {
        return Verdict::Sound;
    }
    let given = match text(headers, "content-md5") {
        Some(given) => Some(given.to_owned()),
        None => plain_md5(headers, tag).map(|hash| BASE64_STANDARD.encode(hash)),
    };
    match given {
        Some(given) if given != BASE64_STANDARD.encode(Md5::digest(body)) => Verdict::Damaged,
        _ => Verdict::Sound,
    }
}

/// Those given and those of the body, in base64. Of a multipart upload there is only a checksum of checksums.
fn checksums<'a>(headers: &'a HeaderMap, body: &'a [u8]) -> impl Iterator<Item = (&'a str, String)> + 'a {
    let is_whole = text(headers, "x-amz-checksum-type") != Some("COMPOSITE");
    let crc32 = |algorithm| BASE64_STANDARD.encode((checksum(algorithm, body) as u32).to_be_bytes());
    let amazon = [
        ("x-amz-checksum-crc64nvme", 0),
        ("x-amz-checksum-crc32c", 1),
        ("x-amz-checksum-crc32", 2),
        ("x-amz-checksum-sha256", 3),
    ];
    let amazon = amazon.into_iter().filter_map(move |(name, kind)| {
        let given = text(headers, name).filter(|value| is_whole && !value.contains('-'))?;
        let found = match kind {
            0 => BASE64_STANDARD.encode(checksum(CrcAlgorithm::Crc64Nvme, body).to_be_bytes()),
            1 => crc32(CrcAlgorithm::Crc32Iscsi),
            2 => crc32(CrcAlgorithm::Crc32IsoHdlc),
            _ => BASE64_STANDARD.encode(Sha256::digest(body)),
        };
        Some((given, found))
    });
    // `crc32c=...`, and for objects that were not composed `md5=...`, in one header or in two.
    let google = headers.get_all("x-goog-hash").into_iter().filter_map(|value| value.to_str().ok());
    let google = google.flat_map(|value| value.split(',')).filter_map(move |part| {
        part.trim().strip_prefix("crc32c=").map(|given| (given, crc32(CrcAlgorithm::Crc32Iscsi)))
    });
    amazon.chain(google)
}

/// The ETag if it is the MD5 of the content.
fn plain_md5(headers: &HeaderMap, tag: Tag) -> Option<Vec<u8>> {
    let encryption = text(headers, "x-amz-server-side-encryption");
    let is_plain = match tag {
        Tag::Nothing => false,
        Tag::Amazon => encryption.is_none_or(|how| how == "AES256"),
        Tag::Compatible => encryption.is_none(),
    };
    if !is_plain || headers.contains_key("x-amz-server-side-encryption-customer-algorithm") {
        return None;
    }
    let tag = text(headers, "etag")?.strip_prefix('"')?.strip_suffix('"')?;
    let is_hash = tag.len() == 32 && tag.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    let byte = |at: usize| u8::from_str_radix(tag.get(at..at + 2)?, 16).ok();
    if is_hash { (0..32).step_by(2).map(byte).collect() } else { None }
}

#[cfg(test)]
mod tests {
    use hyper::header::{HeaderName, HeaderValue};

    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
            .collect()
    }

    /// Check values of `123456789` from the catalogue of CRC algorithms, RFC 1321 and FIPS 180.
    #[test]
    fn every_checksum_is_understood() {
        let body = b"123456789";
        for (name, value) in [
            ("x-amz-checksum-crc32", BASE64_STANDARD.encode(0xcbf4_3926_u32.to_be_bytes())),
            ("x-amz-checksum-crc32c", BASE64_STANDARD.encode(0xe306_9283_u32.to_be_bytes())),
            ("x-amz-checksum-crc64nvme", BASE64_STANDARD.encode(0xae8b_1486_0a79_9888_u64.to_be_bytes())),
            ("x-amz-checksum-sha256", "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=".to_owned()),
            ("x-goog-hash", format!("md5=x,crc32c={}", BASE64_STANDARD.encode(0xe306_9283_u32.to_be_bytes()))),
        ] {
            let headers = headers(&[(name, &value)]);
            assert_eq!(judge(&headers, Tag::Nothing, body), Verdict::Sound, "{name}");
            assert_eq!(judge(&headers, Tag::Nothing, b"12345678"), Verdict::Damaged, "{name}");
        }
        let md5 = headers(&[("content-md5", "JfnnlDI7RTiF9RgfG2JNCw==")]);
        assert_eq!(judge(&md5, Tag::Nothing, body), Verdict::Sound);
        assert_eq!(judge(&md5, Tag::Nothing, b""), Verdict::Damaged);
    }

    #[test]
    fn a_tag_counts_only_where_it_can_be_a_hash() {
        const TAG: &str = "\"25f9e794323b453885f5181f1b624d0b\"";
        let tag = headers(&[("etag", TAG)]);
        assert_eq!(judge(&tag, Tag::Amazon, b"123456789"), Verdict::Sound);
        assert_eq!(judge(&tag, Tag::Amazon, b"x"), Verdict::Damaged);
        assert_eq!(judge(&tag, Tag::Compatible, b"x"), Verdict::Damaged);
        let encrypted = headers(&[("etag", TAG), ("x-amz-server-side-encryption", "AES256")]);
        assert_eq!(judge(&encrypted, Tag::Amazon, b"x"), Verdict::Damaged);
        assert_eq!(judge(&encrypted, Tag::Compatible, b"x"), Verdict::Sound);
        assert_eq!(judge(&tag, Tag::Nothing, b"x"), Verdict::Sound);
        for other in [
            headers(&[("etag", "\"25f9e794323b453885f5181f1b624d0b-2\"")]),
            headers(&[("etag", TAG), ("x-amz-server-side-encryption", "aws:kms")]),
            headers(&[("etag", TAG), ("x-amz-server-side-encryption-customer-algorithm", "AES256")]),
        ] {
            assert_eq!(judge(&other, Tag::Amazon, b"x"), Verdict::Sound);
        }
        let composite = headers(&[("x-amz-checksum-crc32", "AAAAAA==-2")]);
        assert_eq!(judge(&composite, Tag::Nothing, b"x"), Verdict::Sound);
    }
}
