//! What changing a JPEG in its coded form costs, on one thread: CPU milliseconds in turn with turbojpeg on the same photos,
//! and memory.

use std::hint::black_box;

use obscura::{
    geometry::{BoxF, Rect, Size},
    photo::{self, Limits, Photo},
    redact::{Obscured, Style},
};
use obscura_benches::{BenchPhoto, config, photos};
use peak_alloc::PeakAlloc;
use rustix::time::{ClockId, clock_gettime};
use turbojpeg::{Compressor, Decompressor, PixelFormat, ScalingFactor, Subsamp};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

const ROUNDS: usize = 15;
/// Quality at which turbojpeg encodes: that of the drawn photos.
const PEER_QUALITY: i32 = 92;
const REGIONS: u32 = 10;
/// Side of the view at full resolution.
const TILE_PX: u32 = 640;

fn main() {
    let limits = config().limits;
    println!("JPEG splice: CPU ms of one thread, medians of {ROUNDS} rounds in turn\n");
    println!(
        "| photo | MB | redact | turbojpeg | ratio | floor | ratio | view 1/2 | turbojpeg | ratio | 640 px view | peak MB |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|");
    let mut rows: Vec<[f64; 6]> = Vec::new();
    for photo in photos() {
        let row = row(&photo, &limits);
        let megabytes = photo.bytes.len() as f64 / 1e6;
        print_row(photo.name(), &format!("{megabytes:.1}"), &row, &format!("{:.1}", peak_mb(&photo, &limits)));
        rows.push(row);
    }
    let mean: [f64; 6] = std::array::from_fn(|at| rows.iter().map(|row| row[at]).sum::<f64>() / rows.len() as f64);
    print_row("**mean**", "", &mean, "");
}

fn print_row(name: &str, megabytes: &str, [redact, codec, floor, half, turbo_half, tile]: &[f64; 6], peak_mb: &str) {
    println!(
        "| {name} | {megabytes} | {redact:.1} | {codec:.1} | {:.2} | {floor:.1} | {:.2} | {half:.1} | {turbo_half:.1} | {:.2} | {tile:.2} | {peak_mb} |",
        redact / codec,
        redact / floor,
        half / turbo_half
    );
}

/// Medians: redaction, turbojpeg's decode and encode, the floor, a view at half size, turbojpeg's, a tile.
fn row(photo: &BenchPhoto, limits: &Limits) -> [f64; 6] {
    let bytes = &photo.bytes[..];
    let opened = photo::open(bytes, limits).unwrap();
    let size = opened.upright_size();
    let half = Size::new(size.width.div_ceil(2), size.height.div_ceil(2));
    let tile = Rect { x: size.width / 3, y: size.height / 3, width: TILE_PX, height: TILE_PX };
    let mut turbo = Decompressor::new().unwrap();
    turbo.set_scaling_factor(ScalingFactor::ONE_HALF).unwrap();
    let mut contestants: [Box<dyn FnMut() -> usize + '_>; 6] = [
        Box::new(|| redacted(bytes, limits).len()),
        Box::new(|| decoded_and_encoded(bytes)),
        Box::new(|| {
            photo::walk_coded(bytes, limits).unwrap();
            black_box(bytes.to_vec()).len()
        }),
        Box::new(|| opened.view(size.rect().into(), half, 0).unwrap().rgb.len()),
        Box::new(move || {
            let header = turbo.read_header(bytes).unwrap().scaled(ScalingFactor::ONE_HALF);
            let (width, height, pitch) = (header.width, header.height, header.width * 3);
            let mut pixels = vec![0; pitch * height];
            let target = turbojpeg::Image { pixels: &mut pixels[..], width, pitch, height, format: PixelFormat::RGB };
            turbo.decompress(bytes, target).unwrap();
            black_box(pixels).len()
        }),
        Box::new(|| opened.view(BoxF::from(tile), tile.size(), 0).unwrap().rgb.len()),
    ];
    let mut runs: [Vec<f64>; 6] = Default::default();
    for round in 0..ROUNDS {
        for turn in 0..contestants.len() {
            let index = (round + turn) % contestants.len();
            let started = cpu_ms();
            black_box(contestants[index]());
            runs[index].push(cpu_ms() - started);
        }
    }
    runs.map(|mut runs| {
        runs.sort_by(f64::total_cmp);
        runs[ROUNDS / 2]
    })
}

/// Open, look at the whole at a quarter, obscure ten regions with mosaics, encode.
fn redacted(bytes: &[u8], limits: &Limits) -> Vec<u8> {
    let mut photo = photo::open(bytes, limits).unwrap();
    let size = photo.upright_size();
    let quarter = Size::new(size.width.div_ceil(4), size.height.div_ceil(4));
    black_box(photo.view(size.rect().into(), quarter, 0).unwrap());
    let regions: Vec<Obscured> = (0..REGIONS).map(|number| region(photo.as_ref(), number)).collect();
    photo.obscure(&regions).unwrap();
    photo.encode().unwrap()
}

/// Faces of 120 and plates of 200 x 60 pixels, spread over the photo.
fn region(photo: &dyn Photo, number: u32) -> Obscured {
    let size = photo.upright_size();
    let (width, height) = if number.is_multiple_of(2) { (120, 120) } else { (200, 60) };
    let (x, y) = ((size.width - width) * (number * 7 % 10) / 10, (size.height - height) * (number * 3 % 10) / 10);
    let rect = photo.align(Rect { x, y, width, height });
    let original = photo.view(rect.into(), rect.size(), 0).unwrap();
    Obscured::in_steps(rect, Style::Mosaic, 4, photo.cell_step(), &original)
}

fn decoded_and_encoded(bytes: &[u8]) -> usize {
    let picture = turbojpeg::decompress(bytes, PixelFormat::RGB).unwrap();
    let mut compressor = Compressor::new().unwrap();
    compressor.set_quality(PEER_QUALITY).unwrap();
    compressor.set_subsamp(Subsamp::Sub2x2).unwrap();
    compressor.compress_to_vec(picture.as_deref()).unwrap().len()
}

/// Memory above the loaded file while a photo is redacted.
fn peak_mb(photo: &BenchPhoto, limits: &Limits) -> f64 {
    ALLOCATOR.reset_peak_usage();
    let before = ALLOCATOR.peak_usage();
    black_box(redacted(&photo.bytes, limits));
    (ALLOCATOR.peak_usage() - before) as f64 / 1e6
}

fn cpu_ms() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 * 1e3 + now.tv_nsec as f64 / 1e6
}
