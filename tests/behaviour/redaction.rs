//! What is covered, what is changed, and what the receipt says of it.

use std::fs;

use obscura::geometry::Rect;
use serde_json::Value;

use crate::support::*;

/// Where the drawn scene has its face and its plate, in upright pixels.
pub const FACE: Rect = Rect { x: 130, y: 156, width: 45, height: 56 };
pub const PLATE: Rect = Rect { x: 436, y: 374, width: 108, height: 20 };

#[test]
fn the_receipt_says_exactly_what_was_changed() {
    for style in ["blur", "mosaic", "solid"] {
        let bench = Bench::new();
        let input = bench.copy("people/scene.png");
        assert_eq!(bench.redact(&["--style", style]).code, 0);
        let (before, after) = (upright(&input), upright(&bench.output().join("scene.png")));
        let receipt = bench.receipt("scene.png");
        let redacted = rects(&receipt["redacted"]);
        assert!(covered_share(FACE, &redacted) > 0.99 && covered_share(PLATE, &redacted) > 0.99);
        // What is drawn round face and plate may be of the very colour that a region of one cell takes from its frame.
        let (mut in_boxes, mut changed_in_boxes) = (0u32, 0u32);
        for y in 0..before.size.height {
            for x in 0..before.size.width {
                let here = Rect { x, y, width: 1, height: 1 };
                let inside = redacted.iter().any(|rect| rect.contains(here));
                let changed = pixel(&before, x, y) != pixel(&after, x, y);
                assert!(inside || !changed, "({x}, {y}) changed outside {redacted:?}");
                let in_box = FACE.contains(here) || PLATE.contains(here);
                in_boxes += u32::from(in_box);
                changed_in_boxes += u32::from(in_box && changed);
            }
        }
        assert!(
            f64::from(changed_in_boxes) > 0.9 * f64::from(in_boxes),
            "{changed_in_boxes} of {in_boxes} pixels changed"
        );
        assert!(receipt["redacted"].as_array().unwrap().iter().all(|region| region["style"] == style));
        assert_eq!(receipt["output"]["bytes"], fs::read(bench.output().join("scene.png")).unwrap().len());
    }
}

#[test]
fn the_receipt_has_its_documented_shape() {
    let bench = Bench::new();
    let input = bench.copy("people/scene.jpg");
    assert_eq!(bench.redact(&[]).code, 0);
    let receipt = bench.receipt("scene.jpg");
    let hash = |path: &std::path::Path| obscura::redact::sha256_hex(&fs::read(path).unwrap());
    assert_eq!(receipt["source"]["sha256"], hash(&input));
    assert_eq!(receipt["output"]["sha256"], hash(&bench.output().join("scene.jpg")));
    insta::assert_json_snapshot!("receipt_shape", shape(&receipt));
}

/// The keys, and the kinds of the values.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), shape(value))).collect(),
        Value::Array(items) => Value::Array(items.first().map(shape).into_iter().collect()),
        // Canonical JSON writes 2.0 as 2.
        Value::Number(_) => "number".into(),
        Value::String(_) => "string".into(),
        other => other.clone(),
    }
}

#[test]
fn overlapping_regions_restore_nothing() {
    // Two faces and a plate so close that their regions overlap.
    let bench = Bench::new();
    let mut scene = image::open(fixture("people/scene.png")).unwrap().into_rgb8();
    let face = image::imageops::crop_imm(&scene, 100, 130, 100, 110).to_image();
    let plate = image::open(fixture("people/plate_160px.png")).unwrap().into_rgb8();
    image::imageops::replace(&mut scene, &face, 160, 140);
    image::imageops::replace(&mut scene, &plate, 60, 215);
    scene.save(bench.input().join("crowd.png")).unwrap();
    assert_eq!(bench.redact(&["--face-enlarge", "1.0"]).code, 0);
    let redacted = rects(&bench.receipt("crowd.png")["redacted"]);
    let overlaps = redacted
        .iter()
        .enumerate()
        .any(|(index, a)| redacted[index + 1..].iter().any(|b| covered_share(*a, &[*b]) > 0.0));
    assert!(overlaps, "the test needs overlapping regions: {redacted:?}");
    let (before, after) = (upright(&bench.input().join("crowd.png")), upright(&bench.output().join("crowd.png")));
    // A restored patch would show as a block of unchanged pixels inside a region.
    for rect in &redacted {
        for y in (rect.y..rect.bottom().saturating_sub(4)).step_by(4) {
            for x in (rect.x..rect.right().saturating_sub(4)).step_by(4) {
                let same =
                    (0..16).filter(|i| pixel(&before, x + i % 4, y + i / 4) == pixel(&after, x + i % 4, y + i / 4));
                assert!(same.count() < 12, "clear patch at ({x}, {y}) inside {rect:?}");
            }
        }
    }
}

#[test]
fn transparency_hides_nothing() {
    let bench = Bench::new();
    bench.copy("people/ghost.png");
    bench.copy("people/hidden.png");
    assert_eq!(bench.redact(&[]).code, 0);
    // A face drawn by transparency alone is seen, covered and made opaque.
    let redacted = rects(&bench.receipt("ghost.png")["redacted"]);
    assert!(covered_share(FACE, &redacted) > 0.99, "{redacted:?}");
    let ghost = image::open(bench.output().join("ghost.png")).unwrap().into_rgba8();
    assert_eq!(ghost.get_pixel(FACE.x + 20, FACE.y + 20).0[3], 255);
    // Colour under full transparency is gone.
    let hidden = image::open(bench.output().join("hidden.png")).unwrap().into_rgba8();
    assert!(hidden.pixels().all(|pixel| pixel.0 == [0; 4]));
}

#[test]
fn the_same_photo_gives_the_same_bytes() {
    let bench = Bench::new();
    bench.put("a.jpg", &fs::read(fixture("people/scene.jpg")).unwrap());
    bench.put("b.jpg", &fs::read(fixture("people/scene.jpg")).unwrap());
    assert_eq!(bench.redact(&[]).code, 0);
    let first = fs::read(bench.output().join("a.jpg")).unwrap();
    assert_eq!(first, fs::read(bench.output().join("b.jpg")).unwrap());
    assert_eq!(bench.redact(&[]).code, 0, "a second run replaces the first");
    assert_eq!(first, fs::read(bench.output().join("a.jpg")).unwrap());
}
