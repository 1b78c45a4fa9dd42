//! Telling formats apart by their first bytes. Names are never trusted.

use serde::{Deserialize, Serialize};

use crate::error::{ErrorCode, PhotoError, PhotoResult, Stage};

/// A format that Obscura reads and writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    Jpeg,
    Png,
    Webp,
    Bmp,
    Tiff,
    Gif,
}

impl Format {
    /// The media type (IANA).
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Webp => "image/webp",
            Self::Bmp => "image/bmp",
            Self::Tiff => "image/tiff",
            Self::Gif => "image/gif",
        }
    }
}

/// The format of these bytes.
///
/// # Errors
/// `empty_file`, or `unsupported_format` with the name of what it looks like.
pub fn sniff(bytes: &[u8]) -> PhotoResult<Format> {
    if bytes.is_empty() {
        return Err(PhotoError::new(Stage::Open, ErrorCode::EmptyFile, "the file has no bytes"));
    }
    if let Some(format) = readable(bytes) {
        return Ok(format);
    }
    let (name, hint) = describe(bytes);
    let detail = format!("expected JPEG, PNG, WebP, BMP, TIFF or GIF, found {name}");
    Err(PhotoError::new(Stage::Open, ErrorCode::UnsupportedFormat, detail).with_hint(hint))
}

fn readable(bytes: &[u8]) -> Option<Format> {
    let starts = |magic: &[u8]| bytes.starts_with(magic);
    match () {
        () if starts(&[0xFF, 0xD8, 0xFF]) => Some(Format::Jpeg),
        () if starts(b"\x89PNG\r\n\x1a\n") => Some(Format::Png),
        () if starts(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") => Some(Format::Webp),
        () if starts(b"GIF87a") || starts(b"GIF89a") => Some(Format::Gif),
        () if starts(b"II*\0") || starts(b"MM\0*") => Some(Format::Tiff),
        () if starts(b"BM") && has_bitmap_header(bytes) => Some(Format::Bmp),
        () => None,
    }
}

/// Two letters are little to go by; the length of the header that follows takes few values (OS/2 1 and 2, Windows 3 to
/// 5 and Adobe's two in between).
fn has_bitmap_header(bytes: &[u8]) -> bool {
    matches!(bytes.get(14..18), Some([12 | 40 | 52 | 56 | 64 | 108 | 124, 0, 0, 0]))
}

/// What these bytes look like, and what to do with such a file.
fn describe(bytes: &[u8]) -> (&'static str, &'static str) {
    const CONVERT: &str = "convert it to JPEG or PNG first";
    const HEIC: &str = "convert it to JPEG first, e.g. `heif-convert -q 95 photo.heic photo.jpg`, or let the phone save \
                        photos as \"most compatible\"";
    const AVIF: &str = "convert it to PNG first, e.g. `avifdec photo.avif photo.png`";
    const BIG_TIFF: &str = "convert it to classic TIFF first, e.g. `tiffcp photo.tif classic.tif`";
    const UNPACK: &str = "unpack it and redact the photos inside";
    const VIDEO: &str = "Obscura redacts photos; export the frames first";
    const NOT_A_PHOTO: &str = "this is not a photo; leave it out of the input";
    let starts = |magic: &[u8]| bytes.starts_with(magic);
    match () {
        () if has_brand(bytes, &["avif", "avis", "avio"]) => ("AVIF", AVIF),
        () if has_brand(bytes, &HEIF_BRANDS) => ("HEIC", HEIC),
        () if has_brand(bytes, &["crx "]) => ("camera raw", CAMERA_RAW_HINT),
        () if bytes.get(4..8) == Some(b"ftyp") => ("a video", VIDEO),
        () if starts(b"II+\0") || starts(b"MM\0+") => ("BigTIFF", BIG_TIFF),
        // Olympus, Panasonic, Fujifilm: close relatives of TIFF under another number.
        () if [&b"IIRO"[..], b"IIRS", b"MMOR", b"IIU\0", b"FUJIFILMCCD-RAW"].iter().any(|magic| starts(magic)) => {
            ("camera raw", CAMERA_RAW_HINT)
        }
        () if starts(b"BM") => ("a bitmap of an unknown kind", CONVERT),
        () if starts(b"\0\0\0\x0cJXL ") || starts(&[0xFF, 0x0A]) => ("JPEG XL", CONVERT),
        () if starts(b"\0\0\0\x0cjP  ") => ("JPEG 2000", CONVERT),
        () if starts(b"PK") => ("a zip archive", UNPACK),
        () if starts(&[0x1F, 0x8B]) => ("a gzip archive", UNPACK),
        () if starts(b"%PDF") => ("a PDF document", NOT_A_PHOTO),
        () if std::str::from_utf8(&bytes[..bytes.len().min(512)]).is_ok() => ("text", NOT_A_PHOTO),
        () => ("something else", CONVERT),
    }
}

/// What to do with a camera's raw file, whatever its container.
pub(super) const CAMERA_RAW_HINT: &str =
    "develop it first, e.g. `darktable-cli photo.dng photo.jpg`, or let the camera save JPEG as well";

/// Still pictures and sequences of ISO/IEC 23008-12 that are not AV1.
const HEIF_BRANDS: [&str; 13] =
    ["heic", "heix", "heim", "heis", "hevc", "hevx", "hevm", "hevs", "mif1", "mif2", "msf1", "miaf", "heif"];

/// Whether the file type box (ISO/IEC 14496-12, 4.3) names one of these brands, as its own or as compatible.
fn has_brand(bytes: &[u8], wanted: &[&str]) -> bool {
    let Some([a, b, c, d, b'f', b't', b'y', b'p']) = bytes.get(..8) else { return false };
    let length = (u32::from_be_bytes([*a, *b, *c, *d]) as usize).min(bytes.len());
    let brands = bytes.get(8..length).unwrap_or_default().chunks_exact(4).enumerate();
    // The second word is the minor version.
    brands.filter(|(place, _)| *place != 1).any(|(_, brand)| wanted.iter().any(|name| name.as_bytes() == brand))
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
        assert_eq!(sniff(b"RIFF....WEBPVP8 ").unwrap(), Format::Webp);
        assert_eq!(sniff(b"GIF89a").unwrap(), Format::Gif);
        assert_eq!(sniff(b"II*\0").unwrap(), Format::Tiff);
        assert_eq!(sniff(b"MM\0*").unwrap(), Format::Tiff);
        assert_eq!(sniff(b"BM............\x28\0\0\0").unwrap(), Format::Bmp);
        assert!(detail(b"BMW is a maker of cars").contains("bitmap of an unknown kind"));
        assert!(detail(b"II+\0\x08\0\0\0").contains("BigTIFF"));
        assert!(detail(b"IIU\0").contains("camera raw"));
        assert!(detail(b"PK\x03\x04").contains("zip"));
        assert!(detail(b"hello").contains("text"));
        assert!(detail(b"\xff").contains("something else"));
    }
    #[test]
    fn modern_containers_are_told_by_any_brand() {
        for brand in HEIF_BRANDS {
            assert!(detail(format!("\0\0\0\x10ftyp{brand}\0\0\0\0").as_bytes()).contains("HEIC"), "{brand}");
        }
        // AVIF says `mif1` too, and either may stand first.
        assert!(detail(b"\0\0\0\x1cftypavif\0\0\0\0mif1miaf").contains("AVIF"));
        assert!(detail(b"\0\0\0\x18ftypmif1\0\0\0\0avif").contains("AVIF"));
        assert!(detail(b"\0\0\0\x18ftypXXXX\0\0\0\0heic").contains("HEIC"));
        assert!(detail(b"\0\0\0\x18ftypcrx \0\0\0\x01isom").contains("camera raw"));
        assert!(detail(b"\0\0\0\x18ftypisom\0\0\0\0mp42").contains("a video"));
        let hint = sniff(b"\0\0\0\x10ftypheic\0\0\0\0").unwrap_err().hint;
        assert!(hint.contains("heif-convert"));
    }
}
