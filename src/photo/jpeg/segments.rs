//! The marker segments of a JPEG file (ITU-T T.81, annex B), walked without decoding anything.
//!
//! The walk yields what the rest needs to know about the file and which parts of it decoding needs, so that no decoder
//! ever parses metadata, thumbnails, garbage between segments or bytes after the end.

use std::ops::Range;

use super::{huffman::HuffmanSpec, scan::first_mark};
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
const APP0: u8 = 0xE0;
const APP1: u8 = 0xE1;
const APP2: u8 = 0xE2;
const APP14: u8 = 0xEE;
pub(super) const ICC_MARK: &[u8] = b"ICC_PROFILE\0";
pub(super) const EXIF_MARK: &[u8] = b"Exif\0\0";
pub(super) const JFIF_MARK: &[u8] = b"JFIF\0";
/// Real files have at most a dozen scans; each costs a pass over the whole picture (a cheap way to burn CPU).
const MAX_SCANS: usize = 64;

/// One colour component of the frame (T.81 B.2.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Component {
    pub id: u8,
    pub horizontal: u8,
    pub vertical: u8,
    pub table: u8,
}

/// A component's part in a scan (T.81 B.2.3): the tables that its DC and AC coefficients are coded with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ScanComponent {
    pub id: u8,
    pub dc_table: u8,
    pub ac_table: u8,
}

/// The header of a scan, and where its entropy-coded data is.
#[derive(Clone, Debug)]
pub(super) struct ScanHeader {
    pub components: Vec<ScanComponent>,
    /// Whether it holds whole blocks: coefficients 0 to 63 at full precision.
    pub is_whole: bool,
    /// MCUs between restart markers; 0 if there are none.
    pub restart_interval: u16,
    pub data: Range<usize>,
}

/// Version, unit and density of JFIF's header (T.871), without its thumbnail.
pub(super) type Jfif = [u8; 7];

/// What a file says about itself.
#[derive(Clone, Debug, Default)]
pub(super) struct Segments {
    /// Stored width and height.
    pub stored: Option<Size>,
    pub components: Vec<Component>,
    /// The marker of the frame header, which names the coding process.
    pub process: u8,
    pub progressive: bool,
    pub scans: usize,
    /// Whether tables follow the first scan.
    pub has_late_tables: bool,
    pub first_scan: Option<ScanHeader>,
    /// Huffman tables by identifier, as they are for the first scan.
    pub dc_tables: [Option<HuffmanSpec>; 4],
    pub ac_tables: [Option<HuffmanSpec>; 4],
    pub jfif: Option<Jfif>,
    /// Transform flag of Adobe's APP14, which also says that CMYK values are inverted.
    pub adobe_transform: Option<u8>,
    pub orientation: Orientation,
    pub icc: Vec<u8>,
    /// Quantisation tables by identifier, in zigzag order as stored.
    pub tables: [Option<[u16; 64]>; 4],
    /// The parts of the file that decoding needs, in order: its frame, tables, scans and Adobe's marker.
    kept: Vec<Range<usize>>,
}

impl Segments {
    /// The file without anything that decoding does not need.
    pub fn clean(&self, bytes: &[u8]) -> Vec<u8> {
        let mut clean = Vec::with_capacity(self.kept_bytes() + 4);
        clean.extend([0xFF, SOI]);
        for part in &self.kept {
            clean.extend_from_slice(&bytes[part.clone()]);
        }
        clean.extend([0xFF, EOI]);
        clean
    }

    pub fn kept_bytes(&self) -> usize {
        self.kept.iter().map(Range::len).sum()
    }
}

/// Walk the whole file.
///
/// # Errors
/// `unsupported_jpeg` for arithmetic, lossless, hierarchical or 12-bit coding; `corrupt_image` for a file that is cut
/// off, has no picture or several.
pub(super) fn walk(bytes: &[u8]) -> PhotoResult<Segments> {
    let mut found = Segments::default();
    let mut icc_parts: Vec<(u8, &[u8])> = Vec::new();
    let mut seen_exif = false;
    let mut restart_interval = 0;
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
        found.has_late_tables |= found.scans > 0 && matches!(marker, DQT | DHT | DRI);
        match marker {
            0xC0..=0xC2 => {
                if found.stored.is_some() {
                    return Err(corrupt("found two pictures in one JPEG stream"));
                }
                read_frame(body, &mut found)?;
                (found.process, found.progressive) = (marker, marker == 0xC2);
            }
            0xC3 | 0xC5..=0xC7 | 0xC8..=0xCB | 0xCD..=0xCF => return Err(unsupported_process(marker)),
            0xCC => return Err(unsupported("arithmetic coding")),
            DNL => return Err(unsupported("a number of lines that follows the scan (DNL)")),
            DQT => read_tables(body, &mut found.tables)?,
            DHT if found.scans == 0 => read_huffman(body, &mut found)?,
            DRI => restart_interval = read_restart_interval(body)?,
            APP0 if found.jfif.is_none() && body.starts_with(JFIF_MARK) => {
                found.jfif = body.get(JFIF_MARK.len()..JFIF_MARK.len() + 7).and_then(|facts| facts.try_into().ok());
            }
            APP1 if !seen_exif && body.starts_with(EXIF_MARK) => {
                seen_exif = true;
                found.orientation = metadata::orientation_of(&body[EXIF_MARK.len()..]);
            }
            APP2 if body.starts_with(ICC_MARK) && body.len() > ICC_MARK.len() + 2 => {
                icc_parts.push((body[ICC_MARK.len()], &body[ICC_MARK.len() + 2..]));
            }
            APP14 if body.starts_with(b"Adobe") && body.len() >= 12 => found.adobe_transform = Some(body[11]),
            SOS => {
                found.scans += 1;
                if found.stored.is_none() {
                    return Err(corrupt("found a scan before the frame header"));
                }
                if found.scans > MAX_SCANS {
                    return Err(corrupt(format!("expected at most {MAX_SCANS} scans")));
                }
                let data = at..end_of_scan(bytes, at)?;
                at = data.end;
                if found.scans == 1 {
                    found.first_scan = Some(read_scan(body, restart_interval, data)?);
                }
            }
            _ => {}
        }
        if matches!(marker, 0xC0..=0xC2 | DQT | DHT | DRI | SOS | APP14) {
            found.kept.push(start..at);
        }
    }
    if found.scans == 0 {
        return Err(corrupt("found no picture before the end marker"));
    }
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
        at += first_mark(rest).ok_or_else(cut_off)?;
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
        found.components.push(Component { id: component[0], horizontal, vertical, table: component[2] });
    }
    if found.components.len() != usize::from(*count) {
        return Err(cut_off());
    }
    Ok(())
}

fn read_scan(body: &[u8], restart_interval: u16, data: Range<usize>) -> PhotoResult<ScanHeader> {
    let (&count, rest) = body.split_first().ok_or_else(cut_off)?;
    let parts = rest.get(..usize::from(count) * 2).ok_or_else(cut_off)?;
    let selection = rest.get(parts.len()..parts.len() + 3).ok_or_else(cut_off)?;
    let components = parts
        .chunks_exact(2)
        .map(|part| ScanComponent { id: part[0], dc_table: part[1] >> 4, ac_table: part[1] & 15 })
        .collect();
    Ok(ScanHeader { components, is_whole: selection == [0, 63, 0], restart_interval, data })
}

fn read_restart_interval(body: &[u8]) -> PhotoResult<u16> {
    let field = body.first_chunk().ok_or_else(cut_off)?;
    Ok(u16::from_be_bytes(*field))
}

/// T.81 B.2.4.2: class and identifier, the number of codes of each length, their symbols.
fn read_huffman(mut body: &[u8], found: &mut Segments) -> PhotoResult<()> {
    while let [head, rest @ ..] = body {
        let lengths: [u8; 16] = *rest.first_chunk().ok_or_else(cut_off)?;
        let count: usize = lengths.iter().map(|&count| usize::from(count)).sum();
        let symbols = rest.get(16..16 + count).ok_or_else(cut_off)?;
        let tables = if head >> 4 == 0 { &mut found.dc_tables } else { &mut found.ac_tables };
        let slot = tables.get_mut(usize::from(head & 15)).filter(|_| head >> 4 <= 1 && count <= 256);
        *slot.ok_or_else(|| corrupt(format!("found a Huffman table {head:#04x} of {count} symbols")))? =
            Some(HuffmanSpec { lengths, symbols: symbols.to_vec() });
        body = &rest[16 + count..];
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
