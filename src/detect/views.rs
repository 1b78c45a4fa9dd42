//! Which parts of a photo a detector looks at, and at which scale.
//!
//! A pure function of the photo's size and what must be found. It promises, for every photo:
//!
//! * every place is seen at the required scale, at which the smallest object appears as large as the model needs it;
//! * every object, from the smallest up to the whole photo, lies whole inside one view in which it appears at least
//!   that large: tiles overlap, and what is larger than an overlap is seen by a coarser view;
//! * there are at least two scales, because a detector that misses an object at one often finds it at another.

use crate::geometry::{BoxF, Size};

/// What a model needs to see.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ViewNeeds {
    /// The smallest object to be found, in photo pixels.
    pub min_object_px: f32,
    /// How large that object must appear, in view pixels.
    pub model_object_px: f32,
    /// Largest side of a view.
    pub tile_px: u32,
    /// Overlap of neighbouring views of one scale.
    pub overlap_px: u32,
}

/// One view: `crop` of the upright photo, scaled to `out`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct View {
    pub crop: BoxF,
    pub out: Size,
}

/// Enlarging beyond this shows a detector nothing new.
const MAX_SCALE: f32 = 2.0;
/// Neighbouring scales differ by at most this, and by no more than what lets the coarser one see what a tile of the
/// finer one cuts. A third scale for photos of 12 megapixels costs a fifth more and covers one face in 200 more.
const MAX_SCALE_STEP: f32 = 4.8;
/// Scales closer than this are one.
const SAME_SCALE: f32 = 1.1;
/// A small photo is also seen this much larger than its overview, up to its own resolution.
const DETAIL_STEP: f32 = 1.6;

impl ViewNeeds {
    /// The scale at which the smallest object appears as large as the model needs it.
    #[must_use]
    pub fn required_scale(&self) -> f32 {
        (self.model_object_px / self.min_object_px).min(MAX_SCALE)
    }

    /// How far neighbouring scales may differ, so that the coarser one sees what a tile of the finer one cuts.
    pub(super) fn step_limit(&self) -> f32 {
        MAX_SCALE_STEP.min(self.overlap_px as f32 / self.model_object_px)
    }
}

/// All views of a photo of this size, coarse scales first.
#[must_use]
pub fn plan_views(photo: Size, needs: &ViewNeeds) -> Vec<View> {
    scales(photo, needs).into_iter().flat_map(|scale| tiles(photo, scale, needs)).collect()
}

/// The scales to look at, ascending.
fn scales(photo: Size, needs: &ViewNeeds) -> Vec<f32> {
    let overview = overview_scale(photo, needs);
    let finest = needs.required_scale().max((overview * DETAIL_STEP).min(1.0));
    let (low, high) = if overview <= finest { (overview, finest) } else { (finest, overview) };
    if high / low < SAME_SCALE {
        return vec![high / 2.0, high];
    }
    scales_between(low, high, photo.long_side() as f32, needs)
}

/// The scale at which a photo fits one view, as far as enlarging makes sense.
pub(super) fn overview_scale(photo: Size, needs: &ViewNeeds) -> f32 {
    (needs.tile_px as f32 / photo.long_side() as f32).min(MAX_SCALE)
}

/// Both scales and those between them: whole steps in geometric progression, none larger than allowed.
pub(super) fn scales_between(low: f32, high: f32, long_side: f32, needs: &ViewNeeds) -> Vec<f32> {
    // A step that is a rounding error longer than allowed is none too many.
    let steps = ((high / low).ln() / needs.step_limit().ln() - 1e-4).ceil().max(1.0);
    let ratio = (high / low).powf(1.0 / steps);
    let between = (1..steps as i32).map(|step| fill_tiles(low * ratio.powi(step), long_side, needs));
    std::iter::once(low).chain(between).chain([high]).collect()
}

/// A scale in between is a little free: rather than start another column of tiles, fill those there are.
fn fill_tiles(scale: f32, long_side: f32, needs: &ViewNeeds) -> f32 {
    let (scaled, stride) = (scale * long_side, (needs.tile_px - needs.overlap_px) as f32);
    let overlap = needs.overlap_px as f32;
    let filled = ((scaled - overlap) / stride).floor() * stride + overlap;
    if filled >= 0.9 * scaled { filled / long_side } else { scale }
}

/// Evenly spread tiles of one scale.
pub(super) fn tiles(photo: Size, scale: f32, needs: &ViewNeeds) -> Vec<View> {
    let scaled = Size::new(scaled_side(photo.width, scale), scaled_side(photo.height, scale));
    let (columns, rows) = (spans(scaled.width, needs), spans(scaled.height, needs));
    let to_photo_x = photo.width as f32 / scaled.width as f32;
    let to_photo_y = photo.height as f32 / scaled.height as f32;
    // The last edge is the photo's own, whatever rounding makes of it.
    let end_x = |end: u32| if end == scaled.width { photo.width as f32 } else { end as f32 * to_photo_x };
    let end_y = |end: u32| if end == scaled.height { photo.height as f32 } else { end as f32 * to_photo_y };
    let mut views = Vec::with_capacity(columns.len() * rows.len());
    for &(y, height) in &rows {
        for &(x, width) in &columns {
            let crop = BoxF {
                x0: x as f32 * to_photo_x,
                y0: y as f32 * to_photo_y,
                x1: end_x(x + width),
                y1: end_y(y + height),
            };
            views.push(View { crop, out: Size::new(width, height) });
        }
    }
    views
}

/// Rounded up, so that nothing is seen smaller than the scale promises; but a rounding error of the scale must not
/// cost a second tile.
pub(super) fn scaled_side(side: u32, scale: f32) -> u32 {
    ((side as f32 * scale - 0.01).ceil() as u32).max(1)
}

/// Start and length of the tiles along one side of `length` pixels: as few as possible, equally long, overlapping by
/// at least `overlap_px`, the last ending at the edge.
fn spans(length: u32, needs: &ViewNeeds) -> Vec<(u32, u32)> {
    if length <= needs.tile_px {
        return vec![(0, length)];
    }
    let stride_limit = needs.tile_px - needs.overlap_px;
    let count = (length - needs.overlap_px).div_ceil(stride_limit);
    // Whole multiples of 32 need no padding and give sessions few shapes.
    let tile = (length + (count - 1) * needs.overlap_px).div_ceil(count).next_multiple_of(32).min(needs.tile_px);
    (0..count)
        .map(|index| {
            let start = u64::from(length - tile) * u64::from(index) / u64::from((count - 1).max(1));
            (u32::try_from(start).unwrap_or(0), tile)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn needs() -> impl Strategy<Value = ViewNeeds> {
        (
            4.0f32..200.0,
            prop_oneof![Just((20.0, 96)), Just((32.0, 128)), Just((12.0, 96))],
            prop_oneof![Just(640u32), Just(896)],
        )
            .prop_map(|(min_object_px, (model_object_px, overlap_px), tile_px)| ViewNeeds {
                min_object_px,
                model_object_px,
                tile_px,
                overlap_px,
            })
    }

    /// Along the longer side: a photo of one pixel's width has one at every scale.
    fn scale_of(view: &View) -> f32 {
        let (width, height) = (view.crop.width(), view.crop.height());
        if width >= height { view.out.width as f32 / width } else { view.out.height as f32 / height }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

        #[test]
        fn every_object_is_seen_whole_and_large_enough(
            width in 1u32..16_384, height in 1u32..16_384, needs in needs(),
            fx in 0.0f32..1.0, fy in 0.0f32..1.0, fs in 0.0f32..1.0,
        ) {
            let photo = Size::new(width, height);
            let views = plan_views(photo, &needs);
            // An object anywhere, of any size from the smallest (log-uniform) to the whole photo.
            let largest = photo.width.min(photo.height) as f32;
            let side = (needs.min_object_px.min(largest) * (largest / needs.min_object_px.min(largest)).powf(fs)).min(largest);
            let x0 = fx * (photo.width as f32 - side);
            let y0 = fy * (photo.height as f32 - side);
            let object = BoxF { x0, y0, x1: x0 + side, y1: y0 + side };
            let required = needs.model_object_px.min(side * needs.required_scale());
            let tolerance = 0.01 + side * 1e-4;
            let seen = views.iter().any(|view| {
                view.crop.enlarged(tolerance / view.crop.width() * 2.0, tolerance / view.crop.height() * 2.0).contains(object)
                    && scale_of(view) * side >= required * 0.99
            });
            prop_assert!(seen, "{object:?} of {photo:?} with {needs:?}: {views:?}");
        }

        #[test]
        fn views_are_inside_the_photo_and_within_the_tile(width in 1u32..16_384, height in 1u32..16_384, needs in needs()) {
            let photo = Size::new(width, height);
            let views = plan_views(photo, &needs);
            let whole = BoxF::from(photo.rect());
            for view in &views {
                prop_assert!(whole.contains(view.crop) && view.crop.area() > 0.0);
                prop_assert!(view.out.long_side() <= needs.tile_px);
            }
            let mut scales: Vec<f32> = views.iter().map(scale_of).collect();
            scales.sort_by(f32::total_cmp);
            if photo.long_side() > 64 {
                prop_assert!(scales.last().unwrap() / scales[0] > 1.05, "one scale only: {scales:?}");
            }
        }
    }

    #[test]
    fn twelve_megapixels_take_a_handful_of_tiles() {
        let needs = ViewNeeds { min_object_px: 20.0, model_object_px: 20.0, tile_px: 896, overlap_px: 96 };
        let views = plan_views(Size::new(4032, 3024), &needs);
        let finest = views.iter().filter(|view| scale_of(view) > 0.99).count();
        assert_eq!((finest, views.len()), (20, 21));
    }
}
