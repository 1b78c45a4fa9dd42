//! What is shown to the program: the photos of a set as they are, made worse, or laid on large canvases.

use std::{collections::VecDeque, vec};

use bytes::Bytes;

use super::{
    canvas::{Canvases, Labelled},
    dataset::{Dataset, LabelledPhoto, Truth},
    degrade::Degrade,
    picture::{CAMERA_QUALITY, decode, encode},
};
use crate::{
    error::{PhotoError, PhotoResult},
    geometry::{Rect, Size},
};

/// A file and what is to be found in it.
#[derive(Clone, Debug)]
pub struct Scene {
    pub name: String,
    pub bytes: Bytes,
    pub truths: Vec<Truth>,
    /// Photos of the set that it shows.
    pub photos: usize,
}

/// The scenes of a set, made one by one.
pub struct Scenes {
    photos: vec::IntoIter<LabelledPhoto>,
    ways: Vec<Degrade>,
    canvas: Option<Pasting>,
}

struct Pasting {
    canvases: Canvases,
    photos_each: usize,
    /// Found no room on the last canvas.
    left: Option<Labelled>,
    /// Larger than a canvas, or not to be read.
    aside: VecDeque<(String, Result<Scene, PhotoError>)>,
    count: usize,
}

impl Scenes {
    /// Every photo is made worse in all of `ways`, in order; with `canvas` so many photos are laid on each.
    #[must_use]
    pub fn new(set: &Dataset, ways: &[Degrade], canvas: Option<(Size, usize)>) -> Self {
        let canvas = canvas.map(|(size, photos_each)| Pasting {
            canvases: Canvases::new(size),
            photos_each: photos_each.max(1),
            left: None,
            aside: VecDeque::new(),
            count: 0,
        });
        Self { photos: set.photos.clone().into_iter(), ways: ways.to_vec(), canvas }
    }
}

impl Iterator for Scenes {
    /// The name of the scene, and the scene, or why it cannot be shown.
    type Item = (String, Result<Scene, PhotoError>);

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.canvas {
            None => {
                let photo = self.photos.next()?;
                Some((photo.name.clone(), alone(photo, &self.ways)))
            }
            Some(pasting) => pasting.next(&mut self.photos, &self.ways),
        }
    }
}

impl Pasting {
    fn next(
        &mut self,
        photos: &mut vec::IntoIter<LabelledPhoto>,
        ways: &[Degrade],
    ) -> Option<(String, Result<Scene, PhotoError>)> {
        let mut placed: Vec<(Labelled, Rect)> = Vec::new();
        let mut taken: Vec<Rect> = Vec::new();
        while placed.len() < self.photos_each {
            let Some(labelled) = self.left.take().or_else(|| self.take(photos, ways)) else { break };
            let Some(place) = self.canvases.place(&labelled.0, &taken) else {
                self.left = Some(labelled);
                break;
            };
            taken.push(place);
            placed.push((labelled, place));
        }
        if placed.is_empty() {
            return self.aside.pop_front();
        }
        self.count += 1;
        let (name, photos) = (format!("canvas {}", self.count), placed.len());
        let (picture, truths) = self.canvases.compose(placed);
        let scene = encode(&picture, CAMERA_QUALITY).map(|bytes| Scene {
            name: name.clone(),
            bytes: bytes.into(),
            truths,
            photos,
        });
        Some((name, scene))
    }

    /// The next photo that fits onto a canvas.
    fn take(&mut self, photos: &mut vec::IntoIter<LabelledPhoto>, ways: &[Degrade]) -> Option<Labelled> {
        for photo in photos {
            let name = photo.name.clone();
            match worsened(&photo, ways) {
                Ok(labelled) if self.canvases.fits(&labelled.0) => return Some(labelled),
                Ok(_) => self.aside.push_back((name, alone(photo, ways))),
                Err(error) => self.aside.push_back((name, Err(error))),
            }
        }
        None
    }
}

/// A photo as it is, or made worse.
fn alone(photo: LabelledPhoto, ways: &[Degrade]) -> PhotoResult<Scene> {
    let (bytes, truths) = if ways.is_empty() {
        (read(&photo)?, photo.truths)
    } else {
        let (picture, truths) = worsened(&photo, ways)?;
        (encode(&picture, CAMERA_QUALITY)?, truths)
    };
    Ok(Scene { name: photo.name, bytes: bytes.into(), truths, photos: 1 })
}

fn worsened(photo: &LabelledPhoto, ways: &[Degrade]) -> PhotoResult<Labelled> {
    let mut truths = photo.truths.clone();
    let mut picture = decode(&read(photo)?)?;
    for way in ways {
        picture = way.apply(picture, &mut truths)?;
    }
    Ok((picture, truths))
}

fn read(photo: &LabelledPhoto) -> PhotoResult<Vec<u8>> {
    std::fs::read(&photo.path).map_err(|error| PhotoError::unreadable(&error))
}

#[cfg(test)]
mod tests {
    use image::RgbImage;

    use super::*;
    use crate::{detect::Class, geometry::BoxF};

    fn dataset(dir: &std::path::Path, sizes: &[(u32, u32)]) -> Dataset {
        let photos = sizes.iter().enumerate().map(|(index, &(width, height))| {
            let path = dir.join(format!("{index}.png"));
            RgbImage::new(width, height).save_with_format(&path, image::ImageFormat::Png).unwrap();
            let area = BoxF { x0: 1.0, y0: 1.0, x1: 9.0, y1: 9.0 };
            let truths = vec![Truth { class: Class::Face, area, is_doubtful: false }];
            LabelledPhoto { path, name: index.to_string(), truths }
        });
        Dataset { name: "set".into(), classes: vec![Class::Face], photos: photos.collect() }
    }

    #[test]
    fn no_photo_is_lost_on_canvases() {
        let dir = tempfile::tempdir().unwrap();
        // Three to a canvas; one is larger than a canvas, one is no photo.
        let set = dataset(dir.path(), &[(64, 48), (64, 48), (700, 50), (64, 48), (64, 48), (64, 48), (64, 48)]);
        std::fs::write(&set.photos[4].path, b"no photo").unwrap();
        let scenes: Vec<_> = Scenes::new(&set, &[], Some((Size::new(640, 480), 3))).collect();
        let shown: Vec<usize> = scenes.iter().filter_map(|(_, scene)| Some(scene.as_ref().ok()?.photos)).collect();
        assert_eq!(shown, [3, 2, 1]);
        assert_eq!(scenes.iter().filter(|(_, scene)| scene.is_err()).count(), 1);
        let first = scenes[0].1.as_ref().unwrap();
        assert_eq!(first.truths.len(), 3);
        assert_eq!(decode(&first.bytes).unwrap().dimensions(), (640, 480));
    }

    #[test]
    fn crowded_photos_go_to_the_next_canvas() {
        let dir = tempfile::tempdir().unwrap();
        let set = dataset(dir.path(), &[(400, 300), (400, 300), (400, 300)]);
        let shown: Vec<usize> =
            Scenes::new(&set, &[], Some((Size::new(640, 480), 9))).map(|(_, scene)| scene.unwrap().photos).collect();
        assert_eq!(shown, [1, 1, 1]);
    }

    #[test]
    fn photos_as_they_are_keep_their_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let set = dataset(dir.path(), &[(20, 20)]);
        let (name, scene) = Scenes::new(&set, &[], None).next().unwrap();
        assert_eq!((name.as_str(), scene.unwrap().bytes.to_vec()), ("0", std::fs::read(&set.photos[0].path).unwrap()));
        let (_, scene) = Scenes::new(&set, &[Degrade::Blur], None).next().unwrap();
        assert!(scene.unwrap().bytes.starts_with(&[0xff, 0xd8]));
    }
}
