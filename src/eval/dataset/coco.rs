//! COCO (Lin et al., arXiv 1405.0312): one JSON file; boxes as `[x, y, width, height]` in pixels.

use std::{collections::HashMap, path::Path};

use serde::Deserialize;

use super::{LabelledPhoto, Labels, Truth, class_of, corner_box, not_understood, photo_dir, read_text};
use crate::{detect::Class, error::FatalError};

pub(super) const USUAL_FILE: &str = "annotations.json";

#[derive(Deserialize)]
struct File {
    images: Vec<Image>,
    annotations: Vec<Annotation>,
    categories: Vec<Category>,
}

#[derive(Deserialize)]
struct Image {
    id: u64,
    file_name: String,
}

#[derive(Deserialize)]
struct Annotation {
    image_id: u64,
    category_id: u64,
    bbox: [f32; 4],
    /// One box around many.
    #[serde(default)]
    iscrowd: u8,
}

#[derive(Deserialize)]
struct Category {
    id: u64,
    name: String,
}

pub(super) fn load(dir: &Path, labels: Option<&Path>) -> Result<Labels, FatalError> {
    let path = labels.map_or_else(|| dir.join(USUAL_FILE), Path::to_owned);
    let file: File = serde_json::from_str(&read_text(&path)?).map_err(|error| not_understood(&path, &error))?;
    let known: HashMap<u64, Class> =
        file.categories.iter().filter_map(|category| Some((category.id, class_of(&category.name)?))).collect();
    let mut truths: HashMap<u64, Vec<Truth>> = HashMap::new();
    for Annotation { image_id, category_id, bbox: [x, y, width, height], iscrowd } in file.annotations {
        if let Some(&class) = known.get(&category_id) {
            let truth = Truth { class, area: corner_box(x, y, width, height), is_doubtful: iscrowd != 0 };
            truths.entry(image_id).or_default().push(truth);
        }
    }
    let root = photo_dir(dir);
    let photos = file
        .images
        .into_iter()
        .map(|image| {
            let (below_root, below_dir) = (root.join(&image.file_name), dir.join(&image.file_name));
            LabelledPhoto {
                path: if below_root.is_file() { below_root } else { below_dir },
                name: image.file_name,
                truths: truths.remove(&image.id).unwrap_or_default(),
            }
        })
        .collect();
    let classes = Class::ALL.into_iter().filter(|class| known.values().any(|found| found == class)).collect();
    if let Some(image) = truths.keys().next() {
        return Err(not_understood(&path, &format!("a box belongs to image {image}, which is not listed")));
    }
    Ok(Labels { classes, photos })
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{set, truth},
        *,
    };

    #[test]
    fn boxes_find_their_photos_and_crowds_are_doubtful() {
        let json = r#"{"info": {}, "images": [{"id": 2, "file_name": "b.png"}, {"id": 9, "file_name": "x/a.png"}],
            "categories": [{"id": 4, "name": "face"}, {"id": 5, "name": "car"}],
            "annotations": [{"id": 1, "image_id": 9, "category_id": 4, "bbox": [1.5, 2, 3, 4], "iscrowd": 0},
            {"image_id": 9, "category_id": 5, "bbox": [0, 0, 9, 9]},
            {"image_id": 2, "category_id": 4, "bbox": [0, 0, 9, 9], "iscrowd": 1}]}"#;
        let dir = set(&["images/b.png", "images/x/a.png"], &[("annotations.json", json)]);
        let labels = load(dir.path(), None).unwrap();
        assert_eq!(labels.classes, [Class::Face]);
        assert!(labels.photos[0].truths[0].is_doubtful);
        assert_eq!(labels.photos[1].truths, [truth(Class::Face, [1.5, 2.0, 4.5, 6.0])]);
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        for json in [
            "{}",
            r#"{"images": [], "categories": [{"id": 1, "name": "face"}],
                "annotations": [{"image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1]}]}"#,
        ] {
            let dir = set(&[], &[("annotations.json", json)]);
            assert!(load(dir.path(), None).is_err(), "{json}");
        }
    }
}
