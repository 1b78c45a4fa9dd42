//! Damaged files of every format: nothing crashes, nothing is lost, and no face comes out clear.

use std::{fs, path::Path};

use obscura::{geometry::Rect, photo::RgbView};

use crate::support::*;

const MUTANTS: usize = 1000;
/// Every photo of `mutants/` is 135 x 144 pixels; its face, from brow to chin, lies here.
const FACE: Rect = Rect { x: 52, y: 28, width: 34, height: 40 };

/// The likeness of a face that people would know. Clear faces reach 0.9 and more, redacted ones 0.35. In between lie
/// pictures that a mutation has wrecked so far that the detector sees no face in them, such as JPEGs with other
/// quantisation: of 7,000 the one most like the face reached 0.49, a pattern of black and white blocks.
const MAX_LIKENESS: f64 = 0.6;

/// Deterministic, so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn below(&mut self, end: usize) -> usize {
        self.next() as usize % end.max(1)
    }

    fn byte(&mut self) -> u8 {
        // The values that break parsers more often than chance would have them.
        match self.below(4) {
            0 => [0, 1, 0x7F, 0x80, 0xFE, 0xFF][self.below(6)],
            _ => self.next() as u8,
        }
    }
}

/// One to four changes: flipped bits, other bytes, cuts, parts copied, moved in or taken out. Half of them hit the first
/// kilobyte, where headers are; otherwise nearly all would land in coded pixels.
fn mutate(original: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = original.to_vec();
    for _ in 0..=random.below(4) {
        let span = if random.below(2) == 0 { bytes.len().min(1024) } else { bytes.len() };
        let at = random.below(span);
        let length = (1 + random.below(64)).min(bytes.len() - at);
        match random.below(8) {
            0 | 1 => bytes[at] ^= 1 << random.below(8),
            2 | 3 => bytes[at] = random.byte(),
            4 => {
                let field = [random.byte(), random.byte(), random.byte(), random.byte()];
                bytes[at..at + length.min(4)].copy_from_slice(&field[..length.min(4)]);
            }
            5 => {
                let copy = bytes[at..at + length].to_vec();
                let to = random.below(bytes.len());
                bytes.splice(to..to, copy);
            }
            6 => drop(bytes.drain(at..at + length)),
            _ if random.below(4) == 0 => bytes.truncate(at),
            _ => bytes[at..at + length].fill(random.byte()),
        }
        if bytes.is_empty() {
            return bytes;
        }
    }
    bytes
}

#[test]
fn a_thousand_damaged_jpegs() {
    check("face.jpg");
}

#[test]
fn a_thousand_damaged_pngs() {
    check("face.png");
}

#[test]
fn a_thousand_damaged_lossy_webps() {
    check("face.webp");
}

#[test]
fn a_thousand_damaged_lossless_webps() {
    check("face_lossless.webp");
}

#[test]
fn a_thousand_damaged_bmps() {
    check("face.bmp");
}

#[test]
fn a_thousand_damaged_tiffs() {
    check("face.tif");
}

#[test]
fn a_thousand_damaged_gifs() {
    check("face.gif");
}

fn check(name: &str) {
    let source = fixture(&format!("mutants/{name}"));
    let original = fs::read(&source).unwrap();
    let face = detail(&upright(&source), FACE);
    the_measure_sees_a_clear_face(name, &original, &face);
    let mut random = Random(original.len() as u64);
    let bench = Bench::new();
    for index in 0..MUTANTS {
        bench.put(&format!("{index}_{name}"), &mutate(&original, &mut random));
    }
    // Without receipts, which would double the files that are flushed to disk: most of the time goes there.
    let command = ["redact", "--json", "--threads", "1", "--out"];
    let run = Run::new(obscura().args(command).arg(bench.output()).arg(bench.input()).output().unwrap());
    assert!(run.code == 0 || run.code == 1, "exit code {}: {}", run.code, run.stderr);
    assert_eq!(run.summary()["photos"], MUTANTS);
    let (mut published, mut most) = (0, 0.0f64);
    for index in 0..MUTANTS {
        let name = format!("{index}_{name}");
        let code = run.code_of(&name).to_owned();
        let output = bench.output().join(&name);
        assert_eq!(code == "published", output.exists(), "{name}: {code}");
        if code != "published" {
            assert_ne!(code, "internal_error", "{name}: {}", run.line(&name));
            assert_eq!(bench.record(&name)["code"], code);
            continue;
        }
        published += 1;
        let likeness = likeness(&face, &output);
        assert!(likeness < MAX_LIKENESS, "{name} shows the face: {likeness:.2}");
        most = most.max(likeness);
    }
    println!("{name}: {published} of {MUTANTS} published, likeness up to {most:.2}");
    assert!(published >= MUTANTS / 20, "only {published} of {name} came as far as the detectors");
}

fn the_measure_sees_a_clear_face(name: &str, original: &[u8], face: &[f64]) {
    let bench = Bench::new();
    bench.put(name, original);
    assert_eq!(bench.redact(&["--face-min-score", "0.9999"]).code, 0);
    let clear = likeness(face, &bench.output().join(name));
    assert_eq!(bench.redact(&[]).code, 0);
    let redacted = likeness(face, &bench.output().join(name));
    assert!(clear > 0.9 && redacted < 0.4, "{name}: {clear:.2} clear, {redacted:.2} redacted");
}

/// How much the place of the face in a published picture looks like the face: correlation of the detail of luma, wherever
/// it was moved to by a few pixels. Averages do not count, since the cells of a redaction are averages. 0 for pictures in
/// which that place is not.
fn likeness(face: &[f64], output: &Path) -> f64 {
    let shown = upright(output);
    let mut best = 0.0f64;
    for dy in -8i32..=8 {
        for dx in -8i32..=8 {
            let place = Rect { x: (FACE.x as i32 + dx) as u32, y: (FACE.y as i32 + dy) as u32, ..FACE };
            if shown.size.rect().contains(place) {
                best = best.max(correlation(face, &detail(&shown, place)).abs());
            }
        }
    }
    best
}

/// Luma, less its average over the nearest pixels.
fn detail(view: &RgbView, place: Rect) -> Vec<f64> {
    const REACH: u32 = 4;
    let plane: Vec<f64> = (place.y..place.bottom())
        .flat_map(|y| (place.x..place.right()).map(move |x| (x, y)))
        .map(|(x, y)| {
            let [r, g, b] = pixel(view, x, y).map(f64::from);
            0.299 * r + 0.587 * g + 0.114 * b
        })
        .collect();
    let at = |x: u32, y: u32| plane[(y * place.width + x) as usize];
    let mut detail = Vec::with_capacity(plane.len());
    for y in 0..place.height {
        for x in 0..place.width {
            let columns = x.saturating_sub(REACH)..(x + REACH + 1).min(place.width);
            let rows = y.saturating_sub(REACH)..(y + REACH + 1).min(place.height);
            let count = columns.len() * rows.len();
            let sum: f64 = rows.flat_map(|y| columns.clone().map(move |x| (x, y))).map(|(x, y)| at(x, y)).sum();
            detail.push(at(x, y) - sum / count as f64);
        }
    }
    detail
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let sum = |f: &dyn Fn(f64, f64) -> f64| a.iter().zip(b).map(|(&a, &b)| f(a - mean_a, b - mean_b)).sum::<f64>();
    let scale = (sum(&|a, _| a * a) * sum(&|_, b| b * b)).sqrt();
    if scale > 0.0 { sum(&|a, b| a * b) / scale } else { 0.0 }
}
