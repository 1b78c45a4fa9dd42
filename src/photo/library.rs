//! What the formats share that are decoded and encoded by the `image` crate.

use image::{DynamicImage, ExtendedColorType, ImageDecoder, ImageError};

use super::{
    corrupt,
    pixel::{Layout, Raster},
    unsupported,
};
use crate::{
    error::{PhotoError, PhotoResult},
    geometry::Size,
};

/// Memory that a decoder may take beside the picture: profile, palette, one row.
pub(super) const DECODER_EXTRA_BYTES: u64 = 16 << 20;

/// Decode the whole picture to 8 bits a sample.
///
/// # Errors
/// `corrupt_image`, or `unsupported_format` for a flavour that the decoder does not know.
pub(super) fn decode(decoder: impl ImageDecoder, size: Size) -> PhotoResult<Raster> {
    let picture = DynamicImage::from_decoder(decoder).map_err(refused)?;
    let (layout, data) = match picture {
        DynamicImage::ImageLuma8(p) => (Layout::Grey, p.into_raw()),
        DynamicImage::ImageLumaA8(p) => (Layout::GreyAlpha, p.into_raw()),
        DynamicImage::ImageRgb8(p) => (Layout::Rgb, p.into_raw()),
        DynamicImage::ImageRgba8(p) => (Layout::Rgba, p.into_raw()),
        DynamicImage::ImageLuma16(_) => (Layout::Grey, picture.into_luma8().into_raw()),
        DynamicImage::ImageLumaA16(_) => (Layout::GreyAlpha, picture.into_luma_alpha8().into_raw()),
        DynamicImage::ImageRgb16(_) => (Layout::Rgb, picture.into_rgb8().into_raw()),
        other => (Layout::Rgba, other.into_rgba8().into_raw()),
    };
    Raster::new(size, layout, data).ok_or_else(|| corrupt("the decoder returned another size than the header's"))
}

/// Why a decoder refused a file.
pub(super) fn refused(error: ImageError) -> PhotoError {
    match error {
        ImageError::Unsupported(what) => unsupported(format!("the decoder says: {what}")),
        other => corrupt(format!("the decoder says: {other}")),
    }
}

pub(super) fn colour_type(layout: Layout) -> ExtendedColorType {
    match layout {
        Layout::Grey => ExtendedColorType::L8,
        Layout::GreyAlpha => ExtendedColorType::La8,
        Layout::Rgb => ExtendedColorType::Rgb8,
        Layout::Rgba => ExtendedColorType::Rgba8,
    }
}
