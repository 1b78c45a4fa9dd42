//! The splice: touched MCUs coded anew, all other bits copied.

use std::collections::{BTreeMap, BTreeSet};

use super::paint::{McuBlocks, Painter};
use crate::photo::jpeg::{
    bits::{BitReader, BitWriter, PADDING_BYTES},
    block::Damage,
    frame::{Frame, MAX_COMPONENTS, Table, Tables},
    scan::Scan,
    walk::{Index, Predictors},
};

/// Symbols that tables have no codes for, by class and identifier.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct MissingCodes {
    pub dc: [BTreeSet<u8>; 4],
    pub ac: [BTreeSet<u8>; 4],
}

impl MissingCodes {
    pub fn is_empty(&self) -> bool {
        self.dc.iter().chain(&self.ac).all(BTreeSet::is_empty)
    }
}

/// Why there is no spliced scan.
#[derive(Debug)]
pub(super) enum NotSpliced {
    MissingCodes(Box<MissingCodes>),
    Damage(Damage),
}

impl From<Damage> for NotSpliced {
    fn from(damage: Damage) -> Self {
        Self::Damage(damage)
    }
}

/// The scan and its index with everything painted, and with other blocks in the `mended` MCUs where nothing is painted.
/// Every bit of the other MCUs is copied, but for the DC differences of the first one behind touched ones.
///
/// # Errors
/// All codes that are missing, or what is wrong with the scan.
pub(super) fn splice(
    scan: &Scan,
    index: &Index,
    frame: &Frame,
    tables: &Tables,
    painter: &Painter<'_>,
    mended: &BTreeMap<usize, McuBlocks>,
) -> Result<(Scan, Index), NotSpliced> {
    let painted = painter.touched();
    let mended: BTreeMap<_, _> = mended.iter().filter(|(mcu, _)| painted.binary_search(mcu).is_err()).collect();
    let mut touched: Vec<_> = painted.into_iter().chain(mended.keys().map(|&&mcu| mcu)).collect();
    touched.sort_unstable();
    let blocks = |mcu| mended.get(&mcu).map_or_else(|| painter.blocks(mcu), |&blocks| blocks.clone());
    let mut splice = Splice {
        scan,
        index,
        frame,
        tables,
        writer: BitWriter::with_capacity(scan.bytes.len() + scan.bytes.len() / 64 + 1024),
        missing: MissingCodes::default(),
        starts: Vec::with_capacity(frame.mcus()),
        predictors: index.predictors.clone(),
    };
    let (mut intervals, mut ends) =
        (Vec::with_capacity(scan.intervals.len()), Vec::with_capacity(scan.intervals.len()));
    let mut rest = &touched[..];
    for number in 0..scan.intervals.len() {
        let (first, end) = (number * frame.interval, ((number + 1) * frame.interval).min(frame.mcus()));
        let (here, later) = rest.split_at(rest.partition_point(|&mcu| mcu < end));
        rest = later;
        let start = splice.writer.position() / 8;
        splice.interval(first, end, here, &blocks)?;
        ends.push(splice.writer.position() as u32);
        splice.writer.pad();
        intervals.push(start as u32..(splice.writer.position() / 8) as u32);
    }
    if !splice.missing.is_empty() {
        return Err(NotSpliced::MissingCodes(Box::new(splice.missing)));
    }
    if splice.writer.is_too_long() {
        return Err(Damage("more coded data than can be indexed").into());
    }
    let (starts, predictors) = (splice.starts, splice.predictors);
    let mut bytes = splice.writer.into_bytes();
    bytes.resize(bytes.len() + PADDING_BYTES, 0);
    Ok((Scan { bytes, intervals }, Index { starts, predictors, ends }))
}

struct Splice<'a> {
    scan: &'a Scan,
    index: &'a Index,
    frame: &'a Frame,
    tables: &'a Tables,
    writer: BitWriter,
    missing: MissingCodes,
    starts: Vec<u32>,
    predictors: Vec<Predictors>,
}

impl Splice<'_> {
    /// Write the MCUs from `first` to `end` of an interval, of which some are touched.
    fn interval(
        &mut self,
        first: usize,
        end: usize,
        touched: &[usize],
        blocks: &impl Fn(usize) -> McuBlocks,
    ) -> Result<(), Damage> {
        let mut next = first;
        let mut touched = touched.iter().copied().peekable();
        while next < end {
            let until = touched.peek().copied().unwrap_or(end);
            self.copy(next, until, end);
            next = until;
            if next == end {
                break;
            }
            // Differences start at 0 with each interval, and else at what stands before, which was not touched.
            let mut predictors = self.index.predictors[next].map(i32::from);
            while touched.next_if_eq(&next).is_some() {
                self.begin(next, predictors);
                self.write(&blocks(next), &mut predictors);
                next += 1;
            }
            if next < end {
                self.begin(next, predictors);
                self.follow(next, predictors)?;
                next += 1;
            }
        }
        Ok(())
    }

    /// Note where an MCU begins and what its differences count from.
    fn begin(&mut self, mcu: usize, predictors: [i32; MAX_COMPONENTS]) {
        self.starts.push(self.writer.position() as u32);
        self.predictors[mcu] = predictors.map(|predictor| predictor as i16);
    }

    /// Copy MCUs that lie in an interval which ends before the MCU `interval_end`.
    fn copy(&mut self, first: usize, until: usize, interval_end: usize) {
        if first == until {
            return;
        }
        let from = self.index.starts[first];
        let to =
            if until == interval_end { self.index.ends[first / self.frame.interval] } else { self.index.starts[until] };
        let here = self.writer.position() as u32;
        let starts = self.index.starts[first..until].iter();
        self.starts.extend(starts.map(|start| here.wrapping_add(start - from)));
        self.writer.copy(&self.scan.bytes, u64::from(from), u64::from(to));
    }

    /// Write a touched MCU.
    fn write(&mut self, blocks: &McuBlocks, predictors: &mut [i32; MAX_COMPONENTS]) {
        let mut blocks = blocks.iter();
        for (component, predictor) in self.frame.components.iter().zip(predictors) {
            let (dc, ac) = (table(&self.tables.dc, component.dc_table), table(&self.tables.ac, component.ac_table));
            for block in blocks.by_ref().take(component.blocks()) {
                let value = i32::from(block[0]);
                self.writer.dc(dc, value - *predictor, &mut self.missing.dc[component.dc_table]);
                self.writer.ac(ac, block, &mut self.missing.ac[component.ac_table]);
                *predictor = value;
            }
        }
    }

    /// Write the MCU behind touched ones: the first difference of each component counts from another value now, all
    /// other bits stay.
    fn follow(&mut self, mcu: usize, predictors: [i32; MAX_COMPONENTS]) -> Result<(), Damage> {
        let mut reader = BitReader::at(&self.scan.bytes, self.index.starts[mcu]);
        let old = self.index.predictors[mcu].map(i32::from);
        for ((component, old), new) in self.frame.components.iter().zip(old).zip(predictors) {
            let (dc, ac) = (table(&self.tables.dc, component.dc_table), table(&self.tables.ac, component.ac_table));
            let difference = reader.symbol(&dc.decode)?.value();
            self.writer.dc(dc, old + difference - new, &mut self.missing.dc[component.dc_table]);
            let from = reader.position();
            reader.skip(&ac.decode, 1)?;
            for _ in 1..component.blocks() {
                reader.block::<0>(&dc.decode, &ac.decode, &mut 0, &mut [0; 64])?;
            }
            self.writer.copy(&self.scan.bytes, from, reader.position());
        }
        Ok(())
    }
}

pub(super) fn table(tables: &[Option<Table>; 4], id: usize) -> &Table {
    // `Tables::of` has filled in all that a frame's components name.
    tables[id].as_ref().expect("the frame's tables are there")
}
