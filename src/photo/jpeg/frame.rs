//! The frame of a JPEG that can be spliced: its components, how they lie in MCUs (T.81 A.2), and their tables.

use super::{
    huffman::{Class, Code, DecodeTable, HuffmanSpec},
    segments::Segments,
};
use crate::{
    error::PhotoResult,
    geometry::{Rect, Size},
    photo::corrupt,
};

/// Most blocks that an MCU may have (B.2.3).
pub(super) const MAX_BLOCKS: usize = 10;
/// Components of a frame that is spliced: grey, or three colours.
pub(super) const MAX_COMPONENTS: usize = 3;

/// What the components mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colour {
    Grey,
    Ycc,
    Rgb,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Component {
    pub id: u8,
    /// Blocks in an MCU, across and down.
    pub across: usize,
    pub down: usize,
    pub quantisation_id: u8,
    /// Steps in zigzag order, none of them 0.
    pub quantisation: [u16; 64],
    pub dc_table: usize,
    pub ac_table: usize,
}

impl Component {
    pub fn blocks(&self) -> usize {
        self.across * self.down
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// Stored size in pixels.
    pub size: Size,
    /// Baseline (SOF0) or extended sequential (SOF1).
    pub process: u8,
    pub colour: Colour,
    pub components: Vec<Component>,
    /// Size of an MCU in blocks of the finest component.
    pub mcu_across: usize,
    pub mcu_down: usize,
    /// MCUs in a row, and rows of MCUs.
    pub columns: usize,
    pub rows: usize,
    /// MCUs of a restart interval; all of them where there are no restart markers.
    pub interval: usize,
    pub has_restarts: bool,
}

impl Frame {
    /// The frame, or none if the file has to go by way of pixels: progressive or non-interleaved, four components, odd
    /// samplings, tables missing or changed behind the scan.
    ///
    /// # Errors
    /// `corrupt_image` for a step of 0, or more blocks than the scan has bits for.
    pub fn to_splice(segments: &Segments) -> PhotoResult<Option<Self>> {
        let (Some(size), Some(scan)) = (segments.stored, &segments.first_scan) else { return Ok(None) };
        let is_sequential = !segments.progressive && segments.scans == 1 && scan.is_whole;
        let count = segments.components.len();
        if !is_sequential || segments.has_late_tables || !matches!(count, 1 | 3) || scan.components.len() != count {
            return Ok(None);
        }
        if scan.data.len() > super::bits::MAX_BYTES {
            return Ok(None);
        }
        let mut components = Vec::with_capacity(count);
        for (of_frame, of_scan) in segments.components.iter().zip(&scan.components) {
            let quantisation = segments.tables.get(usize::from(of_frame.table)).copied().flatten();
            let (dc_table, ac_table) = (usize::from(of_scan.dc_table), usize::from(of_scan.ac_table));
            let has_tables = segments.dc_tables.get(dc_table).is_some_and(Option::is_some)
                && segments.ac_tables.get(ac_table).is_some_and(Option::is_some);
            let Some(quantisation) = quantisation.filter(|_| has_tables && of_frame.id == of_scan.id) else {
                return Ok(None);
            };
            if quantisation.contains(&0) {
                return Err(corrupt("found a quantisation step of 0"));
            }
            // A scan of one component is not interleaved, whatever its sampling factors say (A.2.2).
            let (across, down) = if count == 1 { (1, 1) } else { (of_frame.horizontal, of_frame.vertical) };
            components.push(Component {
                id: of_frame.id,
                across: usize::from(across),
                down: usize::from(down),
                quantisation_id: of_frame.table,
                quantisation,
                dc_table,
                ac_table,
            });
        }
        let (mcu_across, mcu_down) = (components[0].across, components[0].down);
        if !has_common_sampling(&components) {
            return Ok(None);
        }
        let columns = (size.width as usize).div_ceil(8 * mcu_across);
        let rows = (size.height as usize).div_ceil(8 * mcu_down);
        let has_restarts = scan.restart_interval > 0;
        let interval = if has_restarts { usize::from(scan.restart_interval) } else { columns * rows };
        let colour = colour_of(segments);
        let process = segments.process;
        let frame =
            Self { size, process, colour, components, mcu_across, mcu_down, columns, rows, interval, has_restarts };
        // Every block takes a code for DC and one for the end of the block at least: a header that promises more is a
        // bomb.
        let (blocks, bits) = (frame.mcus() * frame.blocks_per_mcu(), scan.data.len() * 8);
        if blocks * 2 > bits {
            return Err(corrupt(format!("the header promises {blocks} blocks, the scan has {bits} bits")));
        }
        Ok(Some(frame))
    }

    pub fn mcus(&self) -> usize {
        self.columns * self.rows
    }

    pub fn blocks_per_mcu(&self) -> usize {
        self.components.iter().map(Component::blocks).sum()
    }

    /// Size of an MCU in pixels.
    pub fn mcu_size(&self) -> Size {
        Size::new(8 * self.mcu_across as u32, 8 * self.mcu_down as u32)
    }

    /// The MCUs, in columns and rows of MCUs, that a rectangle of stored pixels touches.
    pub fn mcus_of(&self, pixels: Rect) -> Rect {
        let mcu = self.mcu_size();
        let (x, y) = (pixels.x / mcu.width, pixels.y / mcu.height);
        let right = pixels.right().div_ceil(mcu.width).min(self.columns as u32);
        let bottom = pixels.bottom().div_ceil(mcu.height).min(self.rows as u32);
        Rect { x, y, width: right.saturating_sub(x), height: bottom.saturating_sub(y) }
    }
}

/// Luma at least as fine as colour, by factors of 1, 2 or 4; both colours alike.
fn has_common_sampling(components: &[Component]) -> bool {
    let (across, down) = (components[0].across, components[0].down);
    let divides = |fine: usize, coarse: usize| fine.is_multiple_of(coarse) && (fine / coarse).is_power_of_two();
    components.iter().map(Component::blocks).sum::<usize>() <= MAX_BLOCKS
        && components.iter().all(|component| divides(across, component.across) && divides(down, component.down))
        && components[1..].windows(2).all(|pair| (pair[0].across, pair[0].down) == (pair[1].across, pair[1].down))
}

/// What the components mean, as libjpeg takes it: JFIF means `YCbCr`, otherwise Adobe's marker says, otherwise the names
/// of the components.
fn colour_of(segments: &Segments) -> Colour {
    if segments.components.len() == 1 {
        return Colour::Grey;
    }
    let named_rgb = segments.components.iter().map(|component| component.id).eq(*b"RGB");
    match (segments.jfif, segments.adobe_transform) {
        (Some(_), _) => Colour::Ycc,
        (None, Some(transform)) => {
            if transform == 0 {
                Colour::Rgb
            } else {
                Colour::Ycc
            }
        }
        (None, None) => {
            if named_rgb {
                Colour::Rgb
            } else {
                Colour::Ycc
            }
        }
    }
}

/// The Huffman tables of a scan, in each of the ways that they are used.
#[derive(Clone, Debug)]
pub(super) struct Tables {
    pub dc: [Option<Table>; 4],
    pub ac: [Option<Table>; 4],
}

#[derive(Clone, Debug)]
pub(super) struct Table {
    pub spec: HuffmanSpec,
    pub codes: Box<[Code; 256]>,
    pub decode: DecodeTable,
}

impl Table {
    /// # Errors
    /// `corrupt_image` if there are more codes than bits can tell apart.
    pub fn new(spec: HuffmanSpec, class: Class) -> PhotoResult<Self> {
        let impossible = || corrupt("found a Huffman table with more codes than fit");
        let codes = spec.codes().ok_or_else(impossible)?;
        let decode = DecodeTable::new(&spec, class).ok_or_else(impossible)?;
        Ok(Self { spec, codes, decode })
    }
}

impl Tables {
    /// The tables that the frame's components use.
    ///
    /// # Errors
    /// `corrupt_image` for a table that is none.
    pub fn of(segments: &Segments, frame: &Frame) -> PhotoResult<Self> {
        let mut tables = Self { dc: [const { None }; 4], ac: [const { None }; 4] };
        for component in &frame.components {
            let found = [
                (Class::Dc, &segments.dc_tables, &mut tables.dc, component.dc_table),
                (Class::Ac, &segments.ac_tables, &mut tables.ac, component.ac_table),
            ];
            for (class, specs, tables, id) in found {
                if let (Some(spec), None) = (&specs[id], &tables[id]) {
                    tables[id] = Some(Table::new(spec.clone(), class)?);
                }
            }
        }
        Ok(tables)
    }

    /// Whether both define the same codes.
    pub fn specs_equal(&self, other: &Self) -> bool {
        let spec = |table: &Option<Table>| table.as_ref().map(|table| table.spec.clone());
        let pairs = self.dc.iter().chain(&self.ac).zip(other.dc.iter().chain(&other.ac));
        pairs.map(|(a, b)| (spec(a), spec(b))).all(|(a, b)| a == b)
    }
}
