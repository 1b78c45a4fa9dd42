//! Labelled photos in the layouts in which people publish them: COCO, WIDER FACE, Pascal VOC and YOLO.
//!
//! Boxes are in upright photo pixels. What the labels call doubtful (a crowd, an invalid or difficult box) is neither to
//! be found nor wrong to be found.

mod coco;
mod voc;
mod wider;
mod yolo;

use std::path::{Path, PathBuf};

use crate::{detect::Class, error::FatalError, geometry::BoxF};

/// A box that people drew.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Truth {
    pub class: Class,
    /// Upright photo pixels.
    pub area: BoxF,
    /// Neither to be found nor wrong to be found.
    pub is_doubtful: bool,
}

/// A photo and its labels.
#[derive(Clone, Debug)]
pub struct LabelledPhoto {
    pub path: PathBuf,
    /// Relative to the set.
    pub name: String,
    pub truths: Vec<Truth>,
}

/// A set of labelled photos.
#[derive(Clone, Debug)]
pub struct Dataset {
    pub name: String,
    /// What the labels are of: all of it, in every photo.
    pub classes: Vec<Class>,
    pub photos: Vec<LabelledPhoto>,
}

/// How labels are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LabelFormat {
    /// Told by what lies in the folder
    #[default]
    Auto,
    /// `annotations.json` beside `images/`
    Coco,
    /// `*_bbx_gt.txt`: a path, a count and that many lines `x y width height ...`
    Wider,
    /// `Annotations/NAME.xml` for every photo
    Voc,
    /// `labels/NAME.txt` for every photo: lines `class x y width height`, centre and size as shares of the photo
    Yolo,
    /// No labels: everything that is found is wrong
    None,
}

/// What is not in the labels themselves.
#[derive(Clone, Debug, Default)]
pub struct LabelOptions {
    pub format: LabelFormat,
    /// File (COCO, WIDER) or folder (VOC, YOLO) of the labels, if not at its usual place.
    pub labels: Option<PathBuf>,
    /// Names of YOLO's class numbers, in order, where no `classes.txt` tells them.
    pub class_names: Vec<String>,
    /// Only these are looked at; all that the labels are of, if empty.
    pub only: Vec<Class>,
}

/// What a format's reader found.
#[derive(Debug)]
struct Labels {
    classes: Vec<Class>,
    photos: Vec<LabelledPhoto>,
}

impl Dataset {
    /// Read the labels of the set in `dir`. Photos are not opened, except for YOLO, whose boxes depend on their size.
    ///
    /// # Errors
    /// If the labels are missing, not understood, or name photos that are not there.
    pub fn load(dir: &Path, options: &LabelOptions) -> Result<Self, FatalError> {
        let format = if options.format == LabelFormat::Auto { told_by_content(dir, options)? } else { options.format };
        let labels = match format {
            LabelFormat::Coco => coco::load(dir, options.labels.as_deref()),
            LabelFormat::Wider => wider::load(dir, options.labels.as_deref()),
            LabelFormat::Voc => voc::load(dir, options.labels.as_deref()),
            LabelFormat::Yolo => yolo::load(dir, options.labels.as_deref(), &options.class_names),
            LabelFormat::None | LabelFormat::Auto => without_labels(dir, &options.only),
        }?;
        let classes = match options.only.as_slice() {
            [] => labels.classes,
            only => only.to_vec(),
        };
        if classes.is_empty() {
            return Err(FatalError::new(
                format!("the labels of `{}` are of nothing that is looked for", dir.display()),
                "labels named `face` or `plate` are understood; name the classes of YOLO labels with `--class-names`",
            ));
        }
        let mut photos = labels.photos;
        for photo in &mut photos {
            photo.truths.retain(|truth| classes.contains(&truth.class));
        }
        photos.sort_by(|a, b| a.name.cmp(&b.name));
        if photos.is_empty() {
            return Err(FatalError::new(format!("no photos in `{}`", dir.display()), "check `--dataset`"));
        }
        if let Some(missing) = photos.iter().find(|photo| !photo.path.is_file()) {
            return Err(FatalError::new(
                format!("the labels name a photo that is not there: `{}`", missing.path.display()),
                "photos lie in `images/`, or where the labels say, below the folder of the set",
            ));
        }
        let name = dir.canonicalize().ok().and_then(|dir| Some(dir.file_name()?.to_string_lossy().into_owned()));
        Ok(Self { name: name.unwrap_or_else(|| "set".to_owned()), classes, photos })
    }
}

impl Dataset {
    /// Keep at most so many photos, spread over the set.
    pub fn keep(&mut self, limit: usize) {
        let count = self.photos.len();
        let mut index = 0;
        self.photos.retain(|_| {
            index += 1;
            // True `limit` times, evenly.
            index * limit / count > (index - 1) * limit / count || limit >= count
        });
    }
}

/// Names that people give to faces and plates.
fn class_of(name: &str) -> Option<Class> {
    let plain: String = name.to_lowercase().chars().filter(char::is_ascii_alphanumeric).collect();
    match plain.as_str() {
        "face" | "faces" | "withmask" | "withoutmask" | "maskwearedincorrect" => Some(Class::Face),
        "plate"
        | "plates"
        | "licence"
        | "license"
        | "licenceplate"
        | "licenseplate"
        | "numberplate"
        | "vehicleregistrationplate"
        | "lp" => Some(Class::Plate),
        _ => None,
    }
}

fn told_by_content(dir: &Path, options: &LabelOptions) -> Result<LabelFormat, FatalError> {
    let named =
        options.labels.as_deref().and_then(Path::extension).map(|ending| ending.to_string_lossy().to_lowercase());
    match named.as_deref() {
        Some("json") => return Ok(LabelFormat::Coco),
        Some("txt") => return Ok(LabelFormat::Wider),
        _ => {}
    }
    let labels = options.labels.as_deref();
    let holds = |folder: PathBuf, ending: &str| {
        labels.map_or(folder, Path::to_owned).read_dir().is_ok_and(|mut entries| {
            entries.any(|entry| entry.is_ok_and(|entry| entry.path().extension().is_some_and(|found| found == ending)))
        })
    };
    if dir.join(coco::USUAL_FILE).is_file() {
        Ok(LabelFormat::Coco)
    } else if wider::usual_file(dir).is_some() {
        Ok(LabelFormat::Wider)
    } else if holds(dir.join(voc::USUAL_FOLDER), "xml") {
        Ok(LabelFormat::Voc)
    } else if holds(dir.join(yolo::USUAL_FOLDER), "txt") {
        Ok(LabelFormat::Yolo)
    } else {
        Err(FatalError::new(
            format!("found no labels in `{}`", dir.display()),
            "expected annotations.json (COCO), *_bbx_gt.txt (WIDER), Annotations/*.xml (VOC) or labels/*.txt (YOLO); \
             name them with `--labels`, or say `--label-format none` if there is nothing to be found",
        ))
    }
}

fn without_labels(dir: &Path, only: &[Class]) -> Result<Labels, FatalError> {
    if only.is_empty() {
        return Err(FatalError::new(
            "a set without labels does not say what is absent from it",
            "say what must not be found with `--class`",
        ));
    }
    let photos = photos_in(dir)?;
    let photos = photos.into_iter().map(|(name, path)| LabelledPhoto { path, name, truths: Vec::new() });
    Ok(Labels { classes: only.to_vec(), photos: photos.collect() })
}

/// The folder of the photos: `images/` or `JPEGImages/` if there is one, otherwise the set's own.
fn photo_dir(dir: &Path) -> PathBuf {
    let usual = ["images", "JPEGImages"].map(|name| dir.join(name));
    usual.into_iter().find(|folder| folder.is_dir()).unwrap_or_else(|| dir.to_owned())
}

/// Files that look like photos by their names, as (path below the folder of the photos, path).
fn photos_in(dir: &Path) -> Result<Vec<(String, PathBuf)>, FatalError> {
    const ENDINGS: [&str; 8] = ["jpg", "jpeg", "png", "webp", "bmp", "tif", "tiff", "gif"];
    let root = photo_dir(dir);
    let mut photos = Vec::new();
    for entry in walkdir::WalkDir::new(&root).sort_by_file_name() {
        let entry = entry.map_err(|error| cannot_read(&root, &error))?;
        let ending = entry.path().extension().map(|ending| ending.to_string_lossy().to_lowercase());
        if entry.file_type().is_file() && ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str())) {
            let name = entry.path().strip_prefix(&root).unwrap_or(entry.path()).to_string_lossy().into_owned();
            photos.push((name, entry.into_path()));
        }
    }
    Ok(photos)
}

fn read_text(path: &Path) -> Result<String, FatalError> {
    std::fs::read_to_string(path).map_err(|error| cannot_read(path, &error))
}

fn cannot_read(path: &Path, why: &dyn std::fmt::Display) -> FatalError {
    FatalError::new(format!("cannot read `{}`: {why}", path.display()), "check `--dataset` and `--labels`")
}

fn not_understood(path: &Path, why: &dyn std::fmt::Display) -> FatalError {
    FatalError::new(
        format!("cannot understand the labels in `{}`: {why}", path.display()),
        "say in which format they are with `--label-format`, or correct the file",
    )
}

/// A box by its corner and size.
fn corner_box(x: f32, y: f32, width: f32, height: f32) -> BoxF {
    BoxF { x0: x, y0: y, x1: x + width, y1: y + height }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A folder with photos of 40 x 20 pixels and other files.
    pub(super) fn set(photos: &[&str], files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for photo in photos {
            let path = dir.path().join(photo);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            image::RgbImage::new(40, 20).save_with_format(path, image::ImageFormat::Png).unwrap();
        }
        for (name, text) in files {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        dir
    }

    pub(super) fn truth(class: Class, [x0, y0, x1, y1]: [f32; 4]) -> Truth {
        Truth { class, area: BoxF { x0, y0, x1, y1 }, is_doubtful: false }
    }

    #[test]
    fn names_of_classes_are_understood_however_they_are_written() {
        for name in ["Face", "face", "without_mask"] {
            assert_eq!(class_of(name), Some(Class::Face), "{name}");
        }
        for name in ["License_Plate", "licence plate", "number-plate", "plate"] {
            assert_eq!(class_of(name), Some(Class::Plate), "{name}");
        }
        assert_eq!(class_of("car"), None);
    }

    #[test]
    fn a_set_without_labels_says_what_is_absent() {
        let dir = set(&["images/b.png", "images/deep/a.jpg"], &[("images/notes.md", "")]);
        assert!(Dataset::load(dir.path(), &LabelOptions::default()).unwrap_err().message.contains("no labels"));
        let none = LabelOptions { format: LabelFormat::None, ..LabelOptions::default() };
        assert!(Dataset::load(dir.path(), &none).unwrap_err().hint.contains("--class"));
        let set = Dataset::load(dir.path(), &LabelOptions { only: vec![Class::Plate], ..none }).unwrap();
        let names: Vec<&str> = set.photos.iter().map(|photo| photo.name.as_str()).collect();
        assert_eq!((set.classes, names), (vec![Class::Plate], vec!["b.png", "deep/a.jpg"]));
    }

    #[test]
    fn only_the_asked_classes_stay() {
        let json = r#"{"images": [{"id": 1, "file_name": "a.png"}], "categories": [{"id": 7, "name": "plate"},
            {"id": 3, "name": "Face"}], "annotations": [{"image_id": 1, "category_id": 7, "bbox": [1, 2, 3, 4]},
            {"image_id": 1, "category_id": 3, "bbox": [5, 6, 7, 8]}]}"#;
        let dir = set(&["images/a.png"], &[("annotations.json", json)]);
        let all = Dataset::load(dir.path(), &LabelOptions::default()).unwrap();
        assert_eq!(all.classes, [Class::Face, Class::Plate]);
        assert_eq!(all.photos[0].truths.len(), 2);
        let only = LabelOptions { only: vec![Class::Face], ..LabelOptions::default() };
        let faces = Dataset::load(dir.path(), &only).unwrap();
        assert_eq!(faces.photos[0].truths, [truth(Class::Face, [5.0, 6.0, 12.0, 14.0])]);
    }
}
