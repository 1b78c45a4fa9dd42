//! YOLOv8 and the later ones exported like it: one tensor `[4 + classes, n]`, or turned `[n, 4 + classes]`, of boxes by
//! centre and size in input pixels, and a score for every class.

use super::{Found, OutputTensor, centred};

/// # Errors
/// What about the output was not an answer.
pub(super) fn decode(outputs: &[OutputTensor<'_>], classes: usize, min_score: f32) -> Result<Vec<Found>, String> {
    let output = outputs.first().ok_or("expected an output, found none")?;
    let fields = 4 + classes;
    let (count, at): (usize, Box<dyn Fn(usize, usize) -> usize>) = match *output.shape {
        [1, rows, count] if rows == fields => (count, Box::new(move |item, field| field * count + item)),
        [1, count, columns] if columns == fields => (count, Box::new(move |item, field| item * fields + field)),
        _ => return Err(format!("expected a side of {fields} (4 and {classes} classes), found {:?}", output.shape)),
    };
    if output.data.len() != count * fields {
        return Err(format!("expected {count} x {fields} values, found {}", output.data.len()));
    }
    let value = |item, field| output.data[at(item, field)];
    let mut found = Vec::new();
    for item in 0..count {
        for label in 0..classes {
            let score = value(item, 4 + label);
            if score >= min_score {
                let area = centred(value(item, 0), value(item, 1), value(item, 2), value(item, 3));
                found.push(Found { label, area, score });
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::BoxF;

    #[test]
    fn both_layouts_give_the_same_boxes() {
        // Two items, two classes: (10, 20, 4, 6) of class 1 and (50, 60, 20, 10) of both.
        let items = [[10.0, 20.0, 4.0, 6.0, 0.1, 0.8], [50.0, 60.0, 20.0, 10.0, 0.6, 0.7]];
        let rows: Vec<f32> = items.concat();
        let columns: Vec<f32> = (0..6).flat_map(|field| items.map(|item| item[field])).collect();
        let by_rows = decode(&[OutputTensor { shape: &[1, 2, 6], data: &rows }], 2, 0.5).unwrap();
        let by_columns = decode(&[OutputTensor { shape: &[1, 6, 2], data: &columns }], 2, 0.5).unwrap();
        assert_eq!(by_rows, by_columns);
        let labels: Vec<(usize, f32)> = by_rows.iter().map(|found| (found.label, found.score)).collect();
        assert_eq!(labels, [(1, 0.8), (0, 0.6), (1, 0.7)]);
        assert_eq!(by_rows[0].area, BoxF { x0: 8.0, y0: 17.0, x1: 12.0, y1: 23.0 });
    }

    #[test]
    fn another_number_of_classes_is_no_answer() {
        let data = [0.0; 12];
        assert!(decode(&[OutputTensor { shape: &[1, 6, 2], data: &data }], 3, 0.5).is_err());
        assert!(decode(&[OutputTensor { shape: &[1, 6, 2], data: &data[..7] }], 2, 0.5).is_err());
        assert!(decode(&[], 2, 0.5).is_err());
    }
}
