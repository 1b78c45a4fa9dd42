//! Pictures of what went wrong most: true boxes that stayed visible, and boxes where nothing is. They show people and
//! plates as they are, so they belong where the set itself may be.

use image::{Rgb, RgbImage, imageops};

use super::{
    picture::{decode, encode},
    scene::Scene,
};
use crate::{
    detect::Class,
    geometry::{BoxF, Size},
};

/// Kept of each kind and class.
const MAX_CROPS: usize = 24;
/// A crop is so many times as large as the box in it.
const CONTEXT: f32 = 3.0;
/// Longer side of a crop, in pixels.
const SIDE_PX: u32 = 240;
const QUALITY: u8 = 85;
const FRAME: Rgb<u8> = Rgb([255, 40, 40]);

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CropKind {
    /// A true box that was not covered.
    Miss,
    /// A detection that touches no true box.
    False,
}

/// A box and what is around it.
#[derive(Clone, Debug)]
pub struct Crop {
    pub kind: CropKind,
    pub class: Class,
    pub scene: String,
    /// Upright pixels of the scene.
    pub area: BoxF,
    /// Covered share of a miss, score of a false box.
    pub value: f32,
    pub jpeg: Vec<u8>,
    badness: f32,
}

/// Keeps the worst.
pub(super) struct Crops {
    wanted: bool,
    kept: Vec<Crop>,
    /// The last scene decoded: boxes of one come together.
    decoded: Option<(String, RgbImage)>,
}

impl Crops {
    pub(super) fn new(wanted: bool) -> Self {
        Self { wanted, kept: Vec::new(), decoded: None }
    }

    /// A box that went wrong, the worse the greater its `badness`.
    pub(super) fn offer(&mut self, scene: &Scene, kind: CropKind, class: Class, area: BoxF, value: f32, badness: f32) {
        let alike = |crop: &&Crop| crop.kind == kind && crop.class == class;
        let is_full = self.kept.iter().filter(alike).count() >= MAX_CROPS;
        let least = self.kept.iter().filter(alike).map(|crop| crop.badness).fold(f32::INFINITY, f32::min);
        if !self.wanted || (is_full && badness <= least) {
            return;
        }
        if self.decoded.as_ref().is_none_or(|(name, _)| *name != scene.name) {
            // It was decoded before; one that fails now shows no crop.
            self.decoded = decode(&scene.bytes).ok().map(|picture| (scene.name.clone(), picture));
        }
        let Some(jpeg) = self.decoded.as_ref().and_then(|(_, picture)| cut(picture, area)) else { return };
        let displaced = self.kept.iter().position(|crop| is_full && alike(&crop) && crop.badness <= least);
        if let Some(index) = displaced {
            self.kept.swap_remove(index);
        }
        self.kept.push(Crop { kind, class, scene: scene.name.clone(), area, value, jpeg, badness });
    }

    pub(super) fn into_sorted(self) -> Vec<Crop> {
        let mut kept = self.kept;
        kept.sort_by(|a, b| b.badness.total_cmp(&a.badness));
        kept
    }
}

/// The box, framed, and what is around it, as a JPEG.
fn cut(picture: &RgbImage, area: BoxF) -> Option<Vec<u8>> {
    let around = area.enlarged(CONTEXT - 1.0, CONTEXT - 1.0).to_rect(Size::new(picture.width(), picture.height()))?;
    let crop = imageops::crop_imm(picture, around.x, around.y, around.width, around.height).to_image();
    let scale = SIDE_PX as f32 / around.width.max(around.height) as f32;
    let side = |length: u32| ((length as f32 * scale).round() as u32).max(1);
    let (width, height) = (side(around.width), side(around.height));
    let mut crop = imageops::resize(&crop, width, height, imageops::FilterType::Triangle);
    let place = |value: f32, origin: u32, limit: u32| {
        (((value - origin as f32) * scale).round().max(0.0) as u32).min(limit.saturating_sub(1))
    };
    let (left, right) = (place(area.x0, around.x, width), place(area.x1, around.x, width));
    let (top, bottom) = (place(area.y0, around.y, height), place(area.y1, around.y, height));
    for x in left..=right {
        crop.put_pixel(x, top, FRAME);
        crop.put_pixel(x, bottom, FRAME);
    }
    for y in top..=bottom {
        crop.put_pixel(left, y, FRAME);
        crop.put_pixel(right, y, FRAME);
    }
    encode(&crop, QUALITY).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scene() -> Scene {
        let picture = RgbImage::from_pixel(64, 48, Rgb([10, 200, 10]));
        Scene { name: "s".into(), bytes: encode(&picture, 95).unwrap().into(), truths: Vec::new(), photos: 1 }
    }

    #[test]
    fn the_worst_are_kept_and_come_first() {
        let mut crops = Crops::new(true);
        let area = BoxF { x0: 50.0, y0: 40.0, x1: 70.0, y1: 60.0 };
        for badness in 0..100u16 {
            crops.offer(&scene(), CropKind::Miss, Class::Face, area, 0.0, f32::from(badness * 7 % 100));
        }
        crops.offer(&scene(), CropKind::False, Class::Face, area, 0.5, 0.5);
        let kept = crops.into_sorted();
        assert_eq!(kept.len(), MAX_CROPS + 1);
        let badness: Vec<u32> = kept[..MAX_CROPS].iter().map(|crop| crop.badness as u32).collect();
        assert_eq!(badness, (76..100).rev().collect::<Vec<u32>>());
        assert!(kept.iter().all(|crop| decode(&crop.jpeg).unwrap().width() <= SIDE_PX));
    }

    #[test]
    fn nothing_is_kept_unless_wanted() {
        let mut crops = Crops::new(false);
        crops.offer(&scene(), CropKind::Miss, Class::Face, BoxF { x0: 0.0, y0: 0.0, x1: 9.0, y1: 9.0 }, 0.0, 1.0);
        assert!(crops.into_sorted().is_empty());
    }
}
