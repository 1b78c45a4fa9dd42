//! Damaged files of every format: nothing crashes, nothing is lost, and no face comes out clear.

use std::{fs, path::Path};

use obscura::geometry::Rect;

use crate::support::*;

const MUTANTS: usize = 1000;
/// Every photo of `mutants/` is 135 x 144 pixels; its face, from brow to chin, lies here.
const FACE: Rect = Rect { x: 52, y: 28, width: 34, height: 40 };

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
    let mut random = Random(original.len() as u64);
    let bench = Bench::new();
    for index in 0..MUTANTS {
        bench.put(&format!("{index}_{name}"), &mutate(&original, &mut random));
    }
    let run = bench.redact(&["--threads", "1"]);
    assert!(run.code == 0 || run.code == 1, "exit code {}: {}", run.code, run.stderr);
    assert_eq!(run.summary()["photos"], MUTANTS);
    let face = crop(&upright(&source), FACE);
    let (mut published, mut worst) = (0, 0.0f64);
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
        let similarity = likeness(&face, &output);
        if std::env::var("SHOW").is_ok() && similarity > 0.4 {
            let redacted = rects(&bench.receipt(&name)["redacted"]);
            println!("{similarity:.3} {name} {redacted:?}");
            fs::create_dir_all("/tmp/mut").unwrap();
            fs::copy(&output, format!("/tmp/mut/{name}")).unwrap();
            fs::copy(bench.input().join(&name), format!("/tmp/mut/in_{name}")).unwrap();
        }
        worst = worst.max(similarity);
    }
    println!("{name}: {published} published, likeness up to {worst:.2}");
}

/// How much the place of the face in a published picture looks like the face: correlation of luma, wherever the face was
/// moved to by a few pixels. 0 for pictures of another size, whose face is not at its place.
fn likeness(face: &[f64], output: &Path) -> f64 {
    let shown = upright(output);
    let mut best = 0.0f64;
    for dy in -8i32..=8 {
        for dx in -8i32..=8 {
            let place = Rect { x: (FACE.x as i32 + dx) as u32, y: (FACE.y as i32 + dy) as u32, ..FACE };
            if shown.size.rect().contains(place) {
                best = best.max(correlation(face, &crop(&shown, place)));
            }
        }
    }
    best
}

fn crop(view: &obscura::photo::RgbView, place: Rect) -> Vec<f64> {
    let luma = |x, y| {
        let [r, g, b] = pixel(view, x, y).map(f64::from);
        0.299 * r + 0.587 * g + 0.114 * b
    };
    (place.y..place.bottom()).flat_map(|y| (place.x..place.right()).map(move |x| luma(x, y))).collect()
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let sum = |f: &dyn Fn(f64, f64) -> f64| a.iter().zip(b).map(|(&a, &b)| f(a - mean_a, b - mean_b)).sum::<f64>();
    let scale = (sum(&|a, _| a * a) * sum(&|_, b| b * b)).sqrt();
    if scale > 0.0 { sum(&|a, b| a * b) / scale } else { 0.0 }
}
