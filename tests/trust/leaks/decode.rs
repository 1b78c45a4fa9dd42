//! Everything that a decoder can be made to show of a picture: colour under transparency, low bytes of deep samples, all
//! frames and pages, and of a JPEG the blocks beyond its edges.

use std::{
    io::{Cursor, Write},
    process::{Command, Stdio},
};

use image::{DynamicImage, ImageFormat};

/// Rows of blocks beyond the frame that are asked for.
const EXTRA_ROWS: u16 = 6;

/// All pictures in a file, as RGBA.
pub fn pictures(bytes: &[u8]) -> Vec<Vec<u8>> {
    match kind(bytes) {
        Kind::Jpeg => jpeg(bytes).into_iter().collect(),
        Kind::Library(format) => {
            library(bytes, format).map(|picture| picture.into_rgba8().into_raw()).into_iter().collect()
        }
        Kind::Gif => gif_frames(bytes),
        Kind::Tiff => tiff_pages(bytes).into_iter().filter_map(|page| page.rgba).collect(),
        Kind::Other => Vec::new(),
    }
}

/// All samples of a file: as they are, and by themselves the low and the high bytes of deep ones.
pub fn planes(bytes: &[u8]) -> Vec<Vec<u8>> {
    let deep: Vec<Vec<u16>> = match kind(bytes) {
        Kind::Library(format) => match library(bytes, format) {
            Some(DynamicImage::ImageRgb16(picture)) => vec![picture.into_raw()],
            Some(DynamicImage::ImageRgba16(picture)) => vec![picture.into_raw()],
            Some(DynamicImage::ImageLuma16(picture)) => vec![picture.into_raw()],
            _ => Vec::new(),
        },
        Kind::Tiff => tiff_pages(bytes).into_iter().filter_map(|page| page.deep).collect(),
        _ => Vec::new(),
    };
    let mut planes = pictures(bytes);
    for samples in deep {
        planes.push(samples.iter().map(|&sample| sample as u8).collect());
        planes.push(samples.iter().map(|&sample| (sample >> 8) as u8).collect());
    }
    planes
}

enum Kind {
    Jpeg,
    Gif,
    Tiff,
    Library(ImageFormat),
    Other,
}

fn kind(bytes: &[u8]) -> Kind {
    match bytes {
        [0xFF, 0xD8, ..] => Kind::Jpeg,
        [b'G', b'I', b'F', ..] => Kind::Gif,
        [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => Kind::Tiff,
        [0x89, b'P', b'N', b'G', ..] => Kind::Library(ImageFormat::Png),
        [b'R', b'I', b'F', b'F', ..] => Kind::Library(ImageFormat::WebP),
        [b'B', b'M', ..] => Kind::Library(ImageFormat::Bmp),
        _ => Kind::Other,
    }
}

fn library(bytes: &[u8], format: ImageFormat) -> Option<DynamicImage> {
    image::load_from_memory_with_format(bytes, format).ok()
}

fn gif_frames(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut options = gif::DecodeOptions::new();
    options.set_color_output(gif::ColorOutput::RGBA);
    let Ok(mut decoder) = options.read_info(Cursor::new(bytes)) else { return Vec::new() };
    let mut frames = Vec::new();
    while let Ok(Some(frame)) = decoder.read_next_frame() {
        frames.push(frame.buffer.to_vec());
    }
    frames
}

struct Page {
    rgba: Option<Vec<u8>>,
    deep: Option<Vec<u16>>,
}

fn tiff_pages(bytes: &[u8]) -> Vec<Page> {
    use tiff::{
        ColorType,
        decoder::{Decoder, DecodingResult},
    };
    let Ok(mut decoder) = Decoder::new(Cursor::new(bytes)) else { return Vec::new() };
    let mut pages = Vec::new();
    loop {
        let colour = decoder.colortype();
        pages.push(match (decoder.read_image(), colour) {
            (Ok(DecodingResult::U8(samples)), Ok(ColorType::RGB(_))) => {
                Page { rgba: Some(opaque(&samples)), deep: None }
            }
            (Ok(DecodingResult::U8(samples)), _) => Page { rgba: Some(samples), deep: None },
            (Ok(DecodingResult::U16(samples)), _) => Page { rgba: None, deep: Some(samples) },
            _ => Page { rgba: None, deep: None },
        });
        if !decoder.more_images() || decoder.next_image().is_err() {
            return pages;
        }
    }
}

fn opaque(rgb: &[u8]) -> Vec<u8> {
    rgb.as_chunks::<3>().0.iter().flat_map(|&[r, g, b]| [r, g, b, 255]).collect()
}

/// What libjpeg shows when the header is made to promise whole MCUs, and rows of them beyond its end.
fn jpeg(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = bytes.to_vec();
    let frame = frame_at(&bytes)?;
    let (across, down) = bytes[frame + 10..]
        .chunks(3)
        .take(usize::from(bytes[frame + 9]))
        .map(|component| (component[1] >> 4, component[1] & 15))
        .fold((1, 1), |most, one| (most.0.max(one.0), most.1.max(one.1)));
    for (at, blocks, extra) in [(frame + 5, down, EXTRA_ROWS), (frame + 7, across, 0)] {
        let mcu = u16::from(blocks) * 8;
        let side = u16::from_be_bytes([bytes[at], bytes[at + 1]]);
        bytes[at..at + 2].copy_from_slice(&((side.div_ceil(mcu) + extra) * mcu).to_be_bytes());
    }
    let mut djpeg = Command::new("djpeg")
        .args(["-rgb", "-pnm"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = djpeg.stdin.take().unwrap();
    let writing = std::thread::spawn(move || stdin.write_all(&bytes));
    // Rows that are missing are a warning to it.
    let output = djpeg.wait_with_output().unwrap();
    let _ = writing.join().unwrap();
    let header = output.stdout.iter().enumerate().filter(|(_, byte)| byte.is_ascii_whitespace()).nth(3)?.0;
    Some(opaque(&output.stdout[header + 1..]))
}

/// Where the marker of the frame header stands (T.81 B.2.2).
pub fn frame_at(jpeg: &[u8]) -> Option<usize> {
    let mut at = 2;
    while let Some(&[0xFF, marker, high, low]) = jpeg.get(at..at + 4) {
        if matches!(marker, 0xC0..=0xC2) {
            return Some(at);
        }
        at += 2 + usize::from(u16::from_be_bytes([high, low]));
    }
    None
}
