//! A face and a licence plate, painted at run time out of ellipses and rectangles. They show nobody and no car, need no
//! file, and look the same on every machine.

use crate::{
    geometry::{BoxF, Size},
    photo::RgbView,
};

type Colour = [f32; 3];

const HAIR: Colour = [46.0, 34.0, 28.0];
const SKIN: Colour = [214.0, 164.0, 138.0];
const SHADE: Colour = [184.0, 132.0, 110.0];
const FEATURE: Colour = [56.0, 38.0, 32.0];
const LIPS: Colour = [158.0, 78.0, 74.0];
const SHIRT: Colour = [52.0, 66.0, 98.0];

const GLASS: Colour = [40.0, 48.0, 58.0];
const BUMPER: Colour = [30.0, 30.0, 32.0];
const LAMP: Colour = [190.0, 40.0, 30.0];
const PLATE: Colour = [232.0, 232.0, 226.0];
const INK: Colour = [26.0, 26.0, 30.0];

/// Head and shoulders from the front, 224 x 224; the face is [`FACE_AREA`].
pub(super) fn face() -> RgbView {
    let mut canvas = face_backdrop();
    let middle = 112.0;
    canvas.ellipse((middle, 255.0), (98.0, 67.0), 0.06, SHIRT);
    canvas.ellipse((middle, 176.0), (28.0, 39.0), 0.12, SHADE); // neck
    canvas.ellipse((middle, 92.0), (59.0, 67.0), 0.08, HAIR);
    for side in [-1.0, 1.0] {
        canvas.ellipse((middle + side * 53.0, 120.0), (8.0, 15.0), 0.2, SHADE); // ear
    }
    canvas.ellipse((middle, 118.0), (50.0, 64.0), 0.06, SKIN);
    canvas.ellipse((middle, 64.0), (41.0, 17.0), 0.35, HAIR); // fringe
    for side in [-1.0, 1.0] {
        let eye = middle + side * 21.0;
        canvas.ellipse((eye, 108.0), (15.0, 10.0), 0.6, SHADE); // socket
        canvas.ellipse((eye, 95.0), (13.0, 3.0), 0.4, FEATURE); // brow
        canvas.ellipse((eye, 108.5), (5.0, 5.0), 0.25, FEATURE); // iris
        canvas.ellipse((eye, 104.0), (11.0, 2.4), 0.5, FEATURE); // lid
    }
    canvas.ellipse((middle, 140.0), (11.0, 7.0), 0.5, SHADE); // nose
    canvas.ellipse((middle, 158.0), (18.0, 4.6), 0.35, LIPS);
    canvas.ellipse((middle, 158.0), (17.0, 1.4), 0.5, FEATURE); // between the lips
    canvas.into_view()
}

/// From ear to ear and from the hairline to the chin.
pub(super) const FACE_AREA: BoxF = BoxF { x0: 66.0, y0: 71.0, x1: 158.0, y1: 181.0 };

/// What is behind the face.
pub(super) fn face_backdrop() -> Canvas {
    Canvas::new(Size::new(224, 224), [150.0, 165.0, 185.0], [110.0, 120.0, 135.0])
}

/// The back of a car with its plate, 256 x 192; the plate is [`PLATE_AREA`].
pub(super) fn plate() -> RgbView {
    let mut canvas = plate_backdrop();
    canvas.rectangle(BoxF { x0: 0.0, y0: 0.0, x1: 256.0, y1: 46.0 }, GLASS);
    canvas.rectangle(BoxF { x0: 0.0, y0: 138.0, x1: 256.0, y1: 192.0 }, BUMPER);
    for left in [12.0, 212.0] {
        canvas.rectangle(BoxF { x0: left, y0: 66.0, x1: left + 32.0, y1: 84.0 }, LAMP);
    }
    canvas.rectangle(PLATE_AREA.enlarged(0.03, 0.12), INK);
    canvas.rectangle(PLATE_AREA, PLATE);
    for (place, digit) in [(0.0, 5), (1.0, 5), (2.0, 8), (3.0, 3), (5.0, 9), (6.0, 2)] {
        canvas.digit((PLATE_AREA.x0 + 8.0 + place * 12.0, PLATE_AREA.y0 + 4.5), digit);
    }
    canvas.into_view()
}

pub(super) const PLATE_AREA: BoxF = BoxF { x0: 80.0, y0: 92.0, x1: 176.0, y1: 116.0 };

/// The paint of the car.
pub(super) fn plate_backdrop() -> Canvas {
    Canvas::new(Size::new(256, 192), [96.0, 20.0, 24.0], [70.0, 14.0, 18.0])
}

/// Width, height and stroke of a digit in pixels.
const DIGIT: (f32, f32, f32) = (8.0, 15.0, 2.2);
/// The lit strokes of the digits 0 to 9, from the lowest bit: top, upper right, lower right, bottom, lower left, upper
/// left, middle.
const STROKES: [u8; 10] = [0x3f, 0x06, 0x5b, 0x4f, 0x66, 0x6d, 0x7d, 0x07, 0x7f, 0x6f];

pub(super) struct Canvas {
    size: Size,
    pixels: Vec<Colour>,
}

impl Canvas {
    /// A gradient from `top` to `bottom`.
    fn new(size: Size, top: Colour, bottom: Colour) -> Self {
        let row = |y: u32| mix(top, bottom, y as f32 / (size.height - 1) as f32);
        let pixels = (0..size.height).flat_map(|y| (0..size.width).map(move |_| row(y))).collect();
        Self { size, pixels }
    }

    /// Fades out over `softness` of its radii, half of that outside.
    fn ellipse(&mut self, centre: (f32, f32), radii: (f32, f32), softness: f32, colour: Colour) {
        self.paint(colour, |x, y| {
            let distance = ((x - centre.0) / radii.0).hypot((y - centre.1) / radii.1);
            (1.0 + softness - distance) / (2.0 * softness)
        });
    }

    /// Pixels at the edge take as much colour as the rectangle covers of them.
    fn rectangle(&mut self, area: BoxF, colour: Colour) {
        let covered = |at: f32, from: f32, to: f32| ((at + 0.5).min(to) - (at - 0.5).max(from)).max(0.0);
        self.paint(colour, |x, y| covered(x, area.x0, area.x1) * covered(y, area.y0, area.y1));
    }

    fn digit(&mut self, (left, top): (f32, f32), digit: usize) {
        let (width, height, stroke) = DIGIT;
        let (right, middle, bottom) = (left + width, top + height / 2.0, top + height);
        let across = |y0: f32| BoxF { x0: left, y0, x1: right, y1: y0 + stroke };
        let down = |x0: f32, y0: f32, y1: f32| BoxF { x0, y0, x1: x0 + stroke, y1 };
        let strokes = [
            across(top),
            down(right - stroke, top, middle),
            down(right - stroke, middle, bottom),
            across(bottom - stroke),
            down(left, middle, bottom),
            down(left, top, middle),
            across(middle - stroke / 2.0),
        ];
        for (bit, area) in strokes.into_iter().enumerate() {
            if STROKES[digit] >> bit & 1 == 1 {
                self.rectangle(area, INK);
            }
        }
    }

    /// Lay `colour` over every pixel; `cover` gives its share from the pixel's centre, and may leave 0 to 1.
    fn paint(&mut self, colour: Colour, cover: impl Fn(f32, f32) -> f32) {
        let width = self.size.width as usize;
        for (at, pixel) in self.pixels.iter_mut().enumerate() {
            let share = cover((at % width) as f32 + 0.5, (at / width) as f32 + 0.5);
            *pixel = mix(*pixel, colour, share.clamp(0.0, 1.0));
        }
    }

    pub(super) fn into_view(self) -> RgbView {
        let rgb = self.pixels.into_iter().flatten().map(|value| value.round() as u8).collect();
        RgbView { size: self.size, rgb }
    }
}

fn mix(a: Colour, b: Colour, share_of_b: f32) -> Colour {
    std::array::from_fn(|channel| a[channel] + (b[channel] - a[channel]) * share_of_b)
}
