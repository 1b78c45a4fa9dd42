//! The JPEG codec beside turbojpeg and the `image` crate: CPU milliseconds of the working thread, and ours over theirs.
//!
//! The machine's speed drifts by more than the differences that matter, so every round runs all of them in turn, each
//! round begins with another, and medians are compared.

mod image_peer;

use std::hint::black_box;

use image_peer::ImagePeer;
use obscura::{
    geometry::{Rect, Size},
    photo::{self, Limits},
    redact::{Obscured, Style},
};
use obscura_benches::{BenchPhoto, config, photos};
use rustix::time::{ClockId, clock_gettime};
use turbojpeg::{Compressor, Decompressor, PixelFormat, ScalingFactor, Subsamp};

const ROUNDS: usize = 9;
/// Quality at which the peers encode: that of the drawn photos. Ours takes the tables of the photo.
const PEER_QUALITY: u8 = 92;

/// What one run took and how much came out.
#[derive(Clone, Copy, Default)]
pub struct Spent {
    cpu_ms: f64,
    bytes: usize,
}

/// One way to do an operation, once.
type Contestant<'a> = Box<dyn FnMut() -> Spent + 'a>;
/// Ours, turbojpeg's, the image crate's.
type Contestants<'a> = [Contestant<'a>; 3];
type Operation = for<'a> fn(&'a BenchPhoto, &'a Limits) -> Contestants<'a>;

const OPERATIONS: [(&str, Operation); 3] =
    [("decode", decode), ("decode, view at 1/4", decode_to_quarter), ("write what was changed", encode)];

fn main() {
    let photos = photos();
    let limits = config().limits;
    let names: Vec<&str> = photos.iter().map(BenchPhoto::name).collect();
    println!("JPEG codec on {}: CPU ms a photo, medians of {ROUNDS} rounds in turn\n", names.join(", "));
    println!("| operation | obscura | turbojpeg | ratio | image | ratio |");
    println!("|---|---|---|---|---|---|");
    let mut encoded = [0.0; 3];
    for (name, operation) in OPERATIONS {
        let medians: Vec<[Spent; 3]> = photos.iter().map(|photo| race(operation(photo, &limits))).collect();
        let mean = |of: &dyn Fn(&[Spent; 3]) -> f64| medians.iter().map(of).sum::<f64>() / medians.len() as f64;
        let [ours, turbo, image] = std::array::from_fn(|index| mean(&|row| row[index].cpu_ms));
        println!("| {name} | {ours:.1} | {turbo:.1} | {:.2} | {image:.1} | {:.2} |", ours / turbo, ours / image);
        encoded = std::array::from_fn(|index| mean(&|row| row[index].bytes as f64 / 1e6));
    }
    // The last operation is writing. Ours copies what was not touched, the peers encode.
    println!("\nencoded MB: {:.2}, {:.2}, {:.2}", encoded[0], encoded[1], encoded[2]);
}

fn decode<'a>(photo: &'a BenchPhoto, limits: &'a Limits) -> Contestants<'a> {
    let mut peer = ImagePeer::start(&photo.path, PEER_QUALITY);
    [
        timed(|| {
            let photo = photo::open(&photo.bytes, limits).unwrap();
            let size = photo.upright_size();
            black_box(photo.view(size.rect().into(), size, 0).unwrap()).rgb.len()
        }),
        timed(|| black_box(turbojpeg::decompress(&photo.bytes, PixelFormat::RGB).unwrap()).pixels.len()),
        Box::new(move || peer.run("decode")),
    ]
}

/// What the coarsest scale of detection needs: the whole photo, small.
fn decode_to_quarter<'a>(photo: &'a BenchPhoto, limits: &'a Limits) -> Contestants<'a> {
    let mut turbo = Decompressor::new().unwrap();
    turbo.set_scaling_factor(ScalingFactor::ONE_QUARTER).unwrap();
    let mut peer = ImagePeer::start(&photo.path, PEER_QUALITY);
    [
        timed(|| {
            let photo = photo::open(&photo.bytes, limits).unwrap();
            let size = photo.upright_size();
            let out = Size::new(size.width.div_ceil(4), size.height.div_ceil(4));
            black_box(photo.view(size.rect().into(), out, 0).unwrap()).rgb.len()
        }),
        timed(move || {
            let header = turbo.read_header(&photo.bytes).unwrap().scaled(ScalingFactor::ONE_QUARTER);
            let (width, height, pitch) = (header.width, header.height, header.width * 3);
            let mut pixels = vec![0; pitch * height];
            let target = turbojpeg::Image { pixels: &mut pixels[..], width, pitch, height, format: PixelFormat::RGB };
            turbo.decompress(&photo.bytes, target).unwrap();
            black_box(pixels).len()
        }),
        Box::new(move || peer.run("quarter")),
    ]
}

fn encode<'a>(photo: &'a BenchPhoto, limits: &'a Limits) -> Contestants<'a> {
    let mut ours = photo::open(&photo.bytes, limits).unwrap();
    let size = ours.upright_size();
    let picture = ours.view(size.rect().into(), size, 0).unwrap();
    // A photo is encoded because something in it was changed.
    let rect = ours.align(Rect { x: size.width / 2, y: size.height / 2, width: 64, height: 64 });
    let original = ours.view(rect.into(), rect.size(), 0).unwrap();
    ours.obscure(&[Obscured::new(rect, Style::Blur, 4, &original)]).unwrap();
    let mut turbo = Compressor::new().unwrap();
    turbo.set_quality(i32::from(PEER_QUALITY)).unwrap();
    turbo.set_subsamp(Subsamp::Sub2x2).unwrap();
    let mut peer = ImagePeer::start(&photo.path, PEER_QUALITY);
    [
        timed(move || ours.encode().unwrap().len()),
        timed(move || {
            let (width, height) = (size.width as usize, size.height as usize);
            let (pixels, pitch) = (&picture.rgb[..], width * 3);
            let source = turbojpeg::Image { pixels, width, pitch, height, format: PixelFormat::RGB };
            turbo.compress_to_vec(source).unwrap().len()
        }),
        Box::new(move || peer.run("encode")),
    ]
}

fn timed<'a>(mut work: impl FnMut() -> usize + 'a) -> Contestant<'a> {
    Box::new(move || {
        let started = cpu_ms();
        let bytes = black_box(work());
        Spent { cpu_ms: cpu_ms() - started, bytes }
    })
}

/// The median of each.
fn race(mut contestants: Contestants<'_>) -> [Spent; 3] {
    let mut runs: [Vec<Spent>; 3] = Default::default();
    for round in 0..ROUNDS {
        for turn in 0..3 {
            let index = (round + turn) % 3;
            runs[index].push(contestants[index]());
        }
    }
    runs.map(|mut runs| {
        runs.sort_by(|a, b| a.cpu_ms.total_cmp(&b.cpu_ms));
        runs[ROUNDS / 2]
    })
}

fn cpu_ms() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 * 1e3 + now.tv_nsec as f64 / 1e6
}
