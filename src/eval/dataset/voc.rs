//! Pascal VOC (Everingham et al., "The Pascal Visual Object Classes Challenge", 2010): an XML file for each photo, with
//! corners as pixel numbers from 1, both inside the box.

use std::path::Path;

use serde::Deserialize;

use super::{LabelledPhoto, Labels, Truth, cannot_read, class_of, not_understood, photo_dir, read_text};
use crate::{detect::Class, error::FatalError, geometry::BoxF};

pub(super) const USUAL_FOLDER: &str = "Annotations";

#[derive(Deserialize)]
struct Annotation {
    filename: String,
    #[serde(default)]
    object: Vec<Object>,
}

#[derive(Deserialize)]
struct Object {
    name: String,
    #[serde(default)]
    difficult: u8,
    bndbox: Corners,
}

#[derive(Deserialize)]
struct Corners {
    xmin: f32,
    ymin: f32,
    xmax: f32,
    ymax: f32,
}

pub(super) fn load(dir: &Path, labels: Option<&Path>) -> Result<Labels, FatalError> {
    let folder = labels.map_or_else(|| dir.join(USUAL_FOLDER), Path::to_owned);
    let root = photo_dir(dir);
    let mut photos = Vec::new();
    for entry in folder.read_dir().map_err(|error| cannot_read(&folder, &error))? {
        let path = entry.map_err(|error| cannot_read(&folder, &error))?.path();
        if path.extension().is_none_or(|ending| ending != "xml") {
            continue;
        }
        let (name, truths) = parse(&read_text(&path)?).map_err(|why| not_understood(&path, &why))?;
        photos.push(LabelledPhoto { path: root.join(&name), name, truths });
    }
    let labelled = |class: &Class| photos.iter().any(|photo| photo.truths.iter().any(|truth| truth.class == *class));
    let classes = Class::ALL.into_iter().filter(labelled).collect();
    Ok(Labels { classes, photos })
}

fn parse(xml: &str) -> Result<(String, Vec<Truth>), String> {
    let annotation: Annotation = quick_xml::de::from_str(xml).map_err(|error| error.to_string())?;
    let truth = |object: Object| {
        let Corners { xmin, ymin, xmax, ymax } = object.bndbox;
        // From numbers of the first and last pixel to where those begin and end.
        let area = BoxF { x0: xmin - 1.0, y0: ymin - 1.0, x1: xmax, y1: ymax };
        Some(Truth { class: class_of(&object.name)?, area, is_doubtful: object.difficult != 0 })
    };
    let truths = annotation.object.into_iter().filter_map(truth).collect();
    Ok((annotation.filename, truths))
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{set, truth},
        *,
    };

    const XML: &str = "<annotation><folder>x</folder><filename>a.png</filename><size><width>40</width></size>\
        <object><name>licence</name><pose>Frontal</pose><difficult>0</difficult>\
        <bndbox><xmin>3</xmin><ymin>4</ymin><xmax>10</xmax><ymax>8</ymax></bndbox></object>\
        <object><name>car</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>40</xmax><ymax>20</ymax></bndbox></object>\
        <object><name>licence</name><difficult>1</difficult>\
        <bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox></object></annotation>";

    #[test]
    fn corners_count_pixels_from_one() {
        let empty = "<annotation><filename>b.png</filename></annotation>";
        let dir = set(
            &["images/a.png", "images/b.png"],
            &[("Annotations/a.xml", XML), ("Annotations/b.xml", empty), ("Annotations/readme", "")],
        );
        let mut labels = load(dir.path(), None).unwrap();
        labels.photos.sort_by(|a, b| a.name.cmp(&b.name));
        assert_eq!(labels.classes, [Class::Plate]);
        let [first, second] = labels.photos[0].truths.as_slice() else { panic!("{:?}", labels.photos[0]) };
        assert_eq!(*first, truth(Class::Plate, [2.0, 3.0, 10.0, 8.0]));
        assert!(second.is_doubtful);
        assert!(labels.photos[1].truths.is_empty());
    }

    #[test]
    fn what_is_no_annotation_is_refused() {
        assert!(parse("<annotation><object/></annotation>").is_err());
        assert!(parse("no xml").is_err());
    }
}
