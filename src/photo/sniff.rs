//! Telling formats apart by their first bytes. Names are never trusted.

use serde::{Deserialize, Serialize};

use crate::error::{ErrorCode, PhotoError, PhotoResult, Stage};

/// A format that Obscura reads and writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    Jpeg,
    Png,
}

/// The format of these bytes.
///
/// # Errors
/// `empty_file`, or `unsupported_format` with the name of what it looks like.
pub fn sniff(bytes: &[u8]) -> PhotoResult<Format> {
    if bytes.is_empty() {
        return Err(PhotoError::new(Stage::Open, ErrorCode::EmptyFile, "the file has no bytes"));
    }
    if bytes.starts_with(&[0xFF, 0xD8, 0xFF]) {
        return Ok(Format::Jpeg);
    }
    if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        return Ok(Format::Png);
    }
    let (name, hint) = describe(bytes);
    Err(PhotoError::new(Stage::Open, ErrorCode::UnsupportedFormat, format!("expected JPEG or PNG, found {name}"))
        .with_hint(hint))
}

/// What these bytes look like, and what to do with such a file.
fn describe(bytes: &[u8]) -> (&'static str, &'static str) {
    const CONVERT: &str = "convert it to JPEG or PNG first";
    const UNPACK: &str = "unpack it and redact the photos inside";
    const VIDEO: &str = "Obscura redacts photos; export the frames first";
    const NOT_A_PHOTO: &str = "this is not a photo; leave it out of the input";
    let brand = bytes.get(4..12).unwrap_or_default();
    let starts = |magic: &[u8]| bytes.starts_with(magic);
    match () {
        () if starts(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") => ("WebP", CONVERT),
        () if starts(b"GIF8") => ("GIF", CONVERT),
        () if starts(b"II*\0") || starts(b"MM\0*") => ("TIFF or camera raw", CONVERT),
        () if starts(b"BM") => ("BMP", CONVERT),
        () if brand.starts_with(b"ftypavi") => ("AVIF", CONVERT),
        () if [b"ftyphei", b"ftypmif", b"ftyphev", b"ftypmsf"].iter().any(|heif| brand.starts_with(*heif)) => {
            ("HEIC", CONVERT)
        }
        () if brand.starts_with(b"ftyp") => ("a video", VIDEO),
        () if starts(b"\0\0\0\x0cJXL ") || starts(&[0xFF, 0x0A]) => ("JPEG XL", CONVERT),
        () if starts(b"\0\0\0\x0cjP  ") => ("JPEG 2000", CONVERT),
        () if starts(b"PK") => ("a zip archive", UNPACK),
        () if starts(&[0x1F, 0x8B]) => ("a gzip archive", UNPACK),
        () if starts(b"%PDF") => ("a PDF document", NOT_A_PHOTO),
        () if std::str::from_utf8(&bytes[..bytes.len().min(512)]).is_ok() => ("text", NOT_A_PHOTO),
        () => ("something else", CONVERT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detail(bytes: &[u8]) -> String {
        sniff(bytes).unwrap_err().detail
    }

    #[test]
    fn tells_formats_by_content() {
        assert_eq!(sniff(&[0xFF, 0xD8, 0xFF, 0xE0]).unwrap(), Format::Jpeg);
        assert_eq!(sniff(b"\x89PNG\r\n\x1a\n....").unwrap(), Format::Png);
        assert_eq!(sniff(b"").unwrap_err().code, ErrorCode::EmptyFile);
        assert!(detail(b"RIFF....WEBPVP8 ").contains("WebP"));
        assert!(detail(b"\0\0\0\x18ftypheic").contains("HEIC"));
        assert!(detail(b"\0\0\0\x18ftypavif").contains("AVIF"));
        assert!(detail(b"PK\x03\x04").contains("zip"));
        assert!(detail(b"hello").contains("text"));
        assert!(detail(b"\xff").contains("something else"));
    }
}
