//! The numbers in a tag of a colour profile (ICC.1:2022, 10), and nothing else: what stands behind them, between them and in
//! reserved fields is left out or set to zero.

use std::{iter, ops::Range};

/// Type and reserved field, which every tag begins with (10.1).
const PREFIX: usize = 8;
/// Parameters by function type (10.18).
const PARAMETERS: [usize; 5] = [1, 3, 4, 5, 7];
/// Header of a lookup table with curves (10.12).
const CURVES_HEADER: usize = 32;

/// What is in a tag.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content {
    Numbers(Vec<u8>),
    /// Of a type that is not kept.
    Other,
}

/// The content with its numbers alone; none if it is damaged.
pub(super) fn numbers(data: &[u8]) -> Option<Content> {
    let up_to = |end: usize| iter::once(PREFIX..end).collect();
    let kept: Vec<Range<usize>> = match data.get(..4)? {
        b"XYZ " => up_to(20),
        b"cicp" => up_to(12),
        // A matrix of nine.
        b"sf32" => up_to(PREFIX + 9 * 4),
        b"curv" | b"para" => curve(data, 0)?,
        b"mft1" => vec![PREFIX..11, 12..48, 48..48 + table_len(data, 256, 256)?],
        b"mft2" => {
            // As 16-bit values, of which the counts stand first (10.10).
            let (inputs, outputs) = (be16(data, 48)?, be16(data, 50)?);
            vec![PREFIX..11, 12..52, 52..52 + table_len(data, inputs, outputs)?.checked_mul(2)?]
        }
        b"mAB " => curves_table(data)?,
        _ => return Some(Content::Other),
    };
    let mut out = vec![0; kept.iter().map(|range| range.end).max()?.min(data.len())];
    out[..4].copy_from_slice(&data[..4]);
    for range in kept {
        out.get_mut(range.clone())?.copy_from_slice(data.get(range)?);
    }
    Some(Content::Numbers(out))
}

/// Where the numbers of a curve (10.6, 10.18) at `at` stand.
fn curve(data: &[u8], at: usize) -> Option<Vec<Range<usize>>> {
    let head = data.get(at..at.checked_add(12)?)?;
    match &head[..4] {
        b"curv" => {
            let end = be32(data, at + 8)?.checked_mul(2)?.checked_add(at + 12)?;
            Some(vec![at + PREFIX..at + 12, at + 12..end])
        }
        b"para" => {
            let count = *PARAMETERS.get(be16(data, at + 8)?)?;
            Some(vec![at + PREFIX..at + 10, at + 12..at + 12 + 4 * count])
        }
        _ => None,
    }
}

/// Values of a lookup table's curves and grid (10.10, 10.11).
fn table_len(data: &[u8], of_input: usize, of_output: usize) -> Option<usize> {
    let [inputs, outputs, points] = *data.get(8..11)?.first_chunk()?;
    let (inputs, outputs) = (usize::from(inputs), usize::from(outputs));
    let grid = usize::from(points).checked_pow(inputs as u32)?.checked_mul(outputs)?;
    let curves = of_input.checked_mul(inputs)?.checked_add(of_output.checked_mul(outputs)?)?;
    grid.checked_add(curves)
}

/// Where the numbers of a lookup table with curves (10.12) stand: its header, and what that points to.
fn curves_table(data: &[u8]) -> Option<Vec<Range<usize>>> {
    let [inputs, outputs] = *data.get(8..10)?.first_chunk()?;
    let (inputs, outputs) = (usize::from(inputs), usize::from(outputs));
    let mut kept = vec![PREFIX..10, 12..CURVES_HEADER];
    // B curves, matrix, M curves, grid, A curves; 0 where there is none.
    let offset = |field: usize| be32(data, 12 + field * 4).map(|at| (at > 0).then_some(at));
    for (field, count) in [(0, outputs), (2, outputs), (4, inputs)] {
        let Some(mut at) = offset(field)? else { continue };
        for _ in 0..count {
            let numbers = curve(data, at)?;
            at = numbers.last()?.end.checked_next_multiple_of(4)?;
            // What a curve is told by.
            kept.push(numbers[0].start - PREFIX..numbers[0].start - 4);
            kept.extend(numbers);
        }
    }
    if let Some(at) = offset(1)? {
        kept.push(at..at.checked_add(12 * 4)?);
    }
    if let Some(at) = offset(3)? {
        let points = data.get(at..at.checked_add(16)?)?;
        let bytes = usize::from(*data.get(at + 16)?);
        let grid =
            points.get(..inputs)?.iter().try_fold(outputs, |len, &points| len.checked_mul(usize::from(points)))?;
        let start = at + 20;
        kept.extend([at..at + inputs, at + 16..at + 17, start..start.checked_add(grid.checked_mul(bytes)?)?]);
    }
    Some(kept)
}

fn be16(bytes: &[u8], at: usize) -> Option<usize> {
    let field: [u8; 2] = bytes.get(at..at.checked_add(2)?)?.try_into().ok()?;
    Some(usize::from(u16::from_be_bytes(field)))
}

pub(super) fn be32(bytes: &[u8], at: usize) -> Option<usize> {
    let field: [u8; 4] = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
    usize::try_from(u32::from_be_bytes(field)).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(data: &[u8]) -> Vec<u8> {
        match numbers(data) {
            Some(Content::Numbers(kept)) => kept,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn tables_are_kept_whole_and_nothing_behind_them() {
        // 3 channels in, 2 out, 4 grid points.
        let head = |kind: &[u8; 4]| [&kind[..], b"JANE\x03\x02\x04J", &[7; 36]].concat();
        let mut table = head(b"mft1");
        let values = 256 * 3 + 64 * 2 + 256 * 2;
        table.extend(vec![9; values]);
        let kept = of(&[&table[..], b"JANE DOE"].concat());
        assert_eq!((kept.len(), &kept[48..]), (48 + values, &vec![9; values][..]));
        assert_eq!((&kept[4..12], &kept[12..48]), (&[0, 0, 0, 0, 3, 2, 4, 0][..], &[7; 36][..]));
        assert_eq!(numbers(&table[..table.len() - 1]), None, "cut off");

        let mut table = [&head(b"mft2")[..], &[0, 5, 0, 6]].concat();
        let values = 2 * (5 * 3 + 64 * 2 + 6 * 2);
        table.extend(vec![9; values]);
        assert_eq!(of(&[&table[..], b"JANE DOE"].concat()).len(), 52 + values);
    }

    #[test]
    fn between_curves_of_a_table_nothing_is_kept() {
        let curve = b"curvJANE\0\0\0\x01\x02\x33JD";
        let function = b"paraJANE\0\0JD\0\x01\0\0";
        let mut table = b"mAB JANE\x01\x01JD".to_vec();
        // B curves, no matrix, no M curves, grid, A curves.
        table.extend([36u32, 0, 0, 56, 84].iter().flat_map(|at| at.to_be_bytes()));
        table.extend([&b"GAP1"[..], function, b"GAP2"].concat());
        table.extend([&[2][..], b"no other point.", &[1], b"JD.", &[5, 6], b"GAP345"].concat());
        table.extend([&curve[..], b"DOE"].concat());
        let kept = of(&table);
        let text = String::from_utf8_lossy(&kept).into_owned();
        for word in ["JANE", "JD", "GAP", "DOE", "point"] {
            assert!(!text.contains(word), "{word} survived in {text:?}");
        }
        assert_eq!(&kept[36..52], b"para\0\0\0\0\0\0\0\0\0\x01\0\0");
        assert_eq!((kept[56], kept[72], &kept[76..78]), (2, 1, &[5, 6][..]));
        assert_eq!(&kept[84..], b"curv\0\0\0\0\0\0\0\x01\x02\x33");
        assert_eq!(of(&kept), kept, "nothing more to leave out");
    }

    proptest! {
        #[test]
        fn nothing_panics_and_nothing_is_added(mut bytes in proptest::collection::vec(any::<u8>(), 4..300), kind in 0..8usize) {
            let kinds = [b"XYZ ", b"curv", b"para", b"sf32", b"cicp", b"mft1", b"mft2", b"mAB "];
            bytes[..4].copy_from_slice(kinds[kind]);
            if let Some(Content::Numbers(kept)) = numbers(&bytes) {
                prop_assert!(kept.len() <= bytes.len());
                prop_assert!(kept.iter().zip(&bytes).all(|(kept, byte)| *kept == 0 || kept == byte));
            }
        }
    }
}
