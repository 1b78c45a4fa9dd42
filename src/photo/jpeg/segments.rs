//! The marker segments of a JPEG file (ITU-T T.81, annex B), walked without decoding anything.
//!
//! The walk yields what the rest needs to know about the file and a cleaned stream: only the segments that decoding
//! needs, so that no decoder ever parses metadata, thumbnails, garbage between segments or bytes after the end.

use crate::{
    error::{ErrorCode, PhotoError, PhotoResult, Stage},
    geometry::Size,
    photo::{Orientation, corrupt, metadata},
};

const SOI: u8 = 0xD8;
const EOI: u8 = 0xD9;
const SOS: u8 = 0xDA;
const DQT: u8 = 0xDB;
const DHT: u8 = 0xC4;
const DRI: u8 = 0xDD;
const DNL: u8 = 0xDC;
const APP1: u8 = 0xE1;
const APP2: u8 = 0xE2;
const APP14: u8 = 0xEE;
const ICC_MARK: &[u8] = b"ICC_PROFILE\0";
const EXIF_MARK: &[u8] = b"Exif\0\0";
/// Real files have at most a dozen scans; each costs a pass over the whole picture (a cheap way to burn CPU).
const MAX_SCANS: usize = 64;

/// One colour component of the frame (T.81 B.2.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Component {
    pub horizontal: u8,
    pub vertical: u8,
    pub table: u8,
}

/// What a file says about itself.
#[derive(Clone, Debug, Default)]
pub(super) struct Segments {
    /// Stored width and height.
    pub stored: Option<Size>,
    pub components: Vec<Component>,
    pub progressive: bool,
    /// Transform flag of Adobe's APP14, which also says that CMYK values are inverted.
    pub adobe_transform: Option<u8>,
    pub orientation: Orientation,
    pub icc: Vec<u8>,
    /// Quantisation tables by identifier, in zigzag order as stored.
    pub tables: [Option<[u16; 64]>; 4],
    /// The file without anything that decoding does not need.
    pub clean: Vec<u8>,
}

/// Walk the whole file.
///
/// # Errors
/// `unsupported_jpeg` for arithmetic, lossless, hierarchical or 12-bit coding; `corrupt_image` for a file that is cut
/// off, has no picture or several.
pub(super) fn walk(bytes: &[u8]) -> PhotoResult<Segments> {
    let mut found = Segments { clean: Vec::with_capacity(bytes.len()), ..Segments::default() };
    found.clean.extend([0xFF, SOI]);
    let mut icc_parts: Vec<(u8, &[u8])> = Vec::new();
    let mut seen_exif = false;
    let mut scans = 0;
    let mut at = 2;
    loop {
        let marker = next_marker(bytes, &mut at)?;
        match marker {
            EOI => break,
            // Standalone markers (T.81 B.1.1.3): restart markers outside a scan, a second SOI, TEM.
            0xD0..=SOI | 0x01 => continue,
            _ => {}
        }
        let start = at - 2;
        let body = segment_body(bytes, &mut at)?;
        match marker {
            0xC0..=0xC2 => {
                if found.stored.is_some() {
                    return Err(corrupt("found two pictures in one JPEG stream"));
                }
                read_frame(body, &mut found)?;
                found.progressive = marker == 0xC2;
            }
            0xC3 | 0xC5..=0xC7 | 0xC8..=0xCB | 0xCD..=0xCF => return Err(unsupported_process(marker)),
            0xCC => return Err(unsupported("arithmetic coding")),
            DNL => return Err(unsupported("a number of lines that follows the scan (DNL)")),
            DQT => read_tables(body, &mut found.tables)?,
            APP1 if !seen_exif && body.starts_with(EXIF_MARK) => {
                seen_exif = true;
                found.orientation = metadata::orientation_of(&body[EXIF_MARK.len()..]);
            }
            APP2 if body.starts_with(ICC_MARK) && body.len() > ICC_MARK.len() + 2 => {
                icc_parts.push((body[ICC_MARK.len()], &body[ICC_MARK.len() + 2..]));
            }
            APP14 if body.starts_with(b"Adobe") && body.len() >= 12 => found.adobe_transform = Some(body[11]),
            SOS => {
                scans += 1;
                if found.stored.is_none() {
                    return Err(corrupt("found a scan before the frame header"));
                }
                if scans > MAX_SCANS {
                    return Err(corrupt(format!("expected at most {MAX_SCANS} scans")));
                }
                at = end_of_scan(bytes, at)?;
            }
            _ => {}
        }
        if matches!(marker, 0xC0..=0xC2 | DQT | DHT | DRI | SOS | APP14) {
            found.clean.extend_from_slice(&bytes[start..at]);
        }
    }
    if scans == 0 {
        return Err(corrupt("found no picture before the end marker"));
    }
    found.clean.extend([0xFF, EOI]);
    icc_parts.sort_by_key(|(number, _)| *number);
    found.icc = icc_parts.into_iter().flat_map(|(_, part)| part.iter().copied()).collect();
    Ok(found)
}

/// Find the next marker, past fill bytes and stray bytes; `at` ends up behind it.
fn next_marker(bytes: &[u8], at: &mut usize) -> PhotoResult<u8> {
    while let (Some(&first), Some(&second)) = (bytes.get(*at), bytes.get(*at + 1)) {
        if first == 0xFF && second != 0xFF && second != 0x00 {
            *at += 2;
            return Ok(second);
        }
        *at += 1;
    }
    Err(cut_off())
}

/// The segment's bytes without its length field; `at` ends up behind them.
fn segment_body<'a>(bytes: &'a [u8], at: &mut usize) -> PhotoResult<&'a [u8]> {
    let length = bytes.get(*at..*at + 2).ok_or_else(cut_off)?;
    let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
    if length < 2 {
        return Err(corrupt(format!("expected a segment of at least 2 bytes, found {length}")));
    }
    let body = bytes.get(*at + 2..*at + length).ok_or_else(cut_off)?;
    *at += length;
    Ok(body)
}

/// The entropy-coded data ends before the next marker that is neither a stuffed zero, fill nor a restart marker.
fn end_of_scan(bytes: &[u8], mut at: usize) -> PhotoResult<usize> {
    loop {
        let rest = bytes.get(at..).ok_or_else(cut_off)?;
        at += rest.iter().position(|&byte| byte == 0xFF).ok_or_else(cut_off)?;
        match bytes.get(at + 1) {
            None => return Err(cut_off()),
            Some(0x00 | 0xD0..=0xD7) => at += 2,
            Some(0xFF) => at += 1,
            Some(_) => return Ok(at),
        }
    }
}

fn read_frame(body: &[u8], found: &mut Segments) -> PhotoResult<()> {
    let [precision, h0, h1, w0, w1, count, components @ ..] = body else {
        return Err(cut_off());
    };
    if *precision != 8 {
        return Err(unsupported(&format!("{precision} bits a sample")));
    }
    if !matches!(count, 1 | 3 | 4) {
        return Err(unsupported(&format!("{count} colour components")));
    }
    let height = u32::from(u16::from_be_bytes([*h0, *h1]));
    if height == 0 {
        return Err(unsupported("a number of lines that follows the scan (DNL)"));
    }
    found.stored = Some(Size::new(u32::from(u16::from_be_bytes([*w0, *w1])), height));
    for component in components.chunks_exact(3).take(usize::from(*count)) {
        let (horizontal, vertical) = (component[1] >> 4, component[1] & 15);
        if !(1..=4).contains(&horizontal) || !(1..=4).contains(&vertical) {
            return Err(corrupt(format!("expected sampling factors from 1 to 4, found {horizontal} x {vertical}")));
        }
        found.components.push(Component { horizontal, vertical, table: component[2] });
    }
    if found.components.len() != usize::from(*count) {
        return Err(cut_off());
    }
    Ok(())
}

fn read_tables(mut body: &[u8], tables: &mut [Option<[u16; 64]>; 4]) -> PhotoResult<()> {
    while let [head, rest @ ..] = body {
        let wide = head >> 4 == 1;
        let bytes = rest.get(..if wide { 128 } else { 64 }).ok_or_else(cut_off)?;
        let slot = tables
            .get_mut(usize::from(head & 15))
            .ok_or_else(|| corrupt(format!("expected a quantisation table from 0 to 3, found {}", head & 15)))?;
        let mut table = [0; 64];
        for (index, value) in table.iter_mut().enumerate() {
            *value = if wide {
                u16::from_be_bytes([bytes[index * 2], bytes[index * 2 + 1]])
            } else {
                u16::from(bytes[index])
            };
        }
        *slot = Some(table);
        body = &rest[bytes.len()..];
    }
    Ok(())
}

fn unsupported_process(marker: u8) -> PhotoError {
    unsupported(match marker {
        0xC3 => "lossless coding",
        0xC9..=0xCB => "arithmetic coding",
        0xC5..=0xC7 | 0xCD..=0xCF => "hierarchical coding",
        _ => "a reserved coding process",
    })
}

fn unsupported(what: &str) -> PhotoError {
    let detail = format!("expected a baseline or progressive Huffman JPEG of 8 bits, found {what}");
    PhotoError::new(Stage::Open, ErrorCode::UnsupportedJpeg, detail)
}

fn cut_off() -> PhotoError {
    corrupt("the file ends before its end marker")
}
