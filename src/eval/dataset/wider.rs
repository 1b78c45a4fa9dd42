//! WIDER FACE (Yang et al., arXiv 1511.06523): one text file. A path, a count, and that many lines
//! `x y width height blur expression illumination invalid occlusion pose`; a count of 0 is followed by one line of zeros.

use std::path::{Path, PathBuf};

use super::{LabelledPhoto, Labels, Truth, cannot_read, corner_box, not_understood, photo_dir, read_text};
use crate::{detect::Class, error::FatalError};

/// Where `invalid` stands in a line.
const INVALID_FIELD: usize = 7;

/// The only file of the folder that is named like one of WIDER FACE.
pub(super) fn usual_file(dir: &Path) -> Option<PathBuf> {
    let mut found: Vec<PathBuf> = dir.read_dir().ok()?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    found.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().ends_with("_bbx_gt.txt")));
    found.sort();
    found.into_iter().next()
}

pub(super) fn load(dir: &Path, labels: Option<&Path>) -> Result<Labels, FatalError> {
    let path = labels.map(Path::to_owned).or_else(|| usual_file(dir));
    let path = path.ok_or_else(|| cannot_read(dir, &"no file named *_bbx_gt.txt"))?;
    let root = photo_dir(dir);
    let photos = parse(&read_text(&path)?).map_err(|why| not_understood(&path, &why))?;
    let photos = photos.into_iter().map(|(name, truths)| LabelledPhoto { path: root.join(&name), name, truths });
    Ok(Labels { classes: vec![Class::Face], photos: photos.collect() })
}

fn parse(text: &str) -> Result<Vec<(String, Vec<Truth>)>, String> {
    let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim())).peekable();
    let mut photos = Vec::new();
    while let Some((_, name)) = lines.next() {
        if name.is_empty() {
            continue;
        }
        let (number, count) = lines.next().ok_or_else(|| format!("no count follows `{name}`"))?;
        let count: usize =
            count.parse().map_err(|_| format!("line {number}: expected a count of boxes, found `{count}`"))?;
        let mut truths = Vec::new();
        for _ in 0..count {
            let (number, line) = lines.next().ok_or_else(|| format!("`{name}` has fewer than {count} boxes"))?;
            truths.extend(truth(line).map_err(|why| format!("line {number}: {why}"))?);
        }
        // The line of zeros after a count of 0.
        let is_filler = |(_, line): &(usize, &str)| {
            let mut fields = line.split_whitespace().peekable();
            fields.peek().is_some() && fields.all(|field| field == "0")
        };
        if count == 0 && lines.peek().is_some_and(is_filler) {
            lines.next();
        }
        photos.push((name.to_owned(), truths));
    }
    Ok(photos)
}

/// None for a box without an area, which some files hold.
fn truth(line: &str) -> Result<Option<Truth>, String> {
    let fields: Vec<f32> = line
        .split_whitespace()
        .map(|field| field.parse().map_err(|_| format!("expected numbers, found `{line}`")))
        .collect::<Result<_, _>>()?;
    let &[x, y, width, height, ..] = fields.as_slice() else {
        return Err(format!("expected at least 4 numbers, found `{line}`"));
    };
    let is_doubtful = fields.get(INVALID_FIELD).is_some_and(|&invalid| invalid != 0.0);
    let truth = Truth { class: Class::Face, area: corner_box(x, y, width, height), is_doubtful };
    Ok((width > 0.0 && height > 0.0).then_some(truth))
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{set, truth as face},
        *,
    };

    const TEXT: &str = "0--Parade/a.png\n2\n1 2 10 12 0 0 0 0 0 0 \n5 5 3 3 2 0 0 1 2 0\n1--Empty/b.png\n0\n\
                        0 0 0 0 0 0 0 0 0 0\n0--Parade/c.png\n1\n0 0 0 7 0 0 0 0 0 0\n";

    #[test]
    fn counts_lead_through_the_file() {
        let photos = ["images/0--Parade/a.png", "images/1--Empty/b.png", "images/0--Parade/c.png"];
        let dir = set(&photos, &[("wider_face_val_bbx_gt.txt", TEXT)]);
        let labels = load(dir.path(), None).unwrap();
        assert_eq!(labels.photos.len(), 3);
        assert_eq!(labels.photos[0].truths[0], face(Class::Face, [1.0, 2.0, 11.0, 14.0]));
        assert!(labels.photos[0].truths[1].is_doubtful);
        assert!(labels.photos[1].truths.is_empty() && labels.photos[2].truths.is_empty());
        assert!(labels.photos.iter().all(|photo| photo.path.is_file()));
    }

    #[test]
    fn a_file_that_is_cut_off_is_refused() {
        for text in ["a.png", "a.png\nmany", "a.png\n2\n1 2 3 4", "a.png\n1\n1 2 3", "a.png\n1\n1 2 x 4"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
