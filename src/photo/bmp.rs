//! BMP by way of pixels. Every kind of bitmap is published as the plainest one: 24 bits a pixel, 32 with transparency.
//! It has no orientation; the profile that version 5 may carry is left out.

use std::io::Cursor;

use image::{
    ImageDecoder, ImageEncoder,
    codecs::bmp::{BmpDecoder, BmpEncoder},
};

use super::{
    Format, Limits, Orientation, PhotoHeader, corrupt, encode_failed, library,
    pixel::{Coding, Layout, PixelPhoto, Raster},
};
use crate::{error::PhotoResult, geometry::Size};

/// The longest run of pixels that two bytes stand for in run-length coding.
const MAX_RUN_PX: u64 = 255;

pub(super) fn read_header(bytes: &[u8], limits: &Limits) -> PhotoResult<PhotoHeader> {
    let (decoder, size) = checked(bytes, limits)?;
    let bytes_per_pixel = u64::from(decoder.color_type().bytes_per_pixel());
    Ok(PhotoHeader { format: Format::Bmp, upright: size, decoded_bytes: size.pixels() * bytes_per_pixel })
}

pub(super) fn open(bytes: &[u8], limits: &Limits) -> PhotoResult<PixelPhoto> {
    let (decoder, size) = checked(bytes, limits)?;
    let mut raster = library::decode(decoder, size)?;
    ignore_empty_alpha(&mut raster);
    raster.clear_hidden_colour();
    Ok(PixelPhoto { raster, orientation: Orientation::Upright, icc: None, block: Size::new(1, 1), coding: Coding::Bmp })
}

/// The decoder reads headers and palette only until it is asked for pixels.
fn checked<'a>(bytes: &'a [u8], limits: &Limits) -> PhotoResult<(BmpDecoder<Cursor<&'a [u8]>>, Size)> {
    let decoder = BmpDecoder::new(Cursor::new(bytes)).map_err(library::refused)?;
    let (width, height) = decoder.dimensions();
    let size = Size::new(width, height);
    limits.check_size(size)?;
    let available = bytes.len() as u64;
    let needed = match bits_a_pixel(bytes) {
        Some(bits) => u64::from(width) * u64::from(bits) / 8 * u64::from(height),
        // The coding may leave the rest of a row or picture out, but no program that stores photos does.
        None => size.pixels() * 2 / MAX_RUN_PX,
    };
    if coded_end(bytes).is_some_and(|end| end > available) {
        return Err(corrupt("the file ends before its pixels do"));
    }
    if needed > available {
        return Err(corrupt(format!("the header promises {needed} bytes of pixels, the file has {available}")));
    }
    Ok((decoder, size))
}

/// `None` for run-length coding.
fn bits_a_pixel(bytes: &[u8]) -> Option<u16> {
    let field = |at: usize| Some(u16::from_le_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]));
    match bytes.get(14)? {
        // The oldest header has no field for the coding and another place for the bits.
        12 => field(24),
        _ => field(28).filter(|_| !matches!(field(30), Some(1 | 2))),
    }
}

/// Where the run-length coded pixels end, if the file says so. The decoder stops at the last row, with or without the
/// mark of the end.
fn coded_end(bytes: &[u8]) -> Option<u64> {
    let field = |at: usize| Some(u64::from(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?)));
    if bits_a_pixel(bytes).is_some() { None } else { Some(field(10)? + field(34)?) }
}

/// Programs that know no transparency leave its bits zero: such a picture is shown opaque, as browsers do.
fn ignore_empty_alpha(raster: &mut Raster) {
    if raster.layout == Layout::Rgba && raster.data.chunks_exact(4).all(|pixel| pixel[3] == 0) {
        raster.data.chunks_exact_mut(4).for_each(|pixel| pixel[3] = 255);
    }
}

pub(super) fn encode(raster: &Raster) -> PhotoResult<Vec<u8>> {
    let mut bytes = Vec::new();
    BmpEncoder::new(&mut bytes)
        .write_image(&raster.data, raster.size.width, raster.size.height, library::colour_type(raster.layout))
        .map_err(|error| encode_failed(&error))?;
    Ok(bytes)
}
