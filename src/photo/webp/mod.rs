//! WebP (RFC 9649) by way of pixels: lossless pictures stay lossless, lossy ones are coded lossily again.

mod container;

use std::io::Cursor;

use image::codecs::webp::WebPDecoder;
use webp::{Encoder, PixelLayout, WebPConfig};

use self::container::{Bitstream, Parts, walk};
use super::{
    Format, Limits, Orientation, PhotoHeader, encode_failed, library, metadata,
    pixel::{Coding, Layout, PixelPhoto, Raster},
};
use crate::{error::PhotoResult, geometry::Size};

/// Qualities of a lossy picture (libwebp's scale), the next where verification failed on the one before: in a small
/// region, coding noise can resemble what was there by chance, about once in 400 photos at the first. The source's own
/// quality cannot be kept as for JPEG, because prediction makes every generation another picture.
const LOSSY_QUALITIES: [f32; 3] = [90.0, 96.0, 100.0];
/// Effort of lossless coding, as quality and method of libwebp: more takes several times longer for 1 or 2 % less.
const LOSSLESS_EFFORT: (f32, i32) = (20.0, 1);
/// Lossy pictures are predicted and filtered by macroblock (RFC 6386, 2), colour at half resolution.
const MACROBLOCK_PX: u32 = 16;

/// How the output is coded.
#[derive(Clone, Copy, Debug)]
pub(super) struct WebpCoding {
    bitstream: Bitstream,
    /// Index into the qualities of a lossy picture.
    quality: usize,
}

impl WebpCoding {
    pub(super) fn finer(self) -> Option<Self> {
        let quality = self.quality + 1;
        (self.bitstream == Bitstream::Lossy && quality < LOSSY_QUALITIES.len()).then_some(Self { quality, ..self })
    }
}

pub(super) fn read_header(bytes: &[u8], limits: &Limits) -> PhotoResult<PhotoHeader> {
    let parts = walk(bytes)?;
    limits.check_size(parts.size)?;
    // Planes or packed pixels of the decoder beside the result, and the transparency of a lossy picture beside both. A
    // lossy picture is kept until what was made of it is verified.
    let bytes_per_pixel = if parts.bitstream == Bitstream::Lossy && parts.has_alpha { 15 } else { 8 };
    Ok(PhotoHeader {
        format: Format::Webp,
        upright: parts.orientation.turn_size(parts.size),
        decoded_bytes: parts.size.pixels() * bytes_per_pixel + library::DECODER_EXTRA_BYTES,
    })
}

pub(super) fn open(bytes: &[u8], limits: &Limits) -> PhotoResult<PixelPhoto> {
    let parts = walk(bytes)?;
    limits.check_size(parts.size)?;
    let clean = container::write(&Parts { icc: None, orientation: Orientation::Upright, ..parts.clone() });
    let decoder = WebPDecoder::new(Cursor::new(clean)).map_err(library::refused)?;
    let mut raster = library::decode(decoder, parts.size)?;
    raster.clear_hidden_colour();
    let block = match parts.bitstream {
        Bitstream::Lossy => Size::new(MACROBLOCK_PX, MACROBLOCK_PX),
        Bitstream::Lossless => Size::new(1, 1),
    };
    Ok(PixelPhoto {
        raster,
        orientation: parts.orientation,
        icc: parts.icc.and_then(|icc| metadata::rebuild_icc(icc, false)),
        block,
        coding: Coding::Webp(WebpCoding { bitstream: parts.bitstream, quality: 0 }),
    })
}

pub(super) fn encode(
    raster: &Raster,
    coding: WebpCoding,
    orientation: Orientation,
    icc: Option<&[u8]>,
) -> PhotoResult<Vec<u8>> {
    let layout = match raster.layout {
        Layout::Rgb => PixelLayout::Rgb,
        Layout::Rgba => PixelLayout::Rgba,
        Layout::Grey | Layout::GreyAlpha => return Err(encode_failed(&"WebP has no grey pictures")),
    };
    let mut config = WebPConfig::new().map_err(|()| encode_failed(&"libwebp has no default configuration"))?;
    config.quality = LOSSY_QUALITIES[coding.quality];
    // The deblocking filter would draw the surroundings of a region into it. So fine a quality has no use for it.
    config.filter_strength = 0;
    if coding.bitstream == Bitstream::Lossless {
        config.lossless = 1;
        (config.quality, config.method) = LOSSLESS_EFFORT;
        // Without this, colour under full transparency would be replaced.
        config.exact = 1;
    }
    let coded = Encoder::new(&raster.data, layout, raster.size.width, raster.size.height)
        .encode_advanced(&config)
        .map_err(|error| encode_failed(&format!("libwebp says: {error:?}")))?;
    Ok(container::write(&Parts { icc, orientation, ..walk(&coded)? }))
}
