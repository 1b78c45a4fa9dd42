//! The one-shot source: the files and folders named on the command line, each delivered once.

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
};

use super::{
    Delivered, LowWaterMark, Origin, Partition, Source, SourceEvent, Upload,
    walk::{Tree, relative_to},
};
use crate::error::FatalError;

/// Everything below the named files and folders, in order of name.
#[derive(Clone, Debug)]
pub struct Inputs {
    pub photos: Vec<Upload>,
    /// Names in the output start at the folder above all inputs, because two would have had the same name.
    pub renamed: bool,
}

/// List all files of `paths`. Folders in `skip` (output, quarantine) are passed over.
///
/// # Errors
/// If a path does not exist, or an output would replace an input.
pub fn collect(paths: &[PathBuf], output_dir: &Path, skip: &[PathBuf]) -> Result<Inputs, FatalError> {
    let mut photos = Vec::new();
    for path in paths {
        let root = path.canonicalize().map_err(|error| {
            FatalError::new(format!("cannot open the input `{}`: {error}", path.display()), "check the path")
        })?;
        if output_dir.canonicalize().is_ok_and(|output| output == root) {
            return Err(would_replace(&root));
        }
        if root.is_dir() {
            photos.extend(Tree::new(root, skip).uploads());
        } else {
            let name = path.file_name().or(root.file_name()).unwrap_or_default();
            photos.push(Upload::new(root.clone(), PathBuf::from(name), root.with_file_name(name), None));
        }
    }
    let mut seen = HashSet::new();
    photos.retain(|photo| seen.insert((photo.location().to_owned(), photo.relative.clone())));
    let renamed = separate_names(&mut photos);
    refuse_to_replace_inputs(&photos, output_dir)?;
    Ok(Inputs { photos, renamed })
}

/// Where two inputs would have one name, all are named from the folder above all of them.
fn separate_names(photos: &mut [Upload]) -> bool {
    let mut names: HashMap<&Path, usize> = HashMap::new();
    for photo in photos.iter() {
        *names.entry(&photo.relative).or_default() += 1;
    }
    if names.values().all(|&count| count == 1) {
        return false;
    }
    let folders = photos.iter().filter_map(|photo| photo.location().parent());
    let common =
        folders.map(Path::to_owned).reduce(|common, folder| common_ancestor(&common, &folder)).unwrap_or_default();
    for photo in photos.iter_mut() {
        photo.relative = relative_to(&common, photo.location());
    }
    true
}

fn common_ancestor(a: &Path, b: &Path) -> PathBuf {
    a.components().zip(b.components()).take_while(|(a, b)| a == b).map(|(component, _)| component).collect()
}

fn would_replace(path: &Path) -> FatalError {
    FatalError::new(
        format!("the output would replace the original `{}`", path.display()),
        "choose another folder with `--out`",
    )
}

fn places(photo: &Upload) -> [&Path; 2] {
    match &photo.origin {
        Origin::File(file) => [&file.source, &file.location],
        Origin::Event(_) => [Path::new(""); 2],
    }
}

fn refuse_to_replace_inputs(photos: &[Upload], output_dir: &Path) -> Result<(), FatalError> {
    let sources: HashSet<&Path> = photos.iter().flat_map(places).collect();
    for photo in photos {
        let Ok(target) = output_dir.join(&photo.relative).canonicalize() else { continue };
        if sources.contains(target.as_path()) {
            return Err(would_replace(&target));
        }
    }
    Ok(())
}

/// Delivers a list, then ends. Nothing is remembered: what was not finished is named in the report.
#[derive(Debug)]
pub struct ListSource {
    photos: std::iter::Enumerate<std::vec::IntoIter<Upload>>,
    assigned: bool,
}

impl ListSource {
    #[must_use]
    pub fn new(photos: Vec<Upload>) -> Self {
        Self { photos: photos.into_iter().enumerate(), assigned: false }
    }
}

impl Source for ListSource {
    async fn next(&mut self, wants_uploads: bool) -> SourceEvent {
        if !self.assigned {
            self.assigned = true;
            return SourceEvent::Assigned(Partition::ONLY);
        }
        if !wants_uploads {
            return std::future::pending().await;
        }
        match self.photos.next() {
            Some((index, upload)) => {
                SourceEvent::Delivered(Delivered { partition: Partition::ONLY, offset: index as i64, upload })
            }
            None => SourceEvent::End,
        }
    }

    fn commit(&mut self, _marks: &[LowWaterMark]) -> Result<(), String> {
        Ok(())
    }

    fn backlog(&self) -> u64 {
        self.photos.len() as u64
    }
}
