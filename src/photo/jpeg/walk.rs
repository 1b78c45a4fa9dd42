//! Walking over the MCUs of a scan (T.81 F.2.2): once over all of them to index them, afterwards over any of them.

use fearless_simd::{Simd, dispatch};

use super::{
    bits::BitReader,
    block::Damage,
    colour::Plane,
    frame::{Frame, MAX_BLOCKS, MAX_COMPONENTS, Table, Tables},
    huffman::DecodeTable,
    lowest::{self, LowestRow},
    scan::Scan,
    transform::{Dequantiser, inverse_4, inverse_8},
    vectors,
};
use crate::{error::PhotoResult, geometry::Rect, photo::corrupt};

/// DC coefficients of the last blocks of all components.
pub(super) type Predictors = [i16; MAX_COMPONENTS];

/// Where each MCU begins and what its DC differences count from: all that reading it by itself takes.
#[derive(Clone, Debug)]
pub(super) struct Index {
    /// In bits.
    pub starts: Vec<u32>,
    pub predictors: Vec<Predictors>,
    /// Where the last MCU of each restart interval ends, in bits.
    pub ends: Vec<u32>,
}

/// Bytes that an index takes for each MCU.
pub(super) const INDEX_BYTES: usize = 4 + 2 * MAX_COMPONENTS;

/// One block of an MCU: what it is coded with and where it goes.
struct Block<'a> {
    component: usize,
    dc: &'a DecodeTable,
    ac: &'a DecodeTable,
    column: usize,
    row: usize,
    /// Its place in the first MCU of a [`LowestRow`], and how far it is from there to the next MCU.
    first: usize,
    step: usize,
}

/// Decodes MCUs to pixels at one scale.
pub(super) struct Decoder<'a> {
    blocks: Vec<Block<'a>>,
    /// Of each component.
    dequantisers: Vec<Dequantiser>,
    shapes: Vec<(usize, usize)>,
    /// Blocks of a row of MCUs.
    blocks_of_row: usize,
}

/// What decoding works in, kept from one MCU to the next.
struct Room {
    /// Zeros between blocks.
    coefficients: [i16; 64],
    /// What pictures of two by two pixels a block are made from when a row of MCUs has been read.
    lowest: LowestRow,
}

fn decode_of(table: Option<&Table>) -> &DecodeTable {
    // `Tables::of` has filled in all that a frame's components name.
    &table.expect("the frame's tables are there").decode
}

impl<'a> Decoder<'a> {
    /// `scale` is the side of a decoded block in pixels, 0 to decode none, of `columns` MCUs a row.
    pub fn new(frame: &Frame, tables: &'a Tables, scale: usize, columns: usize) -> Self {
        let mut blocks = Vec::with_capacity(MAX_BLOCKS);
        let mut line = 0;
        for (index, component) in frame.components.iter().enumerate() {
            let (dc, ac) =
                (decode_of(tables.dc[component.dc_table].as_ref()), decode_of(tables.ac[component.ac_table].as_ref()));
            for row in 0..component.down {
                let step = component.across;
                let places = (0..step).map(|column| (column, line + column));
                blocks.extend(places.map(|(column, first)| Block {
                    component: index,
                    dc,
                    ac,
                    column,
                    row,
                    first,
                    step,
                }));
                line += columns * step;
            }
        }
        let dequantisers =
            frame.components.iter().map(|component| Dequantiser::new(&component.quantisation, scale)).collect();
        let shapes = frame.components.iter().map(|component| (component.across, component.down)).collect();
        Self { blocks, dequantisers, shapes, blocks_of_row: line }
    }

    fn room<const SCALE: usize>(&self) -> Room {
        Room { coefficients: [0; 64], lowest: LowestRow::new(if SCALE == 2 { self.blocks_of_row } else { 0 }) }
    }

    /// Decode the MCU that is next. `x` and `y` count the MCUs of the planes.
    #[inline(always)]
    fn mcu<const SCALE: usize, S: Simd>(
        &self,
        simd: S,
        reader: &mut BitReader<'_>,
        predictors: &mut [i32; MAX_COMPONENTS],
        planes: &mut [Plane],
        (x, y): (usize, usize),
        room: &mut Room,
    ) -> Result<(), Damage> {
        let coefficients = &mut room.coefficients;
        for block in &self.blocks {
            let predictor = &mut predictors[block.component];
            if SCALE == 0 {
                reader.block::<0>(block.dc, block.ac, predictor, coefficients)?;
                continue;
            }
            if SCALE == 2 {
                let mut lowest = room.lowest.at(block.first + x * block.step);
                reader.block::<{ lowest::LAST }>(block.dc, block.ac, predictor, &mut lowest)?;
                continue;
            }
            let by = &self.dequantisers[block.component];
            let plane = &mut planes[block.component];
            let (across, down) = self.shapes[block.component];
            let corner = ((y * down + block.row) * plane.width + x * across + block.column) * SCALE;
            let any = match SCALE {
                1 => reader.block::<0>(block.dc, block.ac, predictor, coefficients)?,
                4 => reader.block::<24>(block.dc, block.ac, predictor, coefficients)?,
                _ => reader.block::<63>(block.dc, block.ac, predictor, coefficients)?,
            };
            if !any {
                plane.fill::<SCALE>(corner, by.flat(coefficients[0]));
                continue;
            }
            // What was read is set back to zeros; what lies behind is never looked at.
            if SCALE == 4 {
                plane.put::<4>(corner, &inverse_4(simd, coefficients, by));
                coefficients[..32].fill(0);
            } else {
                plane.put::<8>(corner, &inverse_8(simd, coefficients, by));
                coefficients.fill(0);
            }
        }
        Ok(())
    }

    /// Finish what only a whole row of MCUs is decoded from, the `y`-th of the planes.
    #[inline(always)]
    fn end_of_row<const SCALE: usize, S: Simd>(&self, simd: S, planes: &mut [Plane], y: usize, room: &mut Room) {
        if SCALE != 2 {
            return;
        }
        let mut first = 0;
        for ((plane, by), &(_, down)) in planes.iter_mut().zip(&self.dequantisers).zip(&self.shapes) {
            for row in 0..down {
                room.lowest.transform(simd, first, by, plane, (y * down + row) * SCALE);
                first += plane.width / SCALE;
            }
        }
    }
}

/// Walk the whole scan: index it, and decode it to planes at `scale` pixels a block, if that is not 0. Bits behind the
/// last MCU of an interval are set to ones, as they are padded (F.1.2.3), so that nothing hides there.
///
/// # Errors
/// `corrupt_image` if the data of an interval does not hold its MCUs.
pub(super) fn walk(scan: &mut Scan, frame: &Frame, tables: &Tables, scale: usize) -> PhotoResult<(Index, Vec<Plane>)> {
    let mut planes = Plane::all(frame, scale, frame.columns, frame.rows);
    let index = dispatch!(vectors(), simd => match scale {
        0 => index_all::<0, _>(simd, scan, frame, tables, &mut planes),
        1 => index_all::<1, _>(simd, scan, frame, tables, &mut planes),
        2 => index_all::<2, _>(simd, scan, frame, tables, &mut planes),
        4 => index_all::<4, _>(simd, scan, frame, tables, &mut planes),
        _ => index_all::<8, _>(simd, scan, frame, tables, &mut planes),
    });
    let index = index.map_err(|Damage(what)| corrupt(format!("found {what}")))?;
    scan.cut(&index.ends);
    Ok((index, planes))
}

#[inline(always)]
fn index_all<const SCALE: usize, S: Simd>(
    simd: S,
    scan: &Scan,
    frame: &Frame,
    tables: &Tables,
    planes: &mut [Plane],
) -> Result<Index, Damage> {
    let decoder = Decoder::new(frame, tables, SCALE, frame.columns);
    let total = frame.mcus();
    let mut index = Index {
        starts: Vec::with_capacity(total),
        predictors: Vec::with_capacity(total),
        ends: Vec::with_capacity(scan.intervals.len()),
    };
    let (mut x, mut y) = (0, 0);
    let mut room = decoder.room::<SCALE>();
    for (number, interval) in scan.intervals.iter().enumerate() {
        let mut reader = BitReader::at(&scan.bytes, interval.start * 8);
        let mut predictors = [0i32; MAX_COMPONENTS];
        let limit = u64::from(interval.end) * 8;
        for _ in number * frame.interval..((number + 1) * frame.interval).min(total) {
            index.starts.push(reader.position() as u32);
            let [a, b, c] = predictors;
            index.predictors.push([a as i16, b as i16, c as i16]);
            decoder.mcu::<SCALE, S>(simd, &mut reader, &mut predictors, planes, (x, y), &mut room)?;
            if reader.position() > limit {
                return Err(Damage("less coded data than the header promises"));
            }
            x += 1;
            if x == frame.columns {
                decoder.end_of_row::<SCALE, S>(simd, planes, y, &mut room);
                (x, y) = (0, y + 1);
            }
        }
        index.ends.push(reader.position() as u32);
    }
    Ok(index)
}

/// Decode some MCUs, given in columns and rows of MCUs, at `scale` pixels a block (1, 2, 4 or 8).
///
/// # Errors
/// [`Damage`] if they are not what was indexed.
pub(super) fn decode(
    scan: &Scan,
    index: &Index,
    frame: &Frame,
    tables: &Tables,
    mcus: Rect,
    scale: usize,
) -> Result<Vec<Plane>, Damage> {
    dispatch!(vectors(), simd => match scale {
        1 => decode_at::<1, _>(simd, scan, index, frame, tables, mcus),
        2 => decode_at::<2, _>(simd, scan, index, frame, tables, mcus),
        4 => decode_at::<4, _>(simd, scan, index, frame, tables, mcus),
        _ => decode_at::<8, _>(simd, scan, index, frame, tables, mcus),
    })
}

#[inline(always)]
fn decode_at<const SCALE: usize, S: Simd>(
    simd: S,
    scan: &Scan,
    index: &Index,
    frame: &Frame,
    tables: &Tables,
    mcus: Rect,
) -> Result<Vec<Plane>, Damage> {
    let decoder = Decoder::new(frame, tables, SCALE, mcus.width as usize);
    let mut planes = Plane::all(frame, SCALE, mcus.width as usize, mcus.height as usize);
    let mut room = decoder.room::<SCALE>();
    for y in 0..mcus.height as usize {
        let first = (mcus.y as usize + y) * frame.columns + mcus.x as usize;
        let mut next = first;
        while next < first + mcus.width as usize {
            let mut reader = BitReader::at(&scan.bytes, index.starts[next]);
            let mut predictors = index.predictors[next].map(i32::from);
            let interval_end = (next / frame.interval + 1) * frame.interval;
            let end = interval_end.min(first + mcus.width as usize);
            for mcu in next..end {
                decoder.mcu::<SCALE, S>(
                    simd,
                    &mut reader,
                    &mut predictors,
                    &mut planes,
                    (mcu - first, y),
                    &mut room,
                )?;
            }
            next = end;
        }
        decoder.end_of_row::<SCALE, S>(simd, &mut planes, y, &mut room);
    }
    Ok(planes)
}
