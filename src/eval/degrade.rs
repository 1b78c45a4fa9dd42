//! Making photos worse in one fixed way each, for robustness. The strengths are part of the measure: they do not change.

use image::{Rgb, RgbImage, imageops};

use super::{
    dataset::Truth,
    picture::{decode, encode},
};
use crate::{detect::Class, error::PhotoResult, geometry::BoxF};

/// What is done to every photo of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Degrade {
    /// Out of focus: Gaussian blur with a standard deviation of 1.5 pixels
    Blur,
    /// Little light, much gain: Gaussian noise with a standard deviation of 20 of 255
    Noise,
    /// Sent through messengers: JPEG of quality 15
    Jpeg,
    /// A quarter of the light, bluish, with noise
    Night,
    /// Turned by 12 degrees
    Rotate,
}

const BLUR_SIGMA_PX: f32 = 1.5;
const NOISE_SIGMA: f32 = 20.0;
const NIGHT_SIGMA: f32 = 6.0;
/// Light that is left, by channel.
const NIGHT_LIGHT: [f32; 3] = [0.22, 0.24, 0.29];
const JPEG_QUALITY: u8 = 15;
const ROTATE_DEGREES: f32 = 12.0;
/// What a turned photo does not fill.
const GREY: Rgb<u8> = Rgb([114; 3]);
const SEED: u64 = 0x0b5c_07a5;

impl Degrade {
    /// # Errors
    /// If the picture cannot be encoded.
    pub(super) fn apply(self, picture: RgbImage, truths: &mut [Truth]) -> PhotoResult<RgbImage> {
        Ok(match self {
            Self::Blur => imageops::fast_blur(&picture, BLUR_SIGMA_PX),
            Self::Noise => with_noise(picture, [1.0; 3], NOISE_SIGMA),
            Self::Jpeg => decode(&encode(&picture, JPEG_QUALITY)?)?,
            Self::Night => with_noise(picture, NIGHT_LIGHT, NIGHT_SIGMA),
            Self::Rotate => {
                for truth in truths.iter_mut() {
                    turn_truth(truth, picture.width() as f32, picture.height() as f32);
                }
                turned(&picture)
            }
        })
    }
}

fn with_noise(mut picture: RgbImage, light: [f32; 3], sigma: f32) -> RgbImage {
    let mut rng = fastrand::Rng::with_seed(SEED);
    for pixel in picture.pixels_mut() {
        for (value, light) in pixel.0.iter_mut().zip(light) {
            // Twelve uniform numbers make a normal one; four are near enough, and their variance is a third.
            let uniform: f32 = (0..4).map(|_| rng.f32()).sum::<f32>() - 2.0;
            *value = (f32::from(*value) * light + uniform * sigma * 3f32.sqrt()).round().clamp(0.0, 255.0) as u8;
        }
    }
    picture
}

fn turned(picture: &RgbImage) -> RgbImage {
    let (sin, cos) = ROTATE_DEGREES.to_radians().sin_cos();
    let (centre_x, centre_y) = (picture.width() as f32 / 2.0, picture.height() as f32 / 2.0);
    RgbImage::from_fn(picture.width(), picture.height(), |x, y| {
        let (dx, dy) = (x as f32 + 0.5 - centre_x, y as f32 + 0.5 - centre_y);
        let (from_x, from_y) = (cos * dx + sin * dy + centre_x - 0.5, cos * dy - sin * dx + centre_y - 0.5);
        imageops::interpolate_bilinear(picture, from_x, from_y).unwrap_or(GREY)
    })
}

/// The upright box around what was turned: of a face, which is round, around the ellipse in its box; of a plate around its
/// corners. What has left the picture by half is doubtful.
fn turn_truth(truth: &mut Truth, width: f32, height: f32) {
    let (sin, cos) = ROTATE_DEGREES.to_radians().sin_cos();
    let BoxF { x0, y0, x1, y1 } = truth.area;
    let (dx, dy) = (f32::midpoint(x0, x1) - width / 2.0, f32::midpoint(y0, y1) - height / 2.0);
    let (x, y) = (cos * dx - sin * dy + width / 2.0, sin * dx + cos * dy + height / 2.0);
    let (a, b) = ((x1 - x0) / 2.0, (y1 - y0) / 2.0);
    let (half_width, half_height) = match truth.class {
        Class::Face => ((a * cos).hypot(b * sin), (a * sin).hypot(b * cos)),
        Class::Plate | Class::Text => (a * cos + b * sin, a * sin + b * cos),
    };
    let area = BoxF { x0: x - half_width, y0: y - half_height, x1: x + half_width, y1: y + half_height };
    let whole = BoxF { x0: 0.0, y0: 0.0, x1: width, y1: height };
    truth.is_doubtful |= area.intersection_area(whole) < area.area() / 2.0;
    truth.area = BoxF {
        x0: area.x0.clamp(0.0, width),
        y0: area.y0.clamp(0.0, height),
        x1: area.x1.clamp(0.0, width),
        y1: area.y1.clamp(0.0, height),
    };
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    /// Dark, with a bright square.
    fn square(area: BoxF) -> (RgbImage, Vec<Truth>) {
        let picture = RgbImage::from_fn(120, 80, |x, y| {
            let pixel = BoxF { x0: x as f32, y0: y as f32, x1: x as f32 + 1.0, y1: y as f32 + 1.0 };
            if area.contains(pixel) { Rgb([220, 210, 200]) } else { Rgb([40, 40, 40]) }
        });
        (picture, vec![Truth { class: Class::Plate, area, is_doubtful: false }])
    }

    #[test]
    fn every_way_keeps_the_size_and_the_object_under_its_box() {
        let area = BoxF { x0: 70.0, y0: 20.0, x1: 100.0, y1: 40.0 };
        for way in Degrade::value_variants() {
            let (picture, mut truths) = square(area);
            let worse = way.apply(picture.clone(), &mut truths).unwrap();
            assert_eq!(worse.dimensions(), picture.dimensions());
            assert_ne!(worse, picture, "{way:?}");
            let mean = |inside: bool| {
                let (mut sum, mut count) = (0.0, 0.0f32);
                for (x, y, pixel) in worse.enumerate_pixels() {
                    let at = BoxF { x0: x as f32, y0: y as f32, x1: x as f32 + 1.0, y1: y as f32 + 1.0 };
                    if truths[0].area.contains(at) == inside && *pixel != GREY {
                        sum += f32::from(pixel.0[1]);
                        count += 1.0;
                    }
                }
                sum / count
            };
            assert!(mean(true) > 1.8 * mean(false), "{way:?}: {} {}", mean(true), mean(false));
        }
    }

    #[test]
    fn night_is_dark_and_noise_keeps_the_mean() {
        let (picture, mut truths) = square(BoxF { x0: 0.0, y0: 0.0, x1: 120.0, y1: 80.0 });
        let mean = |picture: &RgbImage| {
            picture.as_raw().iter().map(|&value| f64::from(value)).sum::<f64>() / picture.as_raw().len() as f64
        };
        assert!(mean(&Degrade::Night.apply(picture.clone(), &mut truths).unwrap()) < 0.3 * mean(&picture));
        assert!((mean(&Degrade::Noise.apply(picture.clone(), &mut truths).unwrap()) - mean(&picture)).abs() < 3.0);
    }

    #[test]
    fn what_turns_out_of_the_picture_is_doubtful() {
        let (picture, mut truths) = square(BoxF { x0: 110.0, y0: 70.0, x1: 120.0, y1: 80.0 });
        Degrade::Rotate.apply(picture, &mut truths).unwrap();
        assert!(truths[0].is_doubtful, "{:?}", truths[0]);
    }
}
