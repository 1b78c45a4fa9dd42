//! Codes for symbols that a file's Huffman tables lack, as tables made to measure do.

use std::collections::BTreeSet;

use super::edit::{MissingCodes, table};
use crate::{
    error::PhotoResult,
    photo::{
        corrupt,
        jpeg::{
            bits::{BitReader, BitWriter, PADDING_BYTES},
            block::Damage,
            frame::{Frame, Table, Tables},
            huffman::{Class, HuffmanSpec},
            scan::Scan,
            walk::Index,
        },
    },
};

/// Tables with codes behind the last ones, so that all coded data stays as it is; none if one of them has no room.
///
/// # Errors
/// `corrupt_image`, never in practice: the tables are our own.
pub(super) fn with_more_codes(tables: &Tables, missing: &MissingCodes) -> PhotoResult<Option<Tables>> {
    let mut longer = tables.clone();
    let of_classes = [(Class::Dc, &mut longer.dc, &missing.dc), (Class::Ac, &mut longer.ac, &missing.ac)];
    for (class, tables, missing) in of_classes {
        for (slot, symbols) in tables.iter_mut().zip(missing) {
            let Some(old) = slot.as_ref().filter(|_| !symbols.is_empty()) else { continue };
            let Some(spec) = old.spec.with(symbols) else { return Ok(None) };
            *slot = Some(Table::new(spec, class)?);
        }
    }
    Ok(Some(longer))
}

/// How often each symbol of each table occurs.
struct Counts {
    dc: [[u32; 256]; 4],
    ac: [[u32; 256]; 4],
}

/// Tables made to measure for the scan and the missing symbols, and the scan coded with them: every coefficient stays as
/// it is.
///
/// # Errors
/// `corrupt_image` if the scan is not what was indexed.
pub(super) fn with_new_tables(
    scan: &Scan,
    index: &Index,
    frame: &Frame,
    tables: &Tables,
    missing: &MissingCodes,
) -> PhotoResult<(Scan, Index, Tables)> {
    // What had a code keeps one: the touched MCUs may need it.
    let mut needed = missing.clone();
    for (needed, tables) in [(&mut needed.dc, &tables.dc), (&mut needed.ac, &tables.ac)] {
        for (needed, table) in needed.iter_mut().zip(tables) {
            needed.extend(table.iter().flat_map(|table| &table.spec.symbols));
        }
    }
    measured(scan, index, frame, tables, &needed)
}

/// The scan coded with tables made to measure, which have codes for its symbols and for the `needed` ones.
fn measured(
    scan: &Scan,
    index: &Index,
    frame: &Frame,
    tables: &Tables,
    needed: &MissingCodes,
) -> PhotoResult<(Scan, Index, Tables)> {
    let damaged = |Damage(what)| corrupt(format!("found {what}"));
    let counts = count(scan, index, frame, tables).map_err(damaged)?;
    let mut measured = tables.clone();
    let of_classes =
        [(Class::Dc, &mut measured.dc, &needed.dc, counts.dc), (Class::Ac, &mut measured.ac, &needed.ac, counts.ac)];
    for (class, tables, needed, counts) in of_classes {
        for ((slot, symbols), mut counts) in tables.iter_mut().zip(needed).zip(counts) {
            if slot.is_none() {
                continue;
            }
            for &symbol in symbols {
                let count = &mut counts[usize::from(symbol)];
                *count = (*count).max(1);
            }
            *slot = Some(Table::new(HuffmanSpec::for_counts(&counts), class)?);
        }
    }
    let (scan, index) = transcode(scan, index, frame, tables, &measured).map_err(damaged)?;
    Ok((scan, index, measured))
}

/// What an encoder writes that measures its tables.
#[cfg(test)]
pub(super) fn optimised(
    scan: &Scan,
    index: &Index,
    frame: &Frame,
    tables: &Tables,
) -> PhotoResult<(Scan, Index, Tables)> {
    measured(scan, index, frame, tables, &MissingCodes::default())
}

fn count(scan: &Scan, index: &Index, frame: &Frame, tables: &Tables) -> Result<Counts, Damage> {
    let mut counts = Counts { dc: [[0; 256]; 4], ac: [[0; 256]; 4] };
    for number in 0..scan.intervals.len() {
        let first = number * frame.interval;
        let mut reader = BitReader::at(&scan.bytes, index.starts[first]);
        for _ in first..(first + frame.interval).min(frame.mcus()) {
            for component in &frame.components {
                let (dc, ac) = (table(&tables.dc, component.dc_table), table(&tables.ac, component.ac_table));
                let (of_dc, of_ac) = (&mut counts.dc[component.dc_table], &mut counts.ac[component.ac_table]);
                for _ in 0..component.blocks() {
                    reader.symbols(&dc.decode, &ac.decode, |class, found| {
                        let counts = if class == Class::Dc { &mut *of_dc } else { &mut *of_ac };
                        counts[usize::from(found.name)] += 1;
                    })?;
                }
            }
        }
    }
    Ok(counts)
}

/// The same symbols in other codes.
fn transcode(scan: &Scan, index: &Index, frame: &Frame, from: &Tables, to: &Tables) -> Result<(Scan, Index), Damage> {
    let mut writer = BitWriter::with_capacity(scan.bytes.len() + 1024);
    let mut intervals = Vec::with_capacity(scan.intervals.len());
    let mut moved = Index {
        starts: Vec::with_capacity(frame.mcus()),
        predictors: index.predictors.clone(),
        ends: Vec::with_capacity(scan.intervals.len()),
    };
    for number in 0..scan.intervals.len() {
        let first = number * frame.interval;
        let mut reader = BitReader::at(&scan.bytes, index.starts[first]);
        let start = writer.position() / 8;
        for _ in first..(first + frame.interval).min(frame.mcus()) {
            moved.starts.push(writer.position() as u32);
            for component in &frame.components {
                let ids = (component.dc_table, component.ac_table);
                let (dc, ac) = (table(&from.dc, ids.0), table(&from.ac, ids.1));
                let (to_dc, to_ac) = (table(&to.dc, ids.0), table(&to.ac, ids.1));
                for _ in 0..component.blocks() {
                    let mut uncounted = BTreeSet::new();
                    reader.symbols(&dc.decode, &ac.decode, |class, found| {
                        let codes = if class == Class::Dc { &to_dc.codes } else { &to_ac.codes };
                        writer.symbol(codes, found.name, found.bits, found.size, &mut uncounted);
                    })?;
                    if !uncounted.is_empty() {
                        return Err(Damage("a symbol that was not counted"));
                    }
                }
            }
        }
        moved.ends.push(writer.position() as u32);
        writer.pad();
        intervals.push(start as u32..(writer.position() / 8) as u32);
    }
    if writer.is_too_long() {
        return Err(Damage("more coded data than can be indexed"));
    }
    let mut bytes = writer.into_bytes();
    bytes.resize(bytes.len() + PADDING_BYTES, 0);
    Ok((Scan { bytes, intervals }, moved))
}
