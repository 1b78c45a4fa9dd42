//! JPEG (ITU-T T.81). What is coded as nearly all uploads are, in one scan of whole MCUs, is changed in its coded form
//! ([`splice`]): nothing but the touched MCUs is coded again. The rest goes by way of pixels ([`pixels`]).
#![expect(clippy::inline_always, reason = "a walk is one loop over small steps; calls would double its time")]

mod bits;
mod block;
mod colour;
mod frame;
mod huffman;
mod lowest;
mod pixels;
mod scan;
mod segments;
mod splice;
mod transform;
mod walk;

pub(super) use self::pixels::{JpegCoding, encode};
use fearless_simd::Level;

use self::{
    frame::Frame,
    segments::{Segments, walk},
    splice::SplicePhoto,
};
use super::{Format, Limits, Photo, PhotoHeader, corrupt};
use crate::{error::PhotoResult, geometry::Size};

/// From zigzag to row order (T.81 figure 5): `ZIGZAG[k]` is the row-order place of the k-th coefficient.
const ZIGZAG: [usize; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21,
    28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54,
    47, 55, 62, 63,
];

pub(super) fn read_header(bytes: &[u8], limits: &Limits) -> PhotoResult<PhotoHeader> {
    let segments = walk(bytes)?;
    let stored = checked_size(&segments, limits)?;
    let decoded_bytes = match Frame::to_splice(&segments)? {
        Some(frame) => splice::memory_bytes(&frame, &segments),
        None => stored.pixels() * pixels::bytes_per_pixel(&segments),
    };
    Ok(PhotoHeader { format: Format::Jpeg, upright: segments.orientation.turn_size(stored), decoded_bytes })
}

pub(super) fn open(bytes: &[u8], limits: &Limits, scale: f32) -> PhotoResult<Box<dyn Photo>> {
    let segments = walk(bytes)?;
    let stored = checked_size(&segments, limits)?;
    match Frame::to_splice(&segments)? {
        Some(frame) => Ok(Box::new(SplicePhoto::open(bytes, &segments, frame, scale)?)),
        None => Ok(Box::new(pixels::open(bytes, &segments, stored, limits)?)),
    }
}

pub(super) fn walk_coded(bytes: &[u8], limits: &Limits) -> PhotoResult<()> {
    let segments = walk(bytes)?;
    checked_size(&segments, limits)?;
    let frame = Frame::to_splice(&segments)?.ok_or_else(|| corrupt("expected a JPEG that can be spliced"))?;
    SplicePhoto::open_at(bytes, &segments, frame, 0).map(|_| ())
}

fn checked_size(segments: &Segments, limits: &Limits) -> PhotoResult<Size> {
    let size = segments.stored.ok_or_else(|| corrupt("found no frame header"))?;
    limits.check_size(size)?;
    // Every 8x8 block takes at least one bit of the scans (T.81 F.1.2, G.1.2): a header that promises more is a bomb.
    let blocks = size.pixels() / 64;
    let available_bits = segments.kept_bytes() as u64 * 8;
    if blocks > available_bits {
        return Err(corrupt(format!("the header promises {blocks} blocks, the file has {available_bits} bits")));
    }
    Ok(size)
}

/// The vectors that this processor has. Of those with AVX-512, AVX2: nothing here is wider, and it is what tests have run.
fn vectors() -> Level {
    #[cfg(target_arch = "x86_64")]
    if let Some(avx2) = Level::new().as_avx2() {
        return fearless_simd::Simd::level(avx2);
    }
    Level::new()
}
