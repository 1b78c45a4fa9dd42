//! A small picture of a photo that was published.

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

use super::RedactedPhoto;
use crate::{
    error::{ErrorCode, PhotoError, PhotoResult, Stage},
    geometry::Size,
    photo::{self, Limits},
};

/// Quality (IJG scale) that keeps thumbnails small; they are looked at, not published.
const QUALITY: u8 = 75;

/// A JPEG of at most `long_side_px` pixels a side, upright. It is made from the redacted bytes alone, opened again, so
/// it cannot show what they do not. A transparent photo lies on white.
///
/// # Errors
/// `encode_failed` if there is no such picture.
pub fn thumbnail(photo: &RedactedPhoto, limits: &Limits, long_side_px: u32) -> PhotoResult<Vec<u8>> {
    // Redaction may have made the file a little larger than an original is allowed to be.
    let limits = Limits { max_encoded_bytes: u64::MAX, ..*limits };
    let published = photo::open(&photo.bytes, &limits).map_err(|error| failed(&error.detail))?;
    let size = published.upright_size();
    let out = fitted(size, long_side_px);
    // The last rendition is the one before white.
    let view = published.view(size.rect().into(), out, published.renditions() - 1)?;
    let side = |pixels: u32| u16::try_from(pixels).map_err(|_| failed(&format!("a side of {pixels} pixels")));
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, QUALITY);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    encoder.set_optimized_huffman_tables(true);
    encoder.encode(&view.rgb, side(out.width)?, side(out.height)?, ColorType::Rgb).map_err(|error| failed(&error))?;
    Ok(bytes)
}

fn failed(why: &dyn std::fmt::Display) -> PhotoError {
    PhotoError::new(Stage::Publish, ErrorCode::EncodeFailed, format!("thumbnail: {why}"))
}

/// Scaled down to fit, never up, and never to nothing.
fn fitted(size: Size, long_side_px: u32) -> Size {
    let scale = (f64::from(long_side_px) / f64::from(size.long_side())).min(1.0);
    let side = |pixels: u32| ((f64::from(pixels) * scale).round() as u32).max(1);
    Size::new(side(size.width), side(size.height))
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Maker, OutputFacts, RECEIPT_KIND, RECEIPT_SCHEMA, Receipt, SourceFacts, Times, ViewFacts},
        *,
    };
    use crate::{
        photo::{Format, sniff},
        redact::{ClassPolicy, RedactionPolicy, Style},
    };

    const LIMITS: Limits = Limits { max_encoded_bytes: 1 << 20, max_pixels: 1 << 24, max_side_px: 4096 };

    fn published(bytes: Vec<u8>) -> RedactedPhoto {
        let format = Format::Png;
        let source = SourceFacts { sha256: String::new(), bytes: 0, format, width: 1, height: 1 };
        let policy = ClassPolicy { style: Style::Solid, cells: 1, enlarge_x: 0.0, enlarge_y: 0.0 };
        let receipt = Receipt {
            kind: RECEIPT_KIND,
            schema: RECEIPT_SCHEMA,
            maker: Maker::default(),
            policy: RedactionPolicy { face: policy, plate: policy, text: policy },
            source,
            regions: vec![],
            redacted: vec![],
            models: vec![],
            views: ViewFacts::default(),
            timings_ms: [].into(),
            times: Times::default(),
            output: OutputFacts { sha256: String::new(), bytes: 0, format },
        };
        RedactedPhoto { bytes: bytes.into(), receipt }
    }

    fn png(picture: &image::DynamicImage) -> RedactedPhoto {
        let mut bytes = Vec::new();
        picture.write_to(&mut std::io::Cursor::new(&mut bytes), image::ImageFormat::Png).unwrap();
        published(bytes)
    }

    fn shown(photo: &RedactedPhoto, long_side_px: u32) -> crate::photo::RgbView {
        let bytes = thumbnail(photo, &LIMITS, long_side_px).unwrap();
        assert_eq!(sniff(&bytes).unwrap(), Format::Jpeg);
        let small = photo::open(&bytes, &LIMITS).unwrap();
        let size = small.upright_size();
        small.view(size.rect().into(), size, 0).unwrap()
    }

    #[test]
    fn fits_the_side_and_is_never_enlarged() {
        let red = |width, height| png(&image::RgbImage::from_pixel(width, height, image::Rgb([200, 30, 20])).into());
        assert_eq!(shown(&red(800, 600), 320).size, Size::new(320, 240));
        assert_eq!(shown(&red(100, 150), 320).size, Size::new(100, 150));
        assert_eq!(shown(&red(2000, 1), 320).size, Size::new(320, 1));
        let view = shown(&red(800, 600), 320);
        for (value, expected) in view.rgb[..3].iter().zip([200u8, 30, 20]) {
            assert!(value.abs_diff(expected) < 8, "{:?}", &view.rgb[..3]);
        }
    }

    #[test]
    fn transparency_shows_white() {
        let view = shown(&png(&image::RgbaImage::new(64, 64).into()), 32);
        assert!(view.rgb.iter().all(|&value| value > 250));
    }

    #[test]
    fn bytes_that_do_not_open_give_no_picture() {
        let error = thumbnail(&published(b"no picture".to_vec()), &LIMITS, 320).unwrap_err();
        assert_eq!((error.code, error.stage), (ErrorCode::EncodeFailed, Stage::Publish));
    }
}
