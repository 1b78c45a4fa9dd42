//! TIFF 6.0 by way of pixels: one picture of grey, RGB or CMYK samples, published as 8 bits, deflated.
//!
//! Camera raw files are TIFF too, and what a decoder finds first in them is a preview: they are refused by name.

mod directory;
mod samples;

use std::{borrow::Cow, io::Cursor};

use tiff::{
    decoder::DecodingResult,
    encoder::{
        Compression, DeflateLevel, ImageEncoder, Predictor, TiffEncoder, TiffKindStandard, TiffValue, colortype,
    },
    tags::{ExtraSamples, Tag, Type},
};

use self::directory::{Directory, refused};
use super::{
    Format, Limits, Orientation, PhotoHeader, encode_failed, metadata,
    pixel::{Coding, Layout, PixelPhoto, Raster},
};
use crate::{error::PhotoResult, geometry::Size};

pub(super) fn read_header(bytes: &[u8], limits: &Limits) -> PhotoResult<PhotoHeader> {
    let directory = Directory::read(bytes, limits)?;
    Ok(PhotoHeader {
        format: Format::Tiff,
        upright: directory.orientation.turn_size(directory.size),
        // The samples as they are stored, their 8-bit copy, and the picture.
        decoded_bytes: directory.sample_bytes() + 2 * directory.samples() + directory.size.pixels() * 4,
    })
}

pub(super) fn open(bytes: &[u8], limits: &Limits) -> PhotoResult<PixelPhoto> {
    let mut directory = Directory::read(bytes, limits)?;
    let mut decoded = DecodingResult::U8(Vec::new());
    directory.decoder.read_image_to_buffer(&mut decoded).map_err(refused)?;
    let mut raster = samples::to_raster(decoded, &directory)?;
    raster.clear_hidden_colour();
    Ok(PixelPhoto {
        icc: directory.icc().and_then(|icc| metadata::rebuild_icc(&icc, raster.layout.is_grey())),
        raster,
        orientation: directory.orientation,
        block: Size::new(1, 1),
        coding: Coding::Tiff,
    })
}

pub(super) fn encode(raster: &Raster, orientation: Orientation, icc: Option<&[u8]>) -> PhotoResult<Vec<u8>> {
    let mut bytes = Vec::new();
    let written = match raster.layout {
        Layout::Grey => write::<colortype::Gray8>(&mut bytes, raster, orientation, icc, Predictor::Horizontal),
        Layout::Rgb => write::<colortype::RGB8>(&mut bytes, raster, orientation, icc, Predictor::Horizontal),
        Layout::Rgba => write::<colortype::RGBA8>(&mut bytes, raster, orientation, icc, Predictor::Horizontal),
        // The encoder's predictor does not know of the second sample.
        Layout::GreyAlpha => write::<colortype::Gray8>(&mut bytes, raster, orientation, icc, Predictor::None),
    };
    written.map_err(|error| encode_failed(&error))?;
    Ok(bytes)
}

fn write<C: colortype::ColorType<Inner = u8>>(
    bytes: &mut Vec<u8>,
    raster: &Raster,
    orientation: Orientation,
    icc: Option<&[u8]>,
    predictor: Predictor,
) -> tiff::TiffResult<()> {
    let mut encoder = TiffEncoder::new(Cursor::new(bytes))?
        .with_compression(Compression::Deflate(DeflateLevel::Fast))
        .with_predictor(predictor);
    let Size { width, height } = raster.size;
    let mut picture: ImageEncoder<'_, _, C, TiffKindStandard> = encoder.new_image(width, height)?;
    match raster.layout {
        Layout::GreyAlpha => picture.extra_samples(&[ExtraSamples::UnassociatedAlpha])?,
        Layout::Rgba => {
            picture.encoder().write_tag(Tag::ExtraSamples, ExtraSamples::UnassociatedAlpha.to_u16())?;
        }
        Layout::Grey | Layout::Rgb => {}
    }
    if orientation != Orientation::Upright {
        picture.encoder().write_tag(Tag::Orientation, orientation.to_exif())?;
    }
    if let Some(icc) = icc {
        picture.encoder().write_tag(Tag::IccProfile, Profile(icc))?;
    }
    picture.write_data(&raster.data)
}

/// Bytes of the type that the specification of ICC profiles asks for (ICC.1:2022, B.4).
struct Profile<'a>(&'a [u8]);

impl TiffValue for Profile<'_> {
    const BYTE_LEN: u8 = 1;
    const FIELD_TYPE: Type = Type::UNDEFINED;

    fn count(&self) -> usize {
        self.0.len()
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(self.0)
    }
}
