//! Views: the MCUs that a view shows, decoded at the scale that is nearest and not smaller.

use super::SplicePhoto;
use crate::{
    error::{ErrorCode, PhotoError, PhotoResult, Stage},
    geometry::{BoxF, Rect, Size},
    photo::{
        Photo, RgbView,
        jpeg::{
            block::Damage,
            colour::{Plane, to_rgb},
            walk::decode,
        },
        pixel::{is_copy, resize_rgb},
    },
};

/// Resampling looks so far beyond a crop, in pixels of the decoded picture.
const MARGIN_PX: u32 = 4;

/// A small picture of the whole photo.
pub(super) struct Reduced {
    /// Pixels for the side of a block: 1, 2, 4 or 8.
    pub scale: usize,
    pub planes: Vec<Plane>,
}

/// Pixels for the side of a block in the smallest picture that shows no less than `scale` does.
pub(super) fn scale_of_blocks(scale: f32) -> usize {
    // Views are rounded up to whole pixels.
    [1, 2, 4].into_iter().find(|&pixels| scale <= pixels as f32 / 8.0 * 1.002).unwrap_or(8)
}

impl SplicePhoto {
    /// The part `crop` (upright pixels) scaled to `out`.
    pub(super) fn show(&self, crop: BoxF, out: Size) -> PhotoResult<RgbView> {
        let (orientation, upright) = (self.keepsakes.orientation, self.upright_size());
        let whole = BoxF::from(upright.rect());
        if !whole.contains(crop) || crop.area() <= 0.0 || out.pixels() == 0 {
            return Err(outside(crop, upright));
        }
        let stored_crop = orientation.stored_box(upright, crop);
        let stored_out = orientation.turn_size(out);
        let scale = scale_for(stored_crop, stored_out);
        let (picture, origin) = match &self.reduced {
            Some(reduced) if reduced.scale >= scale => self.part_of_reduced(reduced, stored_crop, stored_out),
            _ => self.decoded(stored_crop, stored_out, scale)?,
        };
        // The crop in the pixels of the picture.
        let (scale, origin) = origin;
        let shrink = scale as f32 / 8.0;
        let local = BoxF {
            x0: (stored_crop.x0 * shrink - origin.0).max(0.0),
            y0: (stored_crop.y0 * shrink - origin.1).max(0.0),
            x1: (stored_crop.x1 * shrink - origin.0).min(picture.size.width as f32),
            y1: (stored_crop.y1 * shrink - origin.1).min(picture.size.height as f32),
        };
        let rgb = if is_copy(local, stored_out) && picture.size == stored_out {
            picture.rgb
        } else {
            resize_rgb(picture, local, stored_out)?
        };
        Ok(RgbView { size: out, rgb: orientation.upright_rgb(stored_out, rgb) })
    }

    /// The part of the reduced picture around `crop`, its scale and its place.
    fn part_of_reduced(&self, reduced: &Reduced, crop: BoxF, out: Size) -> Placed {
        let scale = reduced.scale as u32;
        let whole = Size::new(reduced_side(self.frame.size.width, scale), reduced_side(self.frame.size.height, scale));
        let margin = if scale == 8 && is_copy(crop, out) { 0 } else { MARGIN_PX };
        let part = around(crop, scale as f32 / 8.0, whole, margin);
        (to_rgb(&self.frame, &reduced.planes, part), (reduced.scale, (part.x as f32, part.y as f32)))
    }

    /// The MCUs around `crop`, decoded; their scale and their place.
    fn decoded(&self, crop: BoxF, out: Size, scale: usize) -> PhotoResult<Placed> {
        let size = self.frame.size;
        let margin = if is_copy(crop, out) { 0 } else { MARGIN_PX * 8 / scale as u32 };
        let wanted = around(crop, 1.0, size, margin);
        let mcus = self.frame.mcus_of(wanted);
        let planes = decode(&self.scan, &self.index, &self.frame, &self.tables, mcus, scale)
            .map_err(|Damage(what)| internal(format!("found {what} where none was before")))?;
        let small = |pixel: u32| pixel * scale as u32 / 8;
        let mcu = self.frame.mcu_size();
        let (left, top) = (small(mcus.x * mcu.width), small(mcus.y * mcu.height));
        let (x, y) = (small(wanted.x), small(wanted.y));
        let right = reduced_side(wanted.right(), scale as u32);
        let bottom = reduced_side(wanted.bottom(), scale as u32);
        let part = Rect { x: x - left, y: y - top, width: right - x, height: bottom - y };
        Ok((to_rgb(&self.frame, &planes, part), (scale, (x as f32, y as f32))))
    }

    /// Where stored pixels are in the planes of some MCUs around them.
    pub(super) fn within(&self, mcus: Rect, stored: Rect) -> Rect {
        let mcu = self.frame.mcu_size();
        Rect { x: stored.x - mcus.x * mcu.width, y: stored.y - mcus.y * mcu.height, ..stored }
    }
}

/// A picture, its scale in pixels for the side of a block, and where it is in the whole picture of that scale.
type Placed = (RgbView, (usize, (f32, f32)));

/// The smallest scale that shows no less than is asked for.
fn scale_for(crop: BoxF, out: Size) -> usize {
    let wanted = (out.width as f32 / crop.width()).max(out.height as f32 / crop.height());
    scale_of_blocks(wanted)
}

fn reduced_side(pixels: u32, scale: u32) -> u32 {
    (pixels * scale).div_ceil(8)
}

/// The whole pixels of a scaled crop and a margin around it.
fn around(crop: BoxF, shrink: f32, whole: Size, margin: u32) -> Rect {
    let low = |value: f32| ((value * shrink).floor() as u32).saturating_sub(margin);
    let high = |value: f32, end: u32| ((value * shrink).ceil() as u32 + margin).min(end);
    let (x, y) = (low(crop.x0).min(whole.width - 1), low(crop.y0).min(whole.height - 1));
    let (right, bottom) = (high(crop.x1, whole.width).max(x + 1), high(crop.y1, whole.height).max(y + 1));
    Rect { x, y, width: right - x, height: bottom - y }
}

fn outside(crop: BoxF, upright: Size) -> PhotoError {
    internal(format!("view {crop:?} of a photo of {upright:?}"))
}

fn internal(detail: String) -> PhotoError {
    PhotoError::new(Stage::Detect, ErrorCode::InternalError, detail)
}
