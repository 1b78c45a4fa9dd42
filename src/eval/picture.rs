//! Pictures in memory while scenes are made.

use image::RgbImage;
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

use crate::{
    error::{ErrorCode, PhotoError, PhotoResult, Stage},
    photo::{Limits, open},
};

/// Quality (IJG scale) of scenes that are encoded anew: what cameras use.
pub(super) const CAMERA_QUALITY: u8 = 92;
const ANY_SIZE: Limits = Limits { max_encoded_bytes: u64::MAX, max_pixels: 1 << 31, max_side_px: 65_535 };

/// The whole upright picture, before white where it is transparent.
///
/// # Errors
/// As [`open`].
pub(super) fn decode(bytes: &[u8]) -> PhotoResult<RgbImage> {
    let photo = open(bytes, &ANY_SIZE)?;
    let size = photo.upright_size();
    let view = photo.view(size.rect().into(), size, photo.renditions() - 1)?;
    RgbImage::from_raw(size.width, size.height, view.rgb).ok_or_else(|| failed("a view of another size"))
}

/// A JPEG with 4:2:0 sampling.
///
/// # Errors
/// `encode_failed`.
pub(super) fn encode(picture: &RgbImage, quality: u8) -> PhotoResult<Vec<u8>> {
    let side = |pixels: u32| u16::try_from(pixels).map_err(|_| failed("a side of more than 65535 pixels"));
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, quality);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    let (width, height) = (side(picture.width())?, side(picture.height())?);
    encoder.encode(picture.as_raw(), width, height, ColorType::Rgb).map_err(|error| failed(&error.to_string()))?;
    Ok(bytes)
}

fn failed(why: &str) -> PhotoError {
    PhotoError::new(Stage::Fetch, ErrorCode::EncodeFailed, format!("scene: {why}"))
}
