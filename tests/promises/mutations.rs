//! Damaged files of every format: nothing crashes, nothing is lost, and no face comes out clear.

use std::fs;

use crate::support::{
    likeness::{KnownFace, MAX_LIKENESS},
    random::Random,
    *,
};

const MUTANTS: usize = 1000;

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
    let face = KnownFace::of(&upright(&source));
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
        let likeness = face.likeness(&upright(&output));
        assert!(likeness < MAX_LIKENESS, "{name} shows the face: {likeness:.2}");
        most = most.max(likeness);
    }
    println!("{name}: {published} of {MUTANTS} published, likeness up to {most:.2}");
    assert!(published >= MUTANTS / 20, "only {published} of {name} came as far as the detectors");
}

fn the_measure_sees_a_clear_face(name: &str, original: &[u8], face: &KnownFace) {
    let bench = Bench::new();
    bench.put(name, original);
    assert_eq!(bench.redact(&["--face-min-score", "0.9999"]).code, 0);
    let clear = face.likeness(&upright(&bench.output().join(name)));
    assert_eq!(bench.redact(&[]).code, 0);
    let redacted = face.likeness(&upright(&bench.output().join(name)));
    assert!(clear > 0.9 && redacted < 0.4, "{name}: {clear:.2} clear, {redacted:.2} redacted");
}
