//! The headers that are written: made anew from what was understood, so that nothing else can be in them.

use crate::photo::{
    Orientation,
    jpeg::{
        frame::{Frame, Tables},
        segments::{EXIF_MARK, ICC_MARK, JFIF_MARK, Jfif, Segments},
    },
    metadata,
};

/// What is kept of the headers beside frame and tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Keepsakes {
    pub jfif: Option<Jfif>,
    pub adobe_transform: Option<u8>,
    pub orientation: Orientation,
    /// A colour profile of numbers alone.
    pub icc: Option<Vec<u8>>,
}

/// Longest part of a profile in one segment (ICC.1:2022, B.4).
const ICC_PART: usize = 0xFFFF - 2 - ICC_MARK.len() - 2;

impl Keepsakes {
    pub fn of(segments: &Segments) -> Self {
        Self {
            jfif: segments.jfif,
            adobe_transform: segments.adobe_transform,
            orientation: segments.orientation,
            icc: metadata::rebuild_icc(&segments.icc, segments.components.len() == 1),
        }
    }

    /// Everything up to the scan's data.
    pub fn write(&self, frame: &Frame, tables: &Tables) -> Vec<u8> {
        let mut out = vec![0xFF, 0xD8];
        if let Some(facts) = &self.jfif {
            // Without a thumbnail: 0 by 0 pixels.
            segment(&mut out, 0xE0, &[JFIF_MARK, facts, &[0, 0]]);
        }
        if let Some(block) = metadata::orientation_block(self.orientation) {
            segment(&mut out, 0xE1, &[EXIF_MARK, &block]);
        }
        if let Some(profile) = &self.icc {
            let parts = profile.chunks(ICC_PART);
            let count = parts.len() as u8;
            for (number, part) in (1..).zip(parts) {
                segment(&mut out, 0xE2, &[ICC_MARK, &[number, count], part]);
            }
        }
        if let Some(transform) = self.adobe_transform {
            // Version 100, no flags.
            segment(&mut out, 0xEE, &[b"Adobe", &[0, 100, 0, 0, 0, 0, transform]]);
        }
        write_quantisation(&mut out, frame);
        write_frame(&mut out, frame);
        write_huffman(&mut out, tables);
        if frame.has_restarts {
            segment(&mut out, 0xDD, &[&(frame.interval as u16).to_be_bytes()]);
        }
        write_scan_header(&mut out, frame);
        out
    }
}

/// Marker, length and content (T.81 B.1.1.4).
fn segment(out: &mut Vec<u8>, marker: u8, parts: &[&[u8]]) {
    let length = 2 + parts.iter().map(|part| part.len()).sum::<usize>();
    out.extend([0xFF, marker]);
    out.extend((length as u16).to_be_bytes());
    for part in parts {
        out.extend_from_slice(part);
    }
}

/// B.2.4.1
fn write_quantisation(out: &mut Vec<u8>, frame: &Frame) {
    let mut written = Vec::new();
    for component in &frame.components {
        let id = component.quantisation_id;
        if written.contains(&id) {
            continue;
        }
        written.push(id);
        if component.quantisation.iter().all(|&step| step <= 255) {
            segment(out, 0xDB, &[&[id], &component.quantisation.map(|step| step as u8)]);
        } else {
            let steps: Vec<u8> = component.quantisation.iter().flat_map(|step| step.to_be_bytes()).collect();
            segment(out, 0xDB, &[&[0x10 | id], &steps]);
        }
    }
}

/// B.2.2
fn write_frame(out: &mut Vec<u8>, frame: &Frame) {
    let side = |pixels: u32| (pixels as u16).to_be_bytes();
    let components: Vec<u8> = frame
        .components
        .iter()
        .flat_map(|one| [one.id, (one.across as u8) << 4 | one.down as u8, one.quantisation_id])
        .collect();
    let count = frame.components.len() as u8;
    segment(out, frame.process, &[&[8], &side(frame.size.height), &side(frame.size.width), &[count], &components]);
}

/// B.2.4.2
fn write_huffman(out: &mut Vec<u8>, tables: &Tables) {
    for (class, tables) in [(0x00, &tables.dc), (0x10, &tables.ac)] {
        for (id, table) in (0u8..).zip(tables) {
            if let Some(table) = table {
                segment(out, 0xC4, &[&[class | id], &table.spec.lengths, &table.spec.symbols]);
            }
        }
    }
}

/// B.2.3
fn write_scan_header(out: &mut Vec<u8>, frame: &Frame) {
    let components: Vec<u8> =
        frame.components.iter().flat_map(|one| [one.id, (one.dc_table as u8) << 4 | one.ac_table as u8]).collect();
    segment(out, 0xDA, &[&[frame.components.len() as u8], &components, &[0, 63, 0]]);
}
