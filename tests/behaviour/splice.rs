//! JPEGs that are changed in their coded form, judged by libjpeg.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use obscura::{
    geometry::{Rect, Size},
    photo::Photo,
    redact::{Obscured, Style},
};

use crate::support::{random::Random, *};

/// A folder of JPEGs of one's own to judge besides: `make judge DATA=dir`.
const FOLDER: &str = "OBSCURA_JUDGE_DATA";
/// What cannot be spliced, and is therefore coded again as a whole.
const BY_WAY_OF_PIXELS: [&str; 4] = ["cmyk_inverted.jpg", "cmyk_plain.jpg", "noninterleaved.jpg", "progressive.jpg"];

fn readable() -> Vec<PathBuf> {
    let mut paths = fixtures("jpeg");
    paths.retain(|path| !name_of(path).starts_with("refused") && name_of(path) != "arithmetic.jpg");
    paths
}

fn is_spliced(photo: &dyn Photo) -> bool {
    photo.reopen(&photo.encode().unwrap()).is_some()
}

#[test]
fn every_flavour_splices_or_goes_by_way_of_pixels() {
    for path in readable() {
        let spliced = is_spliced(open(&fs::read(&path).unwrap()).as_ref());
        assert_eq!(spliced, !BY_WAY_OF_PIXELS.contains(&name_of(&path).as_str()), "{}", path.display());
    }
}

/// Up to six regions anywhere, of any style; sometimes the whole photo.
fn random_plan(photo: &dyn Photo, random: &mut Random) -> Vec<Obscured> {
    let Size { width, height } = photo.upright_size();
    let count = 1 + random.below(6);
    (0..count)
        .map(|_| {
            let whole = random.below(20) == 0;
            let mut side = |length: u32| {
                let start = random.below(length as usize) as u32;
                let reach = 1 + random.below((length as usize / 3).max(1)) as u32;
                if whole { (0, length) } else { (start, reach.min(length - start)) }
            };
            let ((x, across), (y, down)) = (side(width), side(height));
            let rect = photo.align(Rect { x, y, width: across, height: down });
            let style = [Style::Blur, Style::Mosaic, Style::Solid][random.below(3)];
            let original = photo.view(rect.into(), rect.size(), 0).unwrap();
            Obscured::in_steps(rect, style, 4, photo.cell_step(), &original)
        })
        .collect()
}

/// The place of an upright rectangle in the stored picture, by the orientation that exiftool finds.
fn stored(path: &Path, rect: Rect, upright: Size) -> [u32; 4] {
    let tag = Command::new("exiftool").args(["-n", "-s3", "-Orientation"]).arg(path).output().unwrap();
    let value = String::from_utf8(tag.stdout).unwrap().trim().parse().unwrap_or(1);
    let orientation = obscura::photo::Orientation::from_exif(value);
    let Rect { x, y, width, height } = orientation.stored_rect(upright, rect);
    [x, y, width, height]
}

/// Splice each file by random plans and ask the judge. A region that was painted over an own earlier one is no concern.
fn judge(paths: &[PathBuf], plans: usize) {
    let dir = tempfile::tempdir().unwrap();
    let mut random = Random(20);
    for path in paths {
        let bytes = fs::read(path).unwrap();
        let mut cases = String::new();
        for number in 0..plans {
            let mut photo = open(&bytes);
            let regions = random_plan(photo.as_ref(), &mut random);
            photo.obscure(&regions).unwrap();
            let after = dir.path().join(format!("{number}_{}", name_of(path)));
            let encoded = photo.encode().unwrap();
            assert!(encoded.len() as f64 <= bytes.len() as f64 * 1.01 + 1024.0, "{} grew", path.display());
            fs::write(&after, encoded).unwrap();
            let rects: Vec<_> = regions.iter().map(|region| stored(path, region.rect, photo.upright_size())).collect();
            cases += &serde_json::json!({"before": path, "after": after, "rects": rects}).to_string();
            cases.push('\n');
        }
        let mut judge = Command::new(root().join(".setup/venv/bin/python"))
            .arg(root().join("scripts/judge_splice.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        judge.stdin.take().unwrap().write_all(cases.as_bytes()).unwrap();
        let output = judge.wait_with_output().unwrap();
        assert!(output.status.success(), "the judge disagrees about {}", path.display());
        print!("{}: {}", name_of(path), String::from_utf8_lossy(&output.stdout));
        for entry in fs::read_dir(dir.path()).unwrap() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn libjpeg_finds_every_coefficient_outside_the_regions_as_it_was() {
    let mut paths = readable();
    paths.retain(|path| !BY_WAY_OF_PIXELS.contains(&name_of(path).as_str()));
    paths.push(fixture("people/scene.jpg"));
    judge(&paths, 12);
    if let Some(folder) = std::env::var_os(FOLDER) {
        let mut own: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        own.retain(|path| {
            obscura::photo::open(&fs::read(path).unwrap(), &LIMITS).is_ok_and(|one| is_spliced(one.as_ref()))
        });
        own.sort();
        assert!(!own.is_empty(), "none of the files in {FOLDER} can be spliced");
        judge(&own, 100);
    }
}

/// Damage that a file can have without losing its picture, and damage that loses some of it.
#[test]
fn what_decoders_would_guess_at_is_published_whole_or_not_at_all() {
    let whole = fs::read(fixture("jpeg/420.jpg")).unwrap();
    let restarts = fs::read(fixture("jpeg/restart.jpg")).unwrap();
    let end = whole.len() - 2;
    let scan = |bytes: &[u8]| bytes.windows(2).position(|pair| pair == [0xFF, 0xDA]).unwrap();
    let spliced = |parts: &[&[u8]]| parts.concat();
    let swapped = {
        let mut bytes = restarts.clone();
        let marks: Vec<usize> = (scan(&bytes)..bytes.len() - 1)
            .filter(|&at| bytes[at] == 0xFF && (0xD0..0xD8).contains(&bytes[at + 1]))
            .collect();
        bytes.swap(marks[1] + 1, marks[2] + 1);
        bytes
    };
    let without_a_restart = {
        let at = restarts.windows(2).position(|pair| pair == [0xFF, 0xD1]).unwrap();
        spliced(&[&restarts[..at], &restarts[at + 2..]])
    };
    let header = scan(&whole);
    let mut two_scans = whole[..end].to_vec();
    two_scans.extend_from_slice(&whole[header..]);
    let published: [(&str, Vec<u8>); 6] = [
        ("trailing.jpg", spliced(&[&whole, b"SECRET after the end", &whole])),
        // Behind the first segment, JFIF's.
        ("garbage_between.jpg", spliced(&[&whole[..20], b"SECRET between segments", &whole[20..]])),
        ("fill_before_end.jpg", spliced(&[&whole[..end], &[0xFF; 40], &whole[end..]])),
        ("bytes_after_scan.jpg", spliced(&[&whole[..end], b"SECRET in the scan", &whole[end..]])),
        ("restart_after_scan.jpg", spliced(&[&whole[..end], &[0xFF, 0xD0], b"SECRET rows", &whole[end..]])),
        ("comment_after_scan.jpg", spliced(&[&whole[..end], &[0xFF, 0xFE, 0, 8], b"SECRET", &whole[end..]])),
    ];
    let refused: [(&str, Vec<u8>); 6] = [
        ("no_end.jpg", whole[..end].to_vec()),
        ("cut.jpg", whole[..end / 2].to_vec()),
        ("cut_with_end.jpg", spliced(&[&whole[..end / 2], &whole[end..]])),
        ("restarts_swapped.jpg", swapped),
        ("restart_missing.jpg", without_a_restart),
        ("lines_later.jpg", {
            let mut bytes = whole.clone();
            let frame = bytes.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap();
            bytes[frame + 5..frame + 7].fill(0);
            spliced(&[&bytes[..end], &[0xFF, 0xDC, 0, 4, 0, 157], &bytes[end..]])
        }),
    ];
    let bench = Bench::new();
    for (name, bytes) in published.iter().chain(&refused) {
        bench.put(name, bytes);
    }
    bench.put("two_scans.jpg", &two_scans);
    let run = bench.redact(&["--face-min-score", "0.9999", "--plate-min-score", "0.9999"]);
    let original = djpeg(&fixture("jpeg/420.jpg"));
    for (name, _) in &published {
        assert_eq!(run.code_of(name), "published", "{name}");
        let output = bench.output().join(name);
        assert!(!fs::read(&output).unwrap().windows(6).any(|window| window == b"SECRET"), "{name}");
        assert_eq!(djpeg(&output).rgb, original.rgb, "{name}");
    }
    for (name, _) in &refused {
        let code = run.code_of(name);
        assert!(["corrupt_image", "unsupported_jpeg"].contains(&code), "{name}: {code}");
    }
    // A second scan of what has been shown: refused, or the picture that it shows.
    if run.code_of("two_scans.jpg") == "published" {
        assert!(psnr(&djpeg(&bench.output().join("two_scans.jpg")), &original) > 33.0);
    }
}

#[test]
fn a_baseline_photo_keeps_its_bytes_outside_the_regions() {
    let bench = Bench::new();
    let source = bench.copy("people/scene.jpg");
    assert_eq!(bench.redact(&[]).code, 0);
    let output = bench.output().join("scene.jpg");
    let (before, after) = (djpeg(&source), djpeg(&output));
    let redacted = rects(&bench.receipt("scene.jpg")["redacted"]);
    assert!(!redacted.is_empty());
    for y in 0..before.size.height {
        for x in 0..before.size.width {
            // Colour is interpolated across one pixel.
            let near = redacted
                .iter()
                .any(|rect| x + 1 >= rect.x && x <= rect.right() && y + 1 >= rect.y && y <= rect.bottom());
            assert!(near || pixel(&before, x, y) == pixel(&after, x, y), "({x}, {y}) changed");
        }
    }
    assert!(fs::metadata(&output).unwrap().len() <= fs::metadata(&source).unwrap().len() * 101 / 100);
}

#[test]
fn there_is_a_fuzz_seed_for_every_code_that_opening_a_jpeg_can_end_with() {
    use obscura::error::ErrorCode;
    // As in fuzz/src/lib.rs.
    let limits = obscura::photo::Limits { max_encoded_bytes: 60_000, max_pixels: 1 << 18, max_side_px: 1 << 12 };
    let dir = tempfile::tempdir().unwrap();
    let script = root().join("scripts/fuzz_seeds.py");
    let status =
        Command::new(root().join(".setup/venv/bin/python")).arg(script).arg("open_jpeg").arg(dir.path()).status();
    assert!(status.unwrap().success());
    let seeds = files_below(dir.path());
    for code in [
        ErrorCode::EmptyFile,
        ErrorCode::EncodedTooLarge,
        ErrorCode::UnsupportedFormat,
        ErrorCode::UnsupportedJpeg,
        ErrorCode::DimensionsTooLarge,
        ErrorCode::CorruptImage,
    ] {
        let named: Vec<_> = seeds.iter().filter(|path| name_of(path).starts_with(code.as_str())).collect();
        assert!(!named.is_empty(), "no seed for {code}");
        for path in named {
            let found = obscura::photo::open(&fs::read(path).unwrap(), &limits).err().map(|error| error.code);
            assert_eq!(found, Some(code), "{}", path.display());
        }
    }
}
