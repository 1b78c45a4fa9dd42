//! A photo held as pixels: how every format is handled that cannot be changed in its coded form.

use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer, images::Image, images::ImageRef};

use super::{Orientation, Photo, RgbView, bmp, gif, jpeg, metadata, orientation::align_to_blocks, png, tiff, webp};
use crate::{
    error::{ErrorCode, PhotoError, PhotoResult, Stage},
    geometry::{BoxF, Rect, Size},
    redact::{Obscured, Style},
};

/// Meaning and number of the samples of a pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    Grey,
    GreyAlpha,
    Rgb,
    Rgba,
}

impl Layout {
    pub(super) fn channels(self) -> usize {
        match self {
            Self::Grey => 1,
            Self::GreyAlpha => 2,
            Self::Rgb => 3,
            Self::Rgba => 4,
        }
    }

    pub(super) fn is_grey(self) -> bool {
        matches!(self, Self::Grey | Self::GreyAlpha)
    }

    pub(super) fn has_alpha(self) -> bool {
        matches!(self, Self::GreyAlpha | Self::Rgba)
    }

    fn pixel_type(self) -> PixelType {
        match self {
            Self::Grey => PixelType::U8,
            Self::GreyAlpha => PixelType::U8x2,
            Self::Rgb => PixelType::U8x3,
            Self::Rgba => PixelType::U8x4,
        }
    }
}

/// Stored pixels, 8 bits a sample, rows from the top.
#[derive(Clone, Debug)]
pub(super) struct Raster {
    pub size: Size,
    pub layout: Layout,
    pub data: Vec<u8>,
}

impl Raster {
    /// `None` if the data does not have the length that size and layout ask for.
    pub(super) fn new(size: Size, layout: Layout, data: Vec<u8>) -> Option<Self> {
        let fits = data.len() as u64 == size.pixels() * layout.channels() as u64;
        fits.then_some(Self { size, layout, data })
    }

    fn is_opaque(&self) -> bool {
        let channels = self.layout.channels();
        !self.layout.has_alpha() || self.data.iter().skip(channels - 1).step_by(channels).all(|&alpha| alpha == 255)
    }

    /// Colour under full transparency is invisible in every viewer and would be published unseen.
    pub(super) fn clear_hidden_colour(&mut self) {
        if self.layout.has_alpha() {
            for pixel in self.data.chunks_exact_mut(self.layout.channels()) {
                if pixel.last() == Some(&0) {
                    pixel.fill(0);
                }
            }
        }
    }
}

/// How the photo is encoded again.
#[derive(Clone, Debug)]
pub(super) enum Coding {
    Jpeg(jpeg::JpegCoding),
    Png,
    Webp(webp::WebpCoding),
    Bmp,
    Tiff,
    Gif(gif::GifCoding),
}

/// A decoded photo in its stored orientation.
#[derive(Clone, Debug)]
pub(super) struct PixelPhoto {
    pub raster: Raster,
    pub orientation: Orientation,
    pub icc: Option<Vec<u8>>,
    /// Size of the coding blocks in stored pixels; regions are rounded outward to them.
    pub block: Size,
    pub coding: Coding,
}

/// What a partly transparent photo is laid on for a rendition after the first, which shows the bare colours.
const BACKGROUNDS: [u8; 2] = [0, 255];

impl Photo for PixelPhoto {
    fn upright_size(&self) -> Size {
        self.orientation.turn_size(self.raster.size)
    }

    fn renditions(&self) -> usize {
        if self.raster.is_opaque() { 1 } else { 1 + BACKGROUNDS.len() }
    }

    fn view(&self, crop: BoxF, out: Size, rendition: usize) -> PhotoResult<RgbView> {
        let stored_crop = self.orientation.stored_box(self.upright_size(), crop);
        let stored_out = self.orientation.turn_size(out);
        let composite = rendition > 0;
        let scaled = if is_copy(stored_crop, stored_out) && !composite {
            copy(&self.raster, stored_crop)
        } else {
            resize(&self.raster, stored_crop, stored_out, composite)?
        };
        let background = if composite { BACKGROUNDS.get(rendition - 1).copied() } else { None };
        let rgb = to_rgb(self.raster.layout, scaled, background);
        Ok(RgbView { size: out, rgb: self.orientation.upright_rgb(stored_out, rgb) })
    }

    fn align(&self, rect: Rect) -> Rect {
        align_to_blocks(self.orientation, self.raster.size, self.block, rect)
    }

    fn style(&self, style: Style) -> Style {
        match (&self.coding, style) {
            // A blend would take more colours than a palette has, and from the rest of the picture.
            (Coding::Gif(_), Style::Blur) => Style::Mosaic,
            _ => style,
        }
    }

    fn obscure(&mut self, regions: &[Obscured]) -> PhotoResult<()> {
        let upright = self.upright_size();
        let channels = self.raster.layout.channels();
        let width = self.raster.size.width as usize;
        for region in regions {
            let rect = region.rect;
            if !upright.rect().contains(rect) {
                return Err(internal(format!("region {rect:?} of a photo of {upright:?}")));
            }
            for y in 0..rect.height {
                for x in 0..rect.width {
                    let (sx, sy) = self.orientation.stored_pixel(upright, rect.x + x, rect.y + y);
                    let at = (sy as usize * width + sx as usize) * channels;
                    let colour = region.colour_at(x, y);
                    write_pixel(self.raster.layout, &mut self.raster.data[at..at + channels], colour);
                }
            }
            if let Coding::Gif(coding) = &mut self.coding {
                coding.keep(region.colours());
            }
        }
        Ok(())
    }

    /// The pixels themselves have been painted, and are not coded yet.
    fn intended(&self, region: Rect, _painted: &[Obscured]) -> PhotoResult<RgbView> {
        self.view(region.into(), region.size(), 0)
    }

    fn encode(&self) -> PhotoResult<Vec<u8>> {
        let exif = metadata::orientation_block(self.orientation);
        match &self.coding {
            Coding::Jpeg(coding) => jpeg::encode(&self.raster, coding, exif, self.icc.as_deref()),
            Coding::Png => png::encode(&self.raster, exif, self.icc.clone()),
            Coding::Webp(coding) => webp::encode(&self.raster, *coding, self.orientation, self.icc.as_deref()),
            Coding::Bmp => bmp::encode(&self.raster),
            Coding::Tiff => tiff::encode(&self.raster, self.orientation, self.icc.as_deref()),
            Coding::Gif(coding) => gif::encode(&self.raster, coding),
        }
    }

    fn can_refine(&self) -> bool {
        matches!(&self.coding, Coding::Webp(coding) if coding.finer().is_some())
    }

    fn refine(&mut self) {
        if let Coding::Webp(coding) = &mut self.coding {
            *coding = coding.finer().unwrap_or(*coding);
        }
    }
}

fn write_pixel(layout: Layout, pixel: &mut [u8], colour: [u8; 3]) {
    match layout {
        Layout::Grey | Layout::GreyAlpha => pixel[0] = luma(colour),
        Layout::Rgb | Layout::Rgba => pixel[..3].copy_from_slice(&colour),
    }
    if layout.has_alpha() {
        pixel[layout.channels() - 1] = 255;
    }
}

/// Rec. 601 luma, as JPEG uses it.
fn luma([r, g, b]: [u8; 3]) -> u8 {
    if r == g && g == b {
        return r;
    }
    ((u32::from(r) * 19595 + u32::from(g) * 38470 + u32::from(b) * 7471 + 32768) >> 16) as u8
}

#[expect(clippy::float_cmp, reason = "whole pixels are exact")]
pub(super) fn is_copy(crop: BoxF, out: Size) -> bool {
    crop.x0.fract() == 0.0
        && crop.y0.fract() == 0.0
        && crop.width() == out.width as f32
        && crop.height() == out.height as f32
}
fn copy(raster: &Raster, crop: BoxF) -> Vec<u8> {
    let channels = raster.layout.channels();
    let (x, width) = (crop.x0 as usize * channels, crop.width() as usize * channels);
    let stride = raster.size.width as usize * channels;
    let mut out = Vec::with_capacity(width * crop.height() as usize);
    for y in crop.y0 as usize..crop.y1 as usize {
        out.extend_from_slice(&raster.data[y * stride + x..y * stride + x + width]);
    }
    out
}

/// The part `crop` of a picture, scaled.
pub(super) fn resize_rgb(picture: RgbView, crop: BoxF, out: Size) -> PhotoResult<Vec<u8>> {
    let raster = Raster { size: picture.size, layout: Layout::Rgb, data: picture.rgb };
    resize(&raster, crop, out, false)
}

/// Area-averaging where it shrinks, bilinear where it grows.
fn resize(raster: &Raster, crop: BoxF, out: Size, use_alpha: bool) -> PhotoResult<Vec<u8>> {
    let failed = |error: &dyn std::fmt::Display| internal(format!("view {crop:?} of {:?}: {error}", raster.size));
    let pixel_type = raster.layout.pixel_type();
    let source = ImageRef::new(raster.size.width, raster.size.height, &raster.data, pixel_type)
        .map_err(|error| failed(&error))?;
    let mut target = Image::new(out.width, out.height, pixel_type);
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(FilterType::Bilinear))
        .use_alpha(use_alpha)
        // Differences of single precision may be rounded up, and so end beyond the edge.
        .crop(
            f64::from(crop.x0),
            f64::from(crop.y0),
            f64::from(crop.x1) - f64::from(crop.x0),
            f64::from(crop.y1) - f64::from(crop.y0),
        );
    Resizer::new().resize(&source, &mut target, &options).map_err(|error| failed(&error))?;
    Ok(target.into_vec())
}

/// Drop alpha, or lay the picture on a background of one grey.
fn to_rgb(layout: Layout, data: Vec<u8>, background: Option<u8>) -> Vec<u8> {
    let over = |value: u8, alpha: u8| match background {
        None => value,
        Some(grey) => {
            let alpha = u32::from(alpha);
            ((u32::from(value) * alpha + u32::from(grey) * (255 - alpha) + 127) / 255) as u8
        }
    };
    match layout {
        Layout::Rgb => data,
        Layout::Grey => data.into_iter().flat_map(|grey| [grey; 3]).collect(),
        Layout::GreyAlpha => data.chunks_exact(2).flat_map(|pixel| [over(pixel[0], pixel[1]); 3]).collect(),
        Layout::Rgba => {
            data.chunks_exact(4).flat_map(|p| [over(p[0], p[3]), over(p[1], p[3]), over(p[2], p[3])]).collect()
        }
    }
}

fn internal(detail: String) -> PhotoError {
    PhotoError::new(Stage::Detect, ErrorCode::InternalError, detail)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_crop_that_ends_at_the_edge_does_not_end_behind_it() {
        let size = Size::new(1147, 873);
        let picture = || RgbView { size, rgb: vec![0; size.pixels() as usize * 3] };
        for (x0, y0) in [(4.790_344, 0.0), (4.790_344, 4.920_654_3), (0.1, 0.7)] {
            let crop = BoxF { x0, y0, x1: 1147.0, y1: 873.0 };
            assert!(resize_rgb(picture(), crop, Size::new(800, 608)).is_ok(), "{crop:?}");
        }
    }

    /// A grey photo whose every pixel is different, in any orientation.
    fn numbered(orientation: Orientation, upright: Size, block: Size) -> PixelPhoto {
        let stored = orientation.turn_size(upright);
        let data = (0..stored.pixels()).map(|at| (at * 7 % 251) as u8).collect();
        let raster = Raster::new(stored, Layout::Grey, data).unwrap();
        PixelPhoto { raster, orientation, icc: None, block, coding: Coding::Png }
    }

    proptest! {
        #[test]
        fn a_view_at_full_scale_is_the_upright_picture(o in 0usize..8, w in 2u32..20, h in 2u32..20, x in 0u32..10, y in 0u32..10) {
            let upright = Size::new(w, h);
            let orientation = Orientation::ALL[o];
            let photo = numbered(orientation, upright, Size::new(1, 1));
            let (x, y) = (x % w, y % h);
            let rect = Rect { x, y, width: w - x, height: h - y };
            let view = photo.view(rect.into(), rect.size(), 0).unwrap();
            for row in 0..rect.height {
                for column in 0..rect.width {
                    let (sx, sy) = orientation.stored_pixel(upright, x + column, y + row);
                    let expected = photo.raster.data[(sy * photo.raster.size.width + sx) as usize];
                    prop_assert_eq!(view.rgb[((row * rect.width + column) * 3) as usize], expected);
                }
            }
        }

        #[test]
        fn alignment_rounds_outward_to_stored_blocks(
            o in 0usize..8, w in 1u32..90, h in 1u32..90, fx in 0.0f32..1.0, fy in 0.0f32..1.0, side in 1.0f32..40.0,
        ) {
            let upright = Size::new(w, h);
            let photo = numbered(Orientation::ALL[o], upright, Size::new(16, 8));
            let (x0, y0) = (fx * (w - 1) as f32, fy * (h - 1) as f32);
            let rect = BoxF { x0, y0, x1: x0 + side, y1: y0 + side }.to_rect(upright).unwrap();
            let aligned = photo.align(rect);
            prop_assert!(aligned.contains(rect) && upright.rect().contains(aligned));
            let stored = photo.orientation.stored_rect(upright, aligned);
            prop_assert!(stored.x.is_multiple_of(16) && stored.y.is_multiple_of(8));
            prop_assert!(stored.right().is_multiple_of(16) || stored.right() == photo.raster.size.width);
            prop_assert!(stored.bottom().is_multiple_of(8) || stored.bottom() == photo.raster.size.height);
        }
    }

    #[test]
    fn transparent_photos_are_seen_on_dark_and_light() {
        let data = vec![10, 20, 30, 128, 200, 200, 200, 0];
        let mut raster = Raster::new(Size::new(2, 1), Layout::Rgba, data).unwrap();
        raster.clear_hidden_colour();
        let photo = PixelPhoto {
            raster,
            orientation: Orientation::Upright,
            icc: None,
            block: Size::new(1, 1),
            coding: Coding::Png,
        };
        assert_eq!(photo.renditions(), 3);
        let whole = Size::new(2, 1);
        let seen = |rendition| photo.view(whole.rect().into(), whole, rendition).unwrap().rgb;
        assert_eq!(seen(0), [10, 20, 30, 0, 0, 0]);
        assert_eq!(seen(1), [5, 10, 15, 0, 0, 0]);
        assert_eq!(seen(2), [132, 137, 142, 255, 255, 255]);
    }
}
