//! Pixel geometry: sizes, integer rectangles and fractional boxes, all with the origin at the top left.

mod area;

use serde::{Deserialize, Serialize};

pub use self::area::{covered_share, union_area};

/// Width and height in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    pub width: u32,
    pub height: u32,
}

impl Size {
    #[must_use]
    pub fn new(width: u32, height: u32) -> Self {
        Self { width, height }
    }

    #[must_use]
    pub fn pixels(self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    #[must_use]
    pub fn long_side(self) -> u32 {
        self.width.max(self.height)
    }

    #[must_use]
    pub fn transposed(self) -> Self {
        Self { width: self.height, height: self.width }
    }

    /// The whole area as a rectangle.
    #[must_use]
    pub fn rect(self) -> Rect {
        Rect { x: 0, y: 0, width: self.width, height: self.height }
    }
}

/// A rectangle of whole pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Rect {
    pub x: u32,
    pub y: u32,
    pub width: u32,
    pub height: u32,
}

impl Rect {
    #[must_use]
    pub fn right(self) -> u32 {
        self.x + self.width
    }

    #[must_use]
    pub fn bottom(self) -> u32 {
        self.y + self.height
    }

    #[must_use]
    pub fn size(self) -> Size {
        Size { width: self.width, height: self.height }
    }

    #[must_use]
    pub fn area(self) -> u64 {
        self.size().pixels()
    }

    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        self.x <= other.x && self.y <= other.y && self.right() >= other.right() && self.bottom() >= other.bottom()
    }
}

/// A box with fractional corners, as detectors report them: `x0 <= x1`, `y0 <= y1`, in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BoxF {
    pub x0: f32,
    pub y0: f32,
    pub x1: f32,
    pub y1: f32,
}

impl BoxF {
    #[must_use]
    pub fn width(self) -> f32 {
        self.x1 - self.x0
    }

    #[must_use]
    pub fn height(self) -> f32 {
        self.y1 - self.y0
    }

    #[must_use]
    pub fn area(self) -> f32 {
        self.width().max(0.0) * self.height().max(0.0)
    }

    #[must_use]
    pub fn is_finite(self) -> bool {
        [self.x0, self.y0, self.x1, self.y1].iter().all(|value| value.is_finite())
    }

    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        self.x0 <= other.x0 && self.y0 <= other.y0 && self.x1 >= other.x1 && self.y1 >= other.y1
    }

    /// The smallest box around both.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self {
            x0: self.x0.min(other.x0),
            y0: self.y0.min(other.y0),
            x1: self.x1.max(other.x1),
            y1: self.y1.max(other.y1),
        }
    }

    #[must_use]
    pub fn intersection_area(self, other: Self) -> f32 {
        let width = self.x1.min(other.x1) - self.x0.max(other.x0);
        let height = self.y1.min(other.y1) - self.y0.max(other.y0);
        width.max(0.0) * height.max(0.0)
    }

    /// Intersection over union, 0 to 1.
    #[must_use]
    pub fn iou(self, other: Self) -> f32 {
        let intersection = self.intersection_area(other);
        let union = self.area() + other.area() - intersection;
        if union > 0.0 { intersection / union } else { 0.0 }
    }

    /// Grown about its centre: by `fraction_x` of its width and `fraction_y` of its height in total.
    #[must_use]
    pub fn enlarged(self, fraction_x: f32, fraction_y: f32) -> Self {
        let dx = self.width() * fraction_x / 2.0;
        let dy = self.height() * fraction_y / 2.0;
        Self { x0: self.x0 - dx, y0: self.y0 - dy, x1: self.x1 + dx, y1: self.y1 + dy }
    }

    /// The pixels that the box touches inside a photo of this size, rounded outward; `None` if there are none.
    #[must_use]
    pub fn to_rect(self, photo: Size) -> Option<Rect> {
        let x0 = self.x0.floor().clamp(0.0, photo.width as f32) as u32;
        let y0 = self.y0.floor().clamp(0.0, photo.height as f32) as u32;
        let x1 = self.x1.ceil().clamp(0.0, photo.width as f32) as u32;
        let y1 = self.y1.ceil().clamp(0.0, photo.height as f32) as u32;
        (x1 > x0 && y1 > y0).then(|| Rect { x: x0, y: y0, width: x1 - x0, height: y1 - y0 })
    }
}

impl From<Rect> for BoxF {
    fn from(rect: Rect) -> Self {
        Self { x0: rect.x as f32, y0: rect.y as f32, x1: rect.right() as f32, y1: rect.bottom() as f32 }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_box() -> impl Strategy<Value = BoxF> {
        (-500.0f32..2500.0, -500.0f32..2500.0, 0.0f32..900.0, 0.0f32..900.0).prop_map(|(x, y, width, height)| BoxF {
            x0: x,
            y0: y,
            x1: x + width,
            y1: y + height,
        })
    }

    proptest! {
        #[test]
        fn rounding_never_shrinks_the_part_inside_the_photo(b in any_box(), width in 1u32..2000, height in 1u32..2000) {
            let photo = Size::new(width, height);
            let whole = BoxF::from(photo.rect());
            match b.to_rect(photo) {
                Some(rect) => {
                    prop_assert!(photo.rect().contains(rect));
                    let inside = BoxF {
                        x0: b.x0.clamp(0.0, whole.x1),
                        y0: b.y0.clamp(0.0, whole.y1),
                        x1: b.x1.clamp(0.0, whole.x1),
                        y1: b.y1.clamp(0.0, whole.y1),
                    };
                    prop_assert!(BoxF::from(rect).contains(inside));
                }
                None => prop_assert!(b.intersection_area(whole) == 0.0),
            }
        }

        #[test]
        fn enlarging_contains_the_box(b in any_box(), fx in 0.0f32..1.0, fy in 0.0f32..1.0) {
            prop_assert!(b.enlarged(fx, fy).contains(b));
        }

        #[test]
        fn union_contains_both(a in any_box(), b in any_box()) {
            prop_assert!(a.union(b).contains(a) && a.union(b).contains(b));
        }
    }
}
