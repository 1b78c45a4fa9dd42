//! PNG (ISO/IEC 15948) by way of pixels. 16-bit samples are published as the 8 bits that the detectors saw.

use std::io::Cursor;

use image::{
    ImageDecoder, ImageEncoder, Limits as DecoderLimits,
    codecs::png::{CompressionType, FilterType, PngDecoder, PngEncoder},
};

use super::{
    Format, Limits, Orientation, PhotoHeader, corrupt, encode_failed,
    library::{self, DECODER_EXTRA_BYTES},
    metadata,
    pixel::{Coding, PixelPhoto, Raster},
    several_frames,
};
use crate::{error::PhotoResult, geometry::Size};

pub(super) fn read_header(bytes: &[u8], limits: &Limits) -> PhotoResult<PhotoHeader> {
    let size = checked_size(bytes, limits)?;
    // Up to 4 samples of 2 bytes, and the 8-bit copy.
    let bytes_per_pixel = if bytes.get(24) == Some(&16) { 12 } else { 4 };
    let orientation = exif_orientation(bytes);
    Ok(PhotoHeader {
        format: Format::Png,
        upright: orientation.turn_size(size),
        decoded_bytes: size.pixels() * bytes_per_pixel,
    })
}

pub(super) fn open(bytes: &[u8], limits: &Limits) -> PhotoResult<PixelPhoto> {
    let size = checked_size(bytes, limits)?;
    let mut decoder_limits = DecoderLimits::no_limits();
    decoder_limits.max_alloc = Some(size.pixels() * 8 + DECODER_EXTRA_BYTES);
    let mut decoder = PngDecoder::with_limits(Cursor::new(bytes), decoder_limits).map_err(library::refused)?;
    if decoder.is_apng().map_err(library::refused)? {
        return Err(several_frames("an animation"));
    }
    let icc = decoder.icc_profile().ok().flatten();
    let mut raster = library::decode(decoder, size)?;
    raster.clear_hidden_colour();
    Ok(PixelPhoto {
        icc: icc.and_then(|icc| metadata::rebuild_icc(&icc, raster.layout.is_grey())),
        raster,
        orientation: exif_orientation(bytes),
        block: Size::new(1, 1),
        coding: Coding::Png,
    })
}

/// Width and height stand at a fixed place (11.2.2); they are checked before any decoder starts.
fn checked_size(bytes: &[u8], limits: &Limits) -> PhotoResult<Size> {
    let field = |at: usize| bytes.get(at..at + 4).and_then(|field| field.try_into().ok()).map(u32::from_be_bytes);
    let (Some(width), Some(height), Some(b"IHDR")) = (field(16), field(20), bytes.get(12..16)) else {
        return Err(corrupt("the file ends before its header"));
    };
    let size = Size::new(width, height);
    limits.check_size(size)?;
    // Deflate packs at most 1032 to 1; a row of pixels takes at least one bit a pixel before packing.
    let available = (bytes.len() as u64).saturating_mul(1032 * 8);
    if size.pixels() > available {
        return Err(corrupt(format!(
            "the header promises {} pixels, the file has {} bytes",
            size.pixels(),
            bytes.len()
        )));
    }
    Ok(size)
}

/// The orientation of the eXIf chunk. It may stand behind the picture, so the chunks are walked by their lengths.
fn exif_orientation(bytes: &[u8]) -> Orientation {
    let mut at = 8;
    while let Some(head) = bytes.get(at..at + 8) {
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let Some(body) = bytes.get(at + 8..).and_then(|rest| rest.get(..length)) else { break };
        match &head[4..8] {
            b"eXIf" => return metadata::orientation_of(body),
            b"IEND" => break,
            _ => at += length + 12,
        }
    }
    Orientation::Upright
}

pub(super) fn encode(raster: &Raster, exif: Option<Vec<u8>>, icc: Option<Vec<u8>>) -> PhotoResult<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut encoder = PngEncoder::new_with_quality(&mut bytes, CompressionType::Fast, FilterType::Adaptive);
    if let Some(exif) = exif {
        encoder.set_exif_metadata(exif).map_err(|error| encode_failed(&error))?;
    }
    if let Some(icc) = icc {
        encoder.set_icc_profile(icc).map_err(|error| encode_failed(&error))?;
    }
    let colour = library::colour_type(raster.layout);
    encoder
        .write_image(&raster.data, raster.size.width, raster.size.height, colour)
        .map_err(|error| encode_failed(&error))?;
    Ok(bytes)
}
