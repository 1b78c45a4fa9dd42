//! YOLO: a text file for each photo, named like it; lines `class x y width height` with the centre and the size as
//! shares of the photo's width and height. Names of the classes, in order, in `classes.txt` or `obj.names`.

use std::path::Path;

use super::{LabelledPhoto, Labels, Truth, cannot_read, class_of, not_understood, photos_in, read_text};
use crate::{
    detect::Class,
    error::FatalError,
    geometry::{BoxF, Size},
    photo::{Limits, read_header},
};

pub(super) const USUAL_FOLDER: &str = "labels";

pub(super) fn load(dir: &Path, labels: Option<&Path>, class_names: &[String]) -> Result<Labels, FatalError> {
    let folder = labels.map_or_else(|| dir.join(USUAL_FOLDER), Path::to_owned);
    let names = if class_names.is_empty() { names_of(dir, &folder)? } else { class_names.to_vec() };
    let known: Vec<Option<Class>> = names.iter().map(|name| class_of(name)).collect();
    let mut photos = Vec::new();
    for (name, path) in photos_in(dir)? {
        let label_file = folder.join(Path::new(&name).with_extension("txt"));
        // A photo with nothing in it may have no file.
        let truths = if label_file.is_file() {
            let size = upright_size(&path)?;
            parse(&read_text(&label_file)?, size, &known).map_err(|why| not_understood(&label_file, &why))?
        } else {
            Vec::new()
        };
        photos.push(LabelledPhoto { path, name, truths });
    }
    let classes = Class::ALL.into_iter().filter(|class| known.contains(&Some(*class))).collect();
    Ok(Labels { classes, photos })
}

fn names_of(dir: &Path, folder: &Path) -> Result<Vec<String>, FatalError> {
    let places = [folder.join("classes.txt"), dir.join("classes.txt"), dir.join("obj.names")];
    let Some(path) = places.iter().find(|path| path.is_file()) else {
        return Err(FatalError::new(
            format!("no `classes.txt` in `{}` names the classes of the labels", dir.display()),
            "name them in the order of their numbers: `--class-names face,plate`",
        ));
    };
    Ok(read_text(path)?.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect())
}

fn upright_size(path: &Path) -> Result<Size, FatalError> {
    const ANY: Limits = Limits { max_encoded_bytes: u64::MAX, max_pixels: u64::MAX, max_side_px: u32::MAX };
    let bytes = std::fs::read(path).map_err(|error| cannot_read(path, &error))?;
    Ok(read_header(&bytes, &ANY).map_err(|error| cannot_read(path, &error))?.upright)
}

fn parse(text: &str, photo: Size, known: &[Option<Class>]) -> Result<Vec<Truth>, String> {
    let mut truths = Vec::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let wrong = |why: &str| format!("line {}: {why}, found `{line}`", index + 1);
        let mut fields = line.split_whitespace();
        let number = fields.next().and_then(|field| field.parse::<usize>().ok());
        let number = number.ok_or_else(|| wrong("expected the number of a class"))?;
        let shares: Vec<f32> = fields.map_while(|field| field.parse().ok()).collect();
        let &[x, y, width, height, ..] = shares.as_slice() else {
            return Err(wrong("expected 4 shares of the photo's size"));
        };
        let class = known.get(number).ok_or_else(|| wrong(&format!("expected a class below {}", known.len())))?;
        let (photo_width, photo_height) = (photo.width as f32, photo.height as f32);
        let area = BoxF {
            x0: (x - width / 2.0) * photo_width,
            y0: (y - height / 2.0) * photo_height,
            x1: (x + width / 2.0) * photo_width,
            y1: (y + height / 2.0) * photo_height,
        };
        truths.extend(class.map(|class| Truth { class, area, is_doubtful: false }));
    }
    Ok(truths)
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{set, truth},
        *,
    };

    #[test]
    fn shares_become_pixels_of_the_photo() {
        let dir = set(
            &["images/val/a.png", "images/val/b.png"],
            &[("labels/val/a.txt", "1 0.5 0.5 0.25 0.5\n0 0.1 0.1 0.1 0.1\n\n"), ("classes.txt", "car\nplate\n")],
        );
        let labels = load(dir.path(), None, &[]).unwrap();
        assert_eq!(labels.classes, [Class::Plate]);
        assert_eq!(labels.photos[0].truths, [truth(Class::Plate, [15.0, 5.0, 25.0, 15.0])]);
        assert!(labels.photos[1].truths.is_empty());
        let renamed = load(dir.path(), None, &["x".into(), "face".into()]).unwrap();
        assert_eq!(renamed.photos[0].truths[0].class, Class::Face);
    }

    #[test]
    fn numbers_without_a_name_and_lines_without_a_box_are_refused() {
        let size = Size::new(40, 20);
        for line in ["2 0.5 0.5 0.1 0.1", "x 0 0 0 0", "0 0.5 0.5 0.1", "0 a b c d"] {
            assert!(parse(line, size, &[Some(Class::Face), None]).is_err(), "{line}");
        }
        let dir = set(&["images/a.png"], &[("labels/a.txt", "0 0.5 0.5 0.1 0.1")]);
        assert!(load(dir.path(), None, &[]).unwrap_err().hint.contains("--class-names"));
    }
}
