//! A photo as Obscura sees it: upright, in pixels, able to show any part of itself at any scale and to come back
//! encoded with regions obscured.
//!
//! [`Photo`] is the seam between formats and the rest: detection and redaction never know which format they work on.
//! [`open`] promises that limits are checked before anything of the photo's size is allocated, that the format is told
//! from the bytes and never from a name, and that a decoder's panic becomes `corrupt_image`.

mod bmp;
mod gif;
mod jpeg;
mod library;
mod limits;
mod metadata;
mod orientation;
mod pixel;
mod png;
mod sniff;
mod tiff;
mod webp;

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::Serialize;

pub use self::{
    limits::Limits,
    orientation::Orientation,
    sniff::{Format, sniff},
};
use crate::{
    error::{ErrorCode, PhotoError, PhotoResult, Stage},
    geometry::{BoxF, Rect, Size},
    redact::{Obscured, Style},
};

/// An RGB picture in memory: `size.width * size.height * 3` bytes, rows from the top.
#[derive(Clone, Debug)]
pub struct RgbView {
    pub size: Size,
    pub rgb: Vec<u8>,
}

/// What the header of a photo says, before its pixels are decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PhotoHeader {
    pub format: Format,
    /// Size as shown, after orientation.
    pub upright: Size,
    /// Upper bound of the memory that decoding takes, in bytes.
    #[serde(skip)]
    pub decoded_bytes: u64,
}

/// One decoded photo.
pub trait Photo: Send + Sync {
    /// Size as shown, in pixels.
    fn upright_size(&self) -> Size;

    /// In how many ways the photo can look: one, or several where it is partly transparent and therefore looks
    /// different before a dark and a light background. A detector must have seen them all.
    fn renditions(&self) -> usize;

    /// The part `crop` (upright pixels, inside the photo) scaled to `out` pixels.
    ///
    /// # Errors
    /// `internal_error` if the crop is not inside the photo.
    fn view(&self, crop: BoxF, out: Size, rendition: usize) -> PhotoResult<RgbView>;

    /// The smallest rectangle around `rect` (upright pixels) that can be changed without touching the coding of the
    /// pixels around it: whole coding blocks for a JPEG, `rect` itself elsewhere.
    fn align(&self, rect: Rect) -> Rect;

    /// Cells of a mosaic that are whole multiples of so many pixels take the least room: the side of a coding block.
    fn cell_step(&self) -> u32 {
        1
    }

    /// The style in which this photo can show a region that should have `style`: another one only where the format has
    /// no room for its colours.
    fn style(&self, style: Style) -> Style;

    /// Replace the pixels of every region (upright pixels), in order, and make it opaque.
    ///
    /// # Errors
    /// `internal_error` if a region is not inside the photo.
    fn obscure(&mut self, regions: &[Obscured]) -> PhotoResult<()>;

    /// What `region` (upright pixels, aligned) should show after `painted` have been painted, in order: the colours of
    /// their cells, as far as the coding can show them. It depends on the cells, never on what the photo showed before.
    ///
    /// # Errors
    /// `internal_error` if the region is not inside the photo.
    fn intended(&self, region: Rect, painted: &[Obscured]) -> PhotoResult<RgbView>;

    /// Encode in the format the photo came in, with orientation and colour profile and no other metadata.
    ///
    /// # Errors
    /// `encode_failed`.
    fn encode(&self) -> PhotoResult<Vec<u8>>;

    /// Open what [`Photo::encode`] returned, where there is a cheaper way than [`open`] that finds the same.
    ///
    /// # Errors
    /// As [`open`].
    fn reopen(&self, _encoded: &[u8]) -> Option<PhotoResult<Box<dyn Photo>>> {
        None
    }

    /// Whether the photo can be encoded more finely, for when coding noise alone failed verification.
    fn can_refine(&self) -> bool {
        false
    }

    /// Encode more finely from now on, if possible.
    fn refine(&mut self) {}
}

/// Read the header and check it against `limits`. Allocates nothing of the photo's size.
///
/// # Errors
/// `empty_file`, `encoded_too_large`, `unsupported_format`, `unsupported_jpeg`, `multi_frame_unsupported`,
/// `dimensions_too_large`, `corrupt_image`.
pub fn read_header(bytes: &[u8], limits: &Limits) -> PhotoResult<PhotoHeader> {
    limits.check_encoded(bytes.len() as u64)?;
    guarded(|| match sniff(bytes)? {
        Format::Jpeg => jpeg::read_header(bytes, limits),
        Format::Png => png::read_header(bytes, limits),
        Format::Webp => webp::read_header(bytes, limits),
        Format::Bmp => bmp::read_header(bytes, limits),
        Format::Tiff => tiff::read_header(bytes, limits),
        Format::Gif => gif::read_header(bytes, limits),
    })
}

/// What whole photos are seen at if nothing else is said: a quarter.
const OVERVIEW_SCALE: f32 = 0.25;

/// Decode a photo whose header passed [`read_header`].
///
/// # Errors
/// As [`read_header`].
pub fn open(bytes: &[u8], limits: &Limits) -> PhotoResult<Box<dyn Photo>> {
    open_for(bytes, limits, OVERVIEW_SCALE)
}

/// The same, where views of the whole photo at `scale` (1 for its full size) will be asked for: a JPEG keeps them from
/// the one walk that opening takes.
///
/// # Errors
/// As [`read_header`].
pub fn open_for(bytes: &[u8], limits: &Limits, scale: f32) -> PhotoResult<Box<dyn Photo>> {
    limits.check_encoded(bytes.len() as u64)?;
    guarded(|| {
        let photo = match sniff(bytes)? {
            Format::Jpeg => return jpeg::open(bytes, limits, scale),
            Format::Png => png::open(bytes, limits)?,
            Format::Webp => webp::open(bytes, limits)?,
            Format::Bmp => bmp::open(bytes, limits)?,
            Format::Tiff => tiff::open(bytes, limits)?,
            Format::Gif => gif::open(bytes, limits)?,
        };
        Ok(Box::new(photo) as Box<dyn Photo>)
    })
}

/// Index the coded data of a JPEG that can be spliced and do nothing else: the least that opening one can cost, for the
/// benches to compare with.
///
/// # Errors
/// As [`open`].
#[doc(hidden)]
pub fn walk_coded(bytes: &[u8], limits: &Limits) -> PhotoResult<()> {
    jpeg::walk_coded(bytes, limits)
}

/// Decoders are other people's code on hostile bytes: a panic there condemns the photo, not the process.
fn guarded<T>(work: impl FnOnce() -> PhotoResult<T>) -> PhotoResult<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(corrupt("the decoder gave up on this file")))
}

fn corrupt(detail: impl Into<String>) -> PhotoError {
    PhotoError::new(Stage::Open, ErrorCode::CorruptImage, detail)
}

/// A file that is sound, but of a kind that Obscura does not read.
fn unsupported(detail: impl Into<String>) -> PhotoError {
    PhotoError::new(Stage::Open, ErrorCode::UnsupportedFormat, detail)
}

fn several_frames(found: &str) -> PhotoError {
    let detail = format!("expected one picture, found {found}");
    PhotoError::new(Stage::Open, ErrorCode::MultiFrameUnsupported, detail)
}

fn encode_failed(error: &dyn std::fmt::Display) -> PhotoError {
    PhotoError::new(Stage::Encode, ErrorCode::EncodeFailed, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decoder_s_panic_condemns_the_photo_alone() {
        let result: PhotoResult<()> = guarded(|| panic!("index out of bounds"));
        assert_eq!(result.unwrap_err().code, ErrorCode::CorruptImage);
    }
}
