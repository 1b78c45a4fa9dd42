//! kill -9 at any moment: nothing is lost, nothing is done twice, and nothing is ever clear.

use std::{
    collections::{HashMap, HashSet},
    fs,
    path::Path,
    thread::sleep,
    time::Duration,
};

use image::RgbImage;

use crate::support::{
    likeness::{KnownFace, MAX_LIKENESS},
    worker::{Worker, count, run_once},
    *,
};

const ROUNDS: u64 = 30;
const PHOTOS_A_ROUND: u64 = 8;

/// The known face with a corner that makes every photo another one.
fn put_photo(bench: &Bench, face: &RgbImage, number: u64) {
    let mut photo = face.clone();
    for bit in 0..16 {
        photo.put_pixel(bit, 0, image::Rgb([if number >> bit & 1 == 1 { 255 } else { 0 }; 3]));
    }
    let end = if number.is_multiple_of(3) { "bmp" } else { "png" };
    // Moved in, as whoever delivers files should; half of them in folders.
    let name = if number.is_multiple_of(2) { format!("{number}.{end}") } else { format!("deep/{number}.{end}") };
    let whole = bench.dir.path().join(format!("arriving.{end}"));
    photo.save(&whole).unwrap();
    let target = bench.input().join(&name);
    fs::create_dir_all(target.parent().unwrap()).unwrap();
    fs::rename(whole, target).unwrap();
}

/// Whatever stands in the output, at any time, is whole and shows no face. `seen` holds what was checked before.
fn check_output(bench: &Bench, face: &KnownFace, seen: &mut HashSet<Vec<u8>>) -> usize {
    let mut photos = 0;
    for path in bench.finished() {
        let name = name_of(&path);
        if name.ends_with(".receipt.json") {
            continue;
        }
        photos += 1;
        if seen.insert(fs::read(&path).unwrap()) {
            let likeness = face.likeness(&upright(&path));
            assert!(likeness < MAX_LIKENESS, "{name} shows the face: {likeness:.2}");
        }
    }
    photos
}

fn is_clear_copy(path: &Path, originals: &HashMap<Vec<u8>, String>) -> bool {
    originals.contains_key(&fs::read(path).unwrap())
}

/// Whether a kill would condemn a photo that two kills met alone in work before (`tests/promises/worker_faults.rs`).
fn is_one_kill_from_giving_up(bench: &Bench) -> bool {
    let journal = fs::read_to_string(bench.dir.path().join("out.state/in_work")).unwrap();
    let mut alone: HashMap<&str, u32> = HashMap::new();
    for (step, key) in journal.lines().filter_map(|line| line.split_once(' ')) {
        match step {
            "A" => *alone.entry(key).or_default() += 1,
            "E" => _ = alone.remove(key),
            _ => {}
        }
    }
    alone.values().any(|&kills| kills >= 2)
}

#[test]
fn thirty_kills_lose_double_and_uncover_nothing() {
    let bench = Bench::new();
    let source = fixture("mutants/face.png");
    let picture = image::open(&source).unwrap().into_rgb8();
    let face = KnownFace::of(&upright(&source));
    assert!(face.likeness(&upright(&source)) > 0.9, "the measure must see a clear face");
    let mut published: HashMap<String, u64> = HashMap::new();
    let mut note = |log: &[serde_json::Value]| {
        for line in log.iter().filter(|line| line["message"] == "published") {
            *published.entry(line["photo"].as_str().unwrap().to_owned()).or_default() += 1;
        }
    };
    let (mut killed_at_work, mut seen) = (0, HashSet::new());
    for round in 0..ROUNDS {
        let first = round * PHOTOS_A_ROUND;
        (first..first + PHOTOS_A_ROUND / 2).for_each(|number| put_photo(&bench, &picture, number));
        let mut worker = Worker::start(&bench, &["--log-level", "info"]);
        // Every sixth is killed while it starts, the others at some moment of their work.
        if round % 6 != 5 {
            worker.wait_for("ready");
        }
        (first + PHOTOS_A_ROUND / 2..first + PHOTOS_A_ROUND).for_each(|number| put_photo(&bench, &picture, number));
        if round % 6 != 5 {
            // After so many photos, and a moment that is another one every time.
            let photos = (round * 5 % 12) as usize;
            worker.wait_until("some photos", |worker| count(&worker.log(), "published") >= photos);
        }
        sleep(Duration::from_millis(round * 7 % 40));
        let log = worker.log();
        worker.kill();
        note(&log);
        let done = check_output(&bench, &face, &mut seen) as u64;
        killed_at_work += u64::from(done < first + PHOTOS_A_ROUND);
        // What crashes a worker looks no different from these kills, and is given up after three of them.
        if is_one_kill_from_giving_up(&bench) {
            let (code, log) = run_once(&bench, &[], &[]);
            assert_eq!(code, 0, "{log:?}");
            note(&log);
        }
    }
    assert!(killed_at_work >= ROUNDS / 2, "only {killed_at_work} kills came while there was work");
    let (code, log) = run_once(&bench, &[], &[]);
    assert_eq!(code, 0, "{log:?}");
    note(&log);

    let total = ROUNDS * PHOTOS_A_ROUND;
    assert_eq!(check_output(&bench, &face, &mut seen) as u64, total, "a photo is lost or doubled");
    for number in 0..total {
        let end = if number.is_multiple_of(3) { "bmp" } else { "png" };
        let name = if number.is_multiple_of(2) { format!("{number}.{end}") } else { format!("deep/{number}.{end}") };
        let receipt = bench.receipt(&name);
        let sha256 = |path| obscura::redact::sha256_hex(&fs::read(path).unwrap());
        assert_eq!(receipt["source"]["sha256"], sha256(bench.input().join(&name)));
        assert_eq!(receipt["output"]["sha256"], sha256(bench.output().join(&name)));
    }
    assert!(files_below(&bench.quarantine()).is_empty(), "{:?}", files_below(&bench.quarantine()));
    assert!(published.values().all(|&times| times == 1), "published twice: {published:?}");
    let originals: HashMap<_, _> =
        files_below(&bench.input()).iter().map(|path| (fs::read(path).unwrap(), name_of(path))).collect();
    for place in [bench.output(), bench.quarantine(), bench.dir.path().join("out.state")] {
        for path in files_below(&place) {
            assert!(!is_clear_copy(&path, &originals), "a clear copy at {}", path.display());
        }
    }
    // And when all is done, a restart does nothing.
    let (code, log) = run_once(&bench, &[], &[]);
    assert_eq!((code, count(&log, "published"), count(&log, "already published")), (0, 0, 0));
}
