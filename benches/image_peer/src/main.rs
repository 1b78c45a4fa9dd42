//! The `image` crate's JPEG codec for `benches/codecs.rs`, which starts this program once a photo and asks for one run
//! at a time, so that it races the others in turn.
//!
//! `image_peer FILE QUALITY`; a line on standard input is `decode`, `quarter` or `encode`, and is answered with the
//! milliseconds of CPU and the bytes that came out.

use std::{env, fs, hint::black_box, io};

use image::{ImageFormat, codecs::jpeg::JpegEncoder};
use rustix::time::{ClockId, clock_gettime};

fn main() {
    let [file, quality]: [String; 2] = env::args().skip(1).collect::<Vec<_>>().try_into().expect("FILE QUALITY");
    let jpeg = fs::read(file).expect("a file");
    let quality = quality.parse().expect("a quality");
    let decode = || image::load_from_memory_with_format(&jpeg, ImageFormat::Jpeg).expect("a JPEG");
    let picture = decode();
    for line in io::stdin().lines().map_while(Result::ok) {
        let started = cpu_ms();
        let bytes = match line.as_str() {
            "decode" => black_box(decode()).as_bytes().len(),
            "quarter" => {
                let picture = decode();
                let (width, height) = (picture.width().div_ceil(4), picture.height().div_ceil(4));
                black_box(picture.thumbnail_exact(width, height)).as_bytes().len()
            }
            "encode" => {
                let mut bytes = Vec::new();
                JpegEncoder::new_with_quality(&mut bytes, quality).encode_image(&picture).expect("an encoded picture");
                bytes.len()
            }
            other => panic!("expected decode, quarter or encode, found {other}"),
        };
        println!("{} {bytes}", cpu_ms() - started);
    }
}

fn cpu_ms() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 * 1e3 + now.tv_nsec as f64 / 1e6
}
