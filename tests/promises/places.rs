//! A small face and a small plate are found wherever they are in a large photo: corners, edges, tile seams.

use image::{RgbImage, imageops};
use obscura::{
    detect::{Class, Manifest, ViewNeeds, plan_views},
    geometry::{Rect, Size},
};

use crate::support::*;

const PHOTO: Size = Size { width: 4032, height: 3024 };

/// A quiet 12-megapixel background: a graded sky over a textured ground.
fn background() -> RgbImage {
    let ground = image::open(fixture("jpeg/../../pictures/gravel.png")).unwrap().into_luma8();
    RgbImage::from_fn(PHOTO.width, PHOTO.height, |x, y| {
        let shade = 70 + (y / 30) as u8;
        let texture = ground.get_pixel(x % 512, y % 512).0[0] / 8;
        image::Rgb([shade + texture, shade / 2 + 60 + texture, 170 - shade / 2 + texture])
    })
}

/// Where the middles of nine objects are put: corners and edges as close as the object allows, and on the seams of the
/// tiles at the required scale.
fn places(object: (u32, u32), needs: &ViewNeeds) -> Vec<(u32, u32)> {
    let views = plan_views(PHOTO, needs);
    let finest = views.iter().map(|view| view.out.width as f32 / view.crop.width()).fold(0.0, f32::max);
    let tiles = views.iter().filter(|view| view.out.width as f32 / view.crop.width() > finest * 0.99);
    let inner_edge = |edges: Vec<f32>, side: u32| {
        let mut inner: Vec<u32> =
            edges.into_iter().map(|edge| edge as u32).filter(|&edge| edge > 300 && edge < side - 300).collect();
        inner.sort_unstable();
        inner.dedup();
        inner
    };
    let xs = inner_edge(tiles.clone().flat_map(|view| [view.crop.x0, view.crop.x1]).collect(), PHOTO.width);
    let ys = inner_edge(tiles.flat_map(|view| [view.crop.y0, view.crop.y1]).collect(), PHOTO.height);
    let (w, h) = (object.0 / 2, object.1 / 2);
    let (right, bottom) = (PHOTO.width - w - 1, PHOTO.height - h - 1);
    vec![
        (w, h),
        (right, h),
        (w, bottom),
        (right, bottom),
        (xs[0], ys[0]),
        (xs[1], 900),
        (1500, ys[1]),
        (xs[xs.len() - 1], ys[ys.len() - 1]),
        (PHOTO.width / 2, PHOTO.height / 2),
    ]
}

/// Put the fixture, enlarged by `factor`, at all places and redact: `object` is where its object is.
fn check(fixture_name: &str, factor: f32, object: Rect, needs: &ViewNeeds, arguments: &[&str]) {
    let patch = image::open(fixture(fixture_name)).unwrap().into_rgb8();
    let scaled = |length: u32| (length as f32 * factor).round() as u32;
    let patch =
        imageops::resize(&patch, scaled(patch.width()), scaled(patch.height()), imageops::FilterType::CatmullRom);
    let object =
        Rect { x: scaled(object.x), y: scaled(object.y), width: scaled(object.width), height: scaled(object.height) };
    let mut photo = background();
    let mut truth = Vec::new();
    for (x, y) in places(patch.dimensions(), needs) {
        let (left, top) = (x.saturating_sub(patch.width() / 2), y.saturating_sub(patch.height() / 2));
        let left = left.min(PHOTO.width - patch.width());
        let top = top.min(PHOTO.height - patch.height());
        imageops::replace(&mut photo, &patch, i64::from(left), i64::from(top));
        truth.push(Rect { x: left + object.x, y: top + object.y, ..object });
    }
    let bench = Bench::new();
    photo.save(bench.input().join("large.png")).unwrap();
    assert_eq!(bench.redact(arguments).code, 0);
    let receipt = bench.receipt("large.png");
    let redacted = rects(&receipt["redacted"]);
    for &place in &truth {
        let share = covered_share(place, &redacted);
        assert!(share >= 0.9, "{place:?} is covered to {share:.2} only");
    }
    let looked_at = receipt["views"]["full_share"].as_f64().unwrap();
    let expected = if arguments.is_empty() { 0.0..0.5 } else { 1.0..1.1 };
    assert!(expected.contains(&looked_at), "{looked_at}");
}

/// What the shipped model of a class needs to see, so that the seams are those of the real plan.
fn needs_of(class: Class, min_object_px: f32) -> ViewNeeds {
    let models = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    Manifest::load(&models).unwrap().model_for(class, None).unwrap().view_needs(min_object_px)
}

/// The fixture holds the head with as much around it: see `face` in the drawing script.
const FACE: Rect = Rect { x: 20, y: 10, width: 16, height: 20 };
const PLATE: Rect = Rect { x: 20, y: 12, width: 40, height: 8 };

#[test]
fn a_face_of_20_pixels_is_covered_at_nine_places() {
    check("people/face_20px.png", 1.0, FACE, &needs_of(Class::Face, 20.0), &["--exhaustive"]);
}

#[test]
fn a_face_of_32_pixels_is_found_from_afar_at_nine_places() {
    // Drawn faces stir the model less than real ones of their size, which are measured down to 16 pixels: docs/accuracy.md.
    check("people/face_20px.png", 1.6, FACE, &needs_of(Class::Face, 20.0), &[]);
}

#[test]
fn a_plate_of_40_pixels_is_covered_at_nine_places() {
    for arguments in [&[][..], &["--exhaustive"]] {
        check("people/plate_40px.png", 1.0, PLATE, &needs_of(Class::Plate, 40.0), arguments);
    }
}

/// The budget counts what receipts tell as `views.megapixels`.
#[test]
fn a_photo_that_asks_for_more_than_the_budget_is_refused_and_never_looked_at_less() {
    let bench = Bench::new();
    let crowd = image::open(fixture("people/face_120px.png")).unwrap().into_rgb8();
    // Drawn faces on a canvas of 6 megapixels, so that coarse views ask for more.
    let mut canvas = image::RgbImage::from_pixel(3000, 2000, image::Rgb([120, 130, 140]));
    for at in 0..4 {
        image::imageops::replace(&mut canvas, &crowd, 200 + at * 700, 300 + at * 300);
    }
    canvas.save(bench.input().join("crowd.png")).unwrap();
    assert_eq!(bench.redact(&[]).code, 0);
    let views = bench.receipt("crowd.png")["views"].clone();
    let megapixels = views["megapixels"].as_f64().unwrap();
    assert!(megapixels > 2.0 && views["full_share"].as_f64().unwrap() < 1.0, "{views}");
    std::fs::remove_dir_all(bench.output()).unwrap();
    // Enough for the coarse views alone, and for nothing.
    for budget in [(megapixels - 1.0).floor(), 1.0] {
        let run = bench.redact(&["--max-view-megapixels", &budget.to_string()]);
        assert_eq!((run.code, run.code_of("crowd.png")), (1, "detection_over_budget"), "{budget}");
        assert!(bench.published().is_empty());
        assert_eq!(bench.record("crowd.png")["stage"], "detect");
    }
    let enough = megapixels.ceil().to_string();
    assert_eq!(bench.redact(&["--max-view-megapixels", &enough]).code, 0);
    assert_eq!(bench.receipt("crowd.png")["views"], views);
    std::fs::remove_dir_all(bench.output()).unwrap();
    assert_eq!(bench.redact(&["--exhaustive", "--max-view-megapixels", &enough]).code, 1, "more is asked for then");
}
