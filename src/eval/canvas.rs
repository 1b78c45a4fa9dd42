//! Photos of a set at their own size on large canvases, so that a small set shows how large photos fare.

use image::{Rgb, RgbImage, imageops};

use super::dataset::Truth;
use crate::geometry::{BoxF, Rect, Size};

/// 12 megapixels, 4:3.
pub const CANVAS: Size = Size { width: 4000, height: 3000 };
/// Photos lie on whole coding blocks of a JPEG, so that pasting changes little of them.
const GRID_PX: u32 = 16;
/// Space between photos and from the edge.
const GAP_PX: u32 = 32;
const TRIES: usize = 200;
/// Side of the blotches of the background.
const BLOTCH_PX: u32 = 160;
const SEED: u64 = 0x0b5c_07a5;

/// A photo and its labels.
pub(super) type Labelled = (RgbImage, Vec<Truth>);

/// Lays photos on canvases, in the order in which they come.
pub(super) struct Canvases {
    size: Size,
    rng: fastrand::Rng,
}

impl Canvases {
    pub(super) fn new(size: Size) -> Self {
        Self { size, rng: fastrand::Rng::with_seed(SEED) }
    }

    /// Whether a photo leaves room around itself.
    pub(super) fn fits(&self, photo: &RgbImage) -> bool {
        photo.width() + 2 * GAP_PX <= self.size.width && photo.height() + 2 * GAP_PX <= self.size.height
    }

    /// Where the next photo may lie, apart from those that lie there; none if no place was found.
    pub(super) fn place(&mut self, photo: &RgbImage, taken: &[Rect]) -> Option<Rect> {
        let (width, height) = photo.dimensions();
        let free = |side: u32, length: u32| (side.saturating_sub(length + 2 * GAP_PX)) / GRID_PX;
        let (free_x, free_y) = (free(self.size.width, width), free(self.size.height, height));
        let apart = |a: &Rect, b: Rect| {
            a.x >= b.right() + GAP_PX
                || b.x >= a.right() + GAP_PX
                || a.y >= b.bottom() + GAP_PX
                || b.y >= a.bottom() + GAP_PX
        };
        (0..TRIES)
            .map(|_| Rect {
                x: GAP_PX + self.rng.u32(0..=free_x) * GRID_PX,
                y: GAP_PX + self.rng.u32(0..=free_y) * GRID_PX,
                width,
                height,
            })
            .find(|&place| taken.iter().all(|other| apart(other, place)))
    }

    /// The canvas with these photos at their places, and their labels where they came to lie.
    pub(super) fn compose(&mut self, photos: Vec<(Labelled, Rect)>) -> Labelled {
        let mut canvas = self.background();
        let mut truths = Vec::new();
        for ((photo, labels), place) in photos {
            imageops::replace(&mut canvas, &photo, i64::from(place.x), i64::from(place.y));
            let (dx, dy) = (place.x as f32, place.y as f32);
            truths.extend(labels.into_iter().map(|truth| {
                let BoxF { x0, y0, x1, y1 } = truth.area;
                Truth { area: BoxF { x0: x0 + dx, y0: y0 + dy, x1: x1 + dx, y1: y1 + dy }, ..truth }
            }));
        }
        (canvas, truths)
    }

    /// Soft blotches with grain: nothing to be found, but no empty area either.
    fn background(&mut self) -> RgbImage {
        let rng = &mut self.rng;
        let (columns, rows) = (self.size.width.div_ceil(BLOTCH_PX), self.size.height.div_ceil(BLOTCH_PX));
        let blotches = RgbImage::from_fn(columns, rows, |_, _| {
            let grey = rng.u8(70..170);
            Rgb([grey, grey.saturating_add(rng.u8(0..20)), grey.saturating_sub(rng.u8(0..20))])
        });
        let filter = imageops::FilterType::Triangle;
        let mut canvas = imageops::resize(&blotches, self.size.width, self.size.height, filter);
        for pixel in canvas.pixels_mut() {
            let grain = rng.u8(0..12);
            pixel.0 = pixel.0.map(|value| value + grain);
        }
        canvas
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::Class;

    #[test]
    fn photos_lie_apart_and_labels_move_with_them() {
        let size = Size::new(640, 480);
        let mut canvases = Canvases::new(size);
        let photo = |shade: u8| RgbImage::from_pixel(100, 60, Rgb([shade, 0, 0]));
        let area = BoxF { x0: 10.0, y0: 20.0, x1: 30.0, y1: 50.0 };
        let truths = vec![Truth { class: Class::Face, area, is_doubtful: false }];
        let mut placed = Vec::new();
        let mut taken = Vec::new();
        for shade in [200, 210, 220, 230] {
            let place = canvases.place(&photo(shade), &taken).unwrap();
            assert!(size.rect().contains(place));
            taken.push(place);
            placed.push(((photo(shade), truths.clone()), place));
        }
        let (canvas, moved) = canvases.compose(placed);
        assert_eq!(canvas.dimensions(), (640, 480));
        for (index, (truth, place)) in moved.iter().zip(&taken).enumerate() {
            assert!(BoxF::from(*place).contains(truth.area));
            let shade = canvas.get_pixel(truth.area.x0 as u32, truth.area.y0 as u32).0[0];
            assert_eq!(usize::from(shade), 200 + 10 * index);
        }
        assert!(canvases.place(&photo(0), &[size.rect()]).is_none());
        assert!(!canvases.fits(&RgbImage::new(640, 10)) && canvases.fits(&photo(0)));
    }

    #[test]
    fn equal_sets_make_equal_canvases() {
        let make = || Canvases::new(Size::new(200, 100)).compose(Vec::new()).0;
        assert_eq!(make(), make());
    }
}
