//! Every flavour of JPEG and PNG: kept in its format, faithful, or refused with the right code.

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
fn every_readable_png_keeps_its_pixels_and_transparency() {
    let bench = Bench::new();
    let readable = put_readable(&bench, "png");
    assert!(readable.len() >= 11);
    let run = bench.redact(&NOTHING_FOUND);
    assert_eq!(run.code, 0, "{:?} {}", run.lines, run.stderr);
    for path in &readable {
        let (before, after) = (rgba8(path), rgba8(&bench.output().join(name_of(path))));
        assert_eq!(before.dimensions(), after.dimensions());
        for (a, b) in before.pixels().zip(after.pixels()) {
            let hidden = a.0[3] == 0;
            assert_eq!(a.0[3], b.0[3], "{}", path.display());
            assert!(hidden && b.0 == [0; 4] || a.0 == b.0, "{}: {a:?} became {b:?}", path.display());
        }
    }
}

fn rgba8(path: &Path) -> image::RgbaImage {
    image::load_from_memory_with_format(&fs::read(path).unwrap(), image::ImageFormat::Png).unwrap().into_rgba8()
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
    ];
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
}

#[test]
fn a_photo_stays_upright_in_every_orientation() {
    let bench = Bench::new();
    for orientation in 1..=8 {
        bench.copy(&format!("people/scene_{orientation}.jpg"));
    }
    let run = bench.redact(&[]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    for orientation in 1..=8 {
        let name = format!("scene_{orientation}.jpg");
        let receipt = bench.receipt(&name);
        assert_eq!((&receipt["source"]["width"], &receipt["source"]["height"]), (&640.into(), &480.into()));
        let redacted = rects(&receipt["redacted"]);
        assert!(covered_share(crate::redaction::FACE, &redacted) > 0.99, "{name}: {redacted:?}");
        assert!(covered_share(crate::redaction::PLATE, &redacted) > 0.99, "{name}: {redacted:?}");
        let output = bench.output().join(&name);
        let tag = Command::new("exiftool").args(["-n", "-s3", "-Orientation"]).arg(&output).output().unwrap();
        let tag = String::from_utf8(tag.stdout).unwrap();
        // Without a tag a picture is upright.
        assert_eq!(tag.trim(), if orientation == 1 { "" } else { &name[6..7] });
        let quality = psnr_outside(&upright(&fixture("people/scene.jpg")), &upright(&output), &redacted);
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
