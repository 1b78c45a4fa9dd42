//! Limits that are checked on headers, before anything of the photo's size is allocated.

use crate::{
    error::{ErrorCode, PhotoError, PhotoResult, Stage},
    geometry::Size,
};

/// The largest photo that is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub max_encoded_bytes: u64,
    pub max_pixels: u64,
    pub max_side_px: u32,
}

impl Limits {
    /// # Errors
    /// `encoded_too_large`.
    pub fn check_encoded(&self, bytes: u64) -> PhotoResult<()> {
        if bytes <= self.max_encoded_bytes {
            return Ok(());
        }
        let detail = format!("expected at most {} bytes, found {bytes}", self.max_encoded_bytes);
        Err(PhotoError::new(Stage::Fetch, ErrorCode::EncodedTooLarge, detail))
    }

    /// # Errors
    /// `dimensions_too_large`, or `corrupt_image` for an empty picture.
    pub fn check_size(&self, size: Size) -> PhotoResult<()> {
        if size.width == 0 || size.height == 0 {
            return Err(super::corrupt(format!("the header says {} x {} pixels", size.width, size.height)));
        }
        if size.long_side() <= self.max_side_px && size.pixels() <= self.max_pixels {
            return Ok(());
        }
        let detail = format!(
            "expected at most {} pixels and {} a side, the header says {} x {}",
            self.max_pixels, self.max_side_px, size.width, size.height
        );
        Err(PhotoError::new(Stage::Open, ErrorCode::DimensionsTooLarge, detail))
    }
}
