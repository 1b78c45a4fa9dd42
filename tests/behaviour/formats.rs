//! Every flavour of every format: kept in its format, faithful, or refused with the right code.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use obscura::photo::{Format, sniff};

use crate::support::*;

/// No detection ever scores this much: what changes is coding alone.
const NOTHING_FOUND: [&str; 4] = ["--face-min-score", "0.9999", "--plate-min-score", "0.9999"];

/// Put every fixture of a folder into the input that is not there to be refused.
fn put_readable(bench: &Bench, folder: &str) -> Vec<PathBuf> {
    let mut readable = fixtures(folder);
    readable.retain(|path| !name_of(path).starts_with("refused") && name_of(path) != "arithmetic.jpg");
    for path in &readable {
        bench.put(&name_of(path), &fs::read(path).unwrap());
    }
    readable
}

#[test]
fn every_readable_jpeg_comes_out_as_the_same_picture() {
    let bench = Bench::new();
    let readable = put_readable(&bench, "jpeg");
    assert!(readable.len() >= 24);
    let run = bench.redact(&NOTHING_FOUND);
    assert_eq!(run.code, 0, "{:?} {}", run.lines, run.stderr);
    for path in &readable {
        let name = name_of(path);
        let output = bench.output().join(&name);
        assert_eq!(sniff(&fs::read(&output).unwrap()).unwrap(), Format::Jpeg);
        if name.starts_with("cmyk") {
            continue; // djpeg converts no CMYK; see the next test
        }
        let quality = psnr(&djpeg(path), &djpeg(&output));
        assert!(quality > 33.0, "{name}: {quality:.1} dB");
    }
}

#[test]
fn both_kinds_of_cmyk_show_the_same_picture() {
    let bench = Bench::new();
    for name in ["jpeg/cmyk_inverted.jpg", "jpeg/cmyk_plain.jpg"] {
        bench.copy(name);
    }
    assert_eq!(bench.redact(&NOTHING_FOUND).code, 0);
    let original = djpeg(&fixture("jpeg/444.jpg"));
    for name in ["cmyk_inverted.jpg", "cmyk_plain.jpg"] {
        // The published file is an ordinary RGB one that everybody reads.
        let quality = psnr(&original, &djpeg(&bench.output().join(name)));
        assert!(quality > 30.0, "{name}: {quality:.1} dB");
    }
}

#[test]
fn every_readable_picture_of_a_lossless_format_keeps_its_pixels_and_transparency() {
    // Pillow reads these otherwise, or not at all: what they show was drawn in a flavour that it knows.
    let shown_as = [
        ("bmp/empty_alpha32.bmp", "bmp/rgb.bmp"),
        ("gif/frame_beyond_screen.gif", "gif/plain.gif"),
        ("tiff/grey16.tif", "tiff/grey.tif"),
        ("tiff/grey4.tif", "tiff/grey4.tif"),
        ("tiff/planar.tif", "tiff/plain.tif"),
        ("tiff/rgb16.tif", "tiff/plain.tif"),
        ("tiff/unused_sample.tif", "tiff/plain.tif"),
        ("tiff/white_is_zero.tif", "tiff/grey.tif"),
    ];
    for (folder, least) in [("png", 11), ("bmp", 13), ("tiff", 29), ("gif", 7), ("webp", 10)] {
        let bench = Bench::new();
        let mut readable = put_readable(&bench, folder);
        let run = bench.redact(&NOTHING_FOUND);
        assert_eq!(run.code, 0, "{:?} {}", run.lines, run.stderr);
        // Pillow fills the rest of the screen with the background colour; see a test of its own below.
        readable.retain(|path| !is_lossy(path) && name_of(path) != "frame_in_screen.gif");
        assert!(readable.len() >= least, "{} of {folder}", readable.len());
        let sources: Vec<PathBuf> = readable
            .iter()
            .map(|path| {
                let name = format!("{folder}/{}", name_of(path));
                fixture(shown_as.iter().find(|(flavour, _)| *flavour == name).map_or(&name, |(_, same)| same))
            })
            .collect();
        let outputs: Vec<PathBuf> = readable.iter().map(|path| bench.output().join(name_of(path))).collect();
        for ((source, output), path) in pillow(&sources).iter().zip(pillow(&outputs)).zip(&readable) {
            let name = name_of(path);
            assert_eq!(source.dimensions(), output.dimensions(), "{name}");
            // Pillow cuts where we round: 16 bits, 5 and 6 bits, colour divided by alpha.
            let rounded = ["16.", "rgb555", "rgb565", "associated"].iter().any(|part| name.contains(part));
            let limit = u8::from(rounded);
            for (a, b) in source.pixels().zip(output.pixels()) {
                let hidden = a.0[3] == 0 && b.0[3] == 0;
                let close = a.0.iter().zip(b.0).all(|(&a, b)| a.abs_diff(b) <= limit);
                assert!(hidden || close, "{name}: {a:?} became {b:?}");
            }
        }
    }
}

#[test]
fn every_readable_lossy_webp_stays_lossy_and_shows_the_same_picture() {
    let bench = Bench::new();
    let mut readable = put_readable(&bench, "webp");
    readable.retain(|path| is_lossy(path));
    assert!(readable.len() >= 8);
    assert_eq!(bench.redact(&NOTHING_FOUND).code, 0);
    let outputs: Vec<PathBuf> = readable.iter().map(|path| bench.output().join(name_of(path))).collect();
    for ((before, after), path) in pillow(&readable).iter().zip(pillow(&outputs)).zip(&outputs) {
        let bytes = fs::read(path).unwrap();
        assert!(bytes.windows(4).any(|name| name == b"VP8 "), "{} is not lossy", path.display());
        assert!(before.pixels().zip(after.pixels()).all(|(a, b)| a.0[3] == b.0[3]), "{}", path.display());
        let quality = psnr(&opaque(before), &opaque(&after));
        assert!(quality > 33.0, "{}: {quality:.1} dB", path.display());
    }
}

fn is_lossy(path: &Path) -> bool {
    name_of(path).starts_with("lossy") || name_of(path).starts_with("cmyk")
}

/// Visible colours alone.
fn opaque(picture: &image::RgbaImage) -> obscura::photo::RgbView {
    let rgb = picture.pixels().flat_map(|p| if p.0[3] == 0 { [0; 3] } else { [p.0[0], p.0[1], p.0[2]] }).collect();
    obscura::photo::RgbView { size: obscura::geometry::Size::new(picture.width(), picture.height()), rgb }
}

#[test]
fn a_cmyk_tiff_shows_the_same_picture() {
    let bench = Bench::new();
    bench.copy("tiff/cmyk.tif");
    assert_eq!(bench.redact(&NOTHING_FOUND).code, 0);
    let pictures = pillow(&[fixture("tiff/plain.tif"), bench.output().join("cmyk.tif")]);
    let quality = psnr(&opaque(&pictures[0]), &opaque(&pictures[1]));
    assert!(quality > 30.0, "{quality:.1} dB");
}

#[test]
fn what_a_frame_does_not_cover_of_its_screen_is_transparent() {
    let bench = Bench::new();
    bench.copy("gif/frame_in_screen.gif");
    assert_eq!(bench.redact(&NOTHING_FOUND).code, 0);
    let [frame, picture] = &pillow(&[fixture("gif/plain.gif"), bench.output().join("frame_in_screen.gif")])[..] else {
        panic!("expected two pictures")
    };
    assert_eq!(picture.dimensions(), (150, 120));
    for (x, y, pixel) in picture.enumerate_pixels() {
        let covered = x < frame.width() && y < frame.height();
        assert!(if covered { pixel == frame.get_pixel(x, y) } else { pixel.0[3] == 0 }, "at {x}, {y}");
    }
}

/// A scene with a face and a plate in a lossless format: exact outside the regions, cells inside, nothing beyond.
#[test]
fn nothing_outside_the_regions_changes_in_a_lossless_format() {
    let bench = Bench::new();
    let names = ["scene.bmp", "scene.tif", "scene_lossless.webp", "scene.png"];
    for name in names {
        bench.copy(&format!("people/{name}"));
    }
    assert_eq!(bench.redact(&[]).code, 0);
    for name in names {
        let redacted = rects(&bench.receipt(name)["redacted"]);
        assert!(covered_share(crate::redaction::FACE, &redacted) > 0.99, "{name}: {redacted:?}");
        assert!(covered_share(crate::redaction::PLATE, &redacted) > 0.99, "{name}: {redacted:?}");
        let before = upright(&fixture(&format!("people/{name}")));
        let after = upright(&bench.output().join(name));
        assert!(psnr_outside(&before, &after, &redacted).is_infinite(), "{name} changed outside the regions");
        assert!(psnr(&before, &after) < 40.0);
    }
}

#[test]
fn a_gif_keeps_its_palette_but_for_the_colours_of_the_regions() {
    let bench = Bench::new();
    bench.copy("people/scene.gif");
    assert_eq!(bench.redact(&[]).code, 0);
    let receipt = bench.receipt("scene.gif");
    let redacted = rects(&receipt["redacted"]);
    assert!(covered_share(crate::redaction::FACE, &redacted) > 0.99, "{redacted:?}");
    // The receipt says what was done: a palette has no room for a blur.
    let styles: Vec<_> = receipt["redacted"].as_array().unwrap().iter().map(|region| &region["style"]).collect();
    assert!(styles.contains(&&"mosaic".into()) && !styles.contains(&&"blur".into()), "{styles:?}");
    let before = upright(&fixture("people/scene.gif"));
    let after = upright(&bench.output().join("scene.gif"));
    let quality = psnr_outside(&before, &after, &redacted);
    assert!(quality > 40.0, "{quality:.1} dB outside the regions");
}

#[test]
fn what_cannot_be_read_is_refused_by_name() {
    let bench = Bench::new();
    let expected = [
        ("jpeg/arithmetic.jpg", "unsupported_jpeg"),
        ("jpeg/refused_12bit.jpg", "unsupported_jpeg"),
        ("jpeg/refused_lossless.jpg", "unsupported_jpeg"),
        ("jpeg/refused_huge.jpg", "dimensions_too_large"),
        ("jpeg/refused_bomb.jpg", "corrupt_image"),
        ("png/refused_animation.png", "multi_frame_unsupported"),
        ("png/refused_bomb.png", "dimensions_too_large"),
        ("png/refused_lie.png", "corrupt_image"),
        ("webp/refused_animation.webp", "multi_frame_unsupported"),
        ("webp/refused_animation_lossless.webp", "multi_frame_unsupported"),
        ("webp/refused_two_pictures.webp", "corrupt_image"),
        ("bmp/refused_bomb.bmp", "dimensions_too_large"),
        ("bmp/refused_lie.bmp", "corrupt_image"),
        ("bmp/refused_jpeg_inside.bmp", "unsupported_format"),
        ("tiff/refused_pages.tif", "multi_frame_unsupported"),
        ("tiff/refused_palette.tif", "unsupported_format"),
        ("tiff/refused_float.tif", "unsupported_format"),
        ("tiff/refused_jpeg_inside.tif", "unsupported_format"),
        ("tiff/refused_big.tif", "unsupported_format"),
        ("tiff/refused_preview.tif", "unsupported_format"),
        ("tiff/refused_sub_directories.tif", "unsupported_format"),
        ("tiff/refused_dng.tif", "unsupported_format"),
        ("tiff/refused_cr2.tif", "unsupported_format"),
        ("tiff/refused_short_strip.tif", "corrupt_image"),
        ("gif/refused_animation.gif", "multi_frame_unsupported"),
        ("gif/refused_no_trailer.gif", "corrupt_image"),
    ];
    // No flavour that is drawn to be refused is forgotten here.
    for folder in ["jpeg", "png", "webp", "bmp", "tiff", "gif"] {
        for path in fixtures(folder).iter().filter(|path| name_of(path).starts_with("refused")) {
            let name = format!("{folder}/{}", name_of(path));
            assert!(expected.iter().any(|(known, _)| *known == name), "{name} has no expected code");
        }
    }
    for (name, _) in expected {
        bench.copy(name);
    }
    let run = bench.redact(&[]);
    assert_eq!(run.code, 1);
    for (name, code) in expected {
        assert_eq!(run.code_of(&name_of(Path::new(name))), code, "{name}");
    }
    assert!(bench.published().is_empty());
    assert_eq!(run.summary()["quarantined"], expected.len());
    for name in ["refused_preview.tif", "refused_cr2.tif"] {
        assert!(bench.record(name)["hint"].as_str().unwrap().contains("darktable-cli"));
    }
}

#[test]
fn a_photo_stays_upright_in_every_orientation() {
    let bench = Bench::new();
    let stored: Vec<(u32, String)> = ["jpg", "webp", "tif"]
        .iter()
        .flat_map(|end| (1..=8).map(move |orientation| (orientation, format!("scene_{orientation}.{end}"))))
        .collect();
    for (_, name) in &stored {
        bench.copy(&format!("people/{name}"));
    }
    let run = bench.redact(&[]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    for (orientation, name) in stored {
        let receipt = bench.receipt(&name);
        assert_eq!((&receipt["source"]["width"], &receipt["source"]["height"]), (&640.into(), &480.into()));
        let redacted = rects(&receipt["redacted"]);
        assert!(covered_share(crate::redaction::FACE, &redacted) > 0.99, "{name}: {redacted:?}");
        assert!(covered_share(crate::redaction::PLATE, &redacted) > 0.99, "{name}: {redacted:?}");
        let output = bench.output().join(&name);
        let tag = Command::new("exiftool").args(["-n", "-s3", "-Orientation"]).arg(&output).output().unwrap();
        let tag = String::from_utf8(tag.stdout).unwrap();
        // Without a tag a picture is upright.
        assert_eq!(tag.trim(), if orientation == 1 { String::new() } else { orientation.to_string() });
        let quality = psnr_outside(&upright(&fixture("people/scene.png")), &upright(&output), &redacted);
        assert!(quality > 30.0, "{name}: {quality:.1} dB outside the redacted regions");
    }
}

fn psnr_outside(a: &obscura::photo::RgbView, b: &obscura::photo::RgbView, redacted: &[obscura::geometry::Rect]) -> f64 {
    let (mut a, mut b) = (a.clone(), b.clone());
    for rect in redacted {
        for y in rect.y..rect.bottom() {
            let start = (y as usize * a.size.width as usize + rect.x as usize) * 3;
            let row = start..start + rect.width as usize * 3;
            a.rgb[row.clone()].fill(0);
            b.rgb[row].fill(0);
        }
    }
    psnr(&a, &b)
}
