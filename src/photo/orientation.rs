//! The eight ways a stored raster can be turned before it is shown upright (EXIF 2.32, tag 0x0112).

use crate::geometry::{BoxF, Rect, Size};

/// How the stored pixels become the upright picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Orientation {
    #[default]
    Upright,
    MirrorHorizontal,
    Rotate180,
    MirrorVertical,
    Transpose,
    Rotate90,
    Transverse,
    Rotate270,
}

impl Orientation {
    pub const ALL: [Self; 8] = [
        Self::Upright,
        Self::MirrorHorizontal,
        Self::Rotate180,
        Self::MirrorVertical,
        Self::Transpose,
        Self::Rotate90,
        Self::Transverse,
        Self::Rotate270,
    ];

    /// From the EXIF value 1 to 8; anything else means upright, as viewers take it.
    #[must_use]
    pub fn from_exif(value: u16) -> Self {
        Self::ALL.get(usize::from(value).wrapping_sub(1)).copied().unwrap_or_default()
    }

    /// The EXIF value, 1 to 8.
    #[must_use]
    pub fn to_exif(self) -> u16 {
        match self {
            Self::Upright => 1,
            Self::MirrorHorizontal => 2,
            Self::Rotate180 => 3,
            Self::MirrorVertical => 4,
            Self::Transpose => 5,
            Self::Rotate90 => 6,
            Self::Transverse => 7,
            Self::Rotate270 => 8,
        }
    }

    /// Whether width and height change places.
    #[must_use]
    pub fn swaps_sides(self) -> bool {
        matches!(self, Self::Transpose | Self::Rotate90 | Self::Transverse | Self::Rotate270)
    }

    /// The size of the upright picture for a stored size, and the other way round.
    #[must_use]
    pub fn turn_size(self, size: Size) -> Size {
        if self.swaps_sides() { size.transposed() } else { size }
    }

    /// Where the upright pixel (`x`, `y`) is stored; `upright` is the size of the upright picture.
    #[must_use]
    pub fn stored_pixel(self, upright: Size, x: u32, y: u32) -> (u32, u32) {
        let (right, bottom) = (upright.width - 1 - x, upright.height - 1 - y);
        match self {
            Self::Upright => (x, y),
            Self::MirrorHorizontal => (right, y),
            Self::Rotate180 => (right, bottom),
            Self::MirrorVertical => (x, bottom),
            Self::Transpose => (y, x),
            Self::Rotate90 => (y, right),
            Self::Transverse => (bottom, right),
            Self::Rotate270 => (bottom, x),
        }
    }

    /// The stored rectangle that shows as `rect` in the upright picture of size `upright`.
    #[must_use]
    pub fn stored_rect(self, upright: Size, rect: Rect) -> Rect {
        let (ax, ay) = self.stored_pixel(upright, rect.x, rect.y);
        let (bx, by) = self.stored_pixel(upright, rect.right() - 1, rect.bottom() - 1);
        Rect { x: ax.min(bx), y: ay.min(by), width: ax.abs_diff(bx) + 1, height: ay.abs_diff(by) + 1 }
    }

    /// An upright box in stored coordinates, fractional corners and all.
    #[must_use]
    pub fn stored_box(self, upright: Size, b: BoxF) -> BoxF {
        let (width, height) = (upright.width as f32, upright.height as f32);
        let mirror_x = BoxF { x0: width - b.x1, x1: width - b.x0, ..b };
        let mirror_y = BoxF { y0: height - b.y1, y1: height - b.y0, ..b };
        let both = BoxF { y0: mirror_y.y0, y1: mirror_y.y1, ..mirror_x };
        let swap = |b: BoxF| BoxF { x0: b.y0, y0: b.x0, x1: b.y1, y1: b.x1 };
        match self {
            Self::Upright => b,
            Self::MirrorHorizontal => mirror_x,
            Self::Rotate180 => both,
            Self::MirrorVertical => mirror_y,
            Self::Transpose => swap(b),
            Self::Rotate90 => swap(mirror_x),
            Self::Transverse => swap(both),
            Self::Rotate270 => swap(mirror_y),
        }
    }

    /// The orientation that undoes this one: itself, but for the two quarter turns, which undo each other.
    #[must_use]
    pub fn inverse(self) -> Self {
        match self {
            Self::Rotate90 => Self::Rotate270,
            Self::Rotate270 => Self::Rotate90,
            other => other,
        }
    }

    /// The upright place of a stored rectangle; `stored` is the size of the stored picture.
    #[must_use]
    pub fn upright_rect(self, stored: Size, rect: Rect) -> Rect {
        self.inverse().stored_rect(stored, rect)
    }

    /// Turn a stored RGB raster (`stored.width * stored.height * 3` bytes) upright.
    #[must_use]
    pub fn upright_rgb(self, stored: Size, rgb: Vec<u8>) -> Vec<u8> {
        if self == Self::Upright {
            return rgb;
        }
        let upright = self.turn_size(stored);
        let mut out = Vec::with_capacity(rgb.len());
        for y in 0..upright.height {
            for x in 0..upright.width {
                let (sx, sy) = self.stored_pixel(upright, x, y);
                let at = (sy as usize * stored.width as usize + sx as usize) * 3;
                out.extend_from_slice(&rgb[at..at + 3]);
            }
        }
        out
    }
}

/// The smallest upright rectangle around `rect` that is made of whole coding blocks of the stored picture, but for its
/// right and bottom edges.
pub(super) fn align_to_blocks(orientation: Orientation, stored: Size, block: Size, rect: Rect) -> Rect {
    let inside = orientation.stored_rect(orientation.turn_size(stored), rect);
    let down = |value: u32, step: u32| value / step * step;
    let (x, y) = (down(inside.x, block.width), down(inside.y, block.height));
    let right = inside.right().next_multiple_of(block.width).min(stored.width);
    let bottom = inside.bottom().next_multiple_of(block.height).min(stored.height);
    orientation.upright_rect(stored, Rect { x, y, width: right - x, height: bottom - y })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn exif_values_round_trip_and_odd_ones_are_upright() {
        for value in 1..=8 {
            assert_eq!(Orientation::from_exif(value).to_exif(), value);
        }
        assert_eq!(Orientation::from_exif(0), Orientation::Upright);
        assert_eq!(Orientation::from_exif(9), Orientation::Upright);
    }

    #[test]
    fn orientation_6_shows_the_stored_left_edge_on_top() {
        // EXIF: 6 = "the 0th row is the visual right-hand side, the 0th column is the visual top".
        let stored = Size::new(4, 2);
        let upright = Orientation::Rotate90.turn_size(stored);
        assert_eq!(upright, Size::new(2, 4));
        let top_row: Vec<_> = (0..2).map(|x| Orientation::Rotate90.stored_pixel(upright, x, 0)).collect();
        assert_eq!(top_row, [(0, 1), (0, 0)]);
    }

    proptest! {
        #[test]
        fn a_rectangle_keeps_its_pixels(
            o in 0usize..8, w in 1u32..40, h in 1u32..40, fx in 0.0f64..1.0, fy in 0.0f64..1.0, fw in 0.0f64..1.0, fh in 0.0f64..1.0,
        ) {
            let orientation = Orientation::ALL[o];
            let upright = Size::new(w, h);
            let stored = orientation.turn_size(upright);
            let x = (fx * f64::from(w - 1)) as u32;
            let y = (fy * f64::from(h - 1)) as u32;
            let rect = Rect {
                x,
                y,
                width: 1 + (fw * f64::from(w - x - 1)) as u32,
                height: 1 + (fh * f64::from(h - y - 1)) as u32,
            };
            let turned = orientation.stored_rect(upright, rect);
            prop_assert!(stored.rect().contains(turned));
            let mut inside = 0;
            for y in 0..h {
                for x in 0..w {
                    let (sx, sy) = orientation.stored_pixel(upright, x, y);
                    let in_rect = rect.contains(Rect { x, y, width: 1, height: 1 });
                    prop_assert_eq!(in_rect, turned.contains(Rect { x: sx, y: sy, width: 1, height: 1 }));
                    inside += u64::from(in_rect);
                }
            }
            prop_assert_eq!(inside, turned.area());
        }
    }
}
