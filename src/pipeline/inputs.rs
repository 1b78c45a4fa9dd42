//! Finding the photos that were named on the command line, and what each is called in the output.

use std::{
    collections::{HashMap, HashSet},
    fs, io,
    path::{Path, PathBuf},
};

use walkdir::{DirEntry, WalkDir};

use crate::{
    error::{ErrorCode, FatalError, PhotoError, Stage},
    store::TEMPORARY_PREFIX,
};

/// One file to redact.
#[derive(Clone, Debug)]
pub struct InputPhoto {
    /// Where the bytes are, links resolved.
    pub source: PathBuf,
    /// Its name in the output.
    pub relative: PathBuf,
    /// Why it cannot even be read, found while looking for files.
    pub problem: Option<PhotoError>,
    /// Where it stands, without resolving the file itself.
    location: PathBuf,
}

/// Everything below the named files and folders, in order of name.
#[derive(Clone, Debug)]
pub struct Inputs {
    pub photos: Vec<InputPhoto>,
    /// Names in the output start at the folder above all inputs, because two would have had the same name.
    pub renamed: bool,
}

/// List all files of `paths`. Folders in `skip` (output, quarantine) are passed over.
///
/// # Errors
/// If a path does not exist, or an output would replace an input.
pub fn collect(paths: &[PathBuf], output_dir: &Path, skip: &[PathBuf]) -> Result<Inputs, FatalError> {
    let skip: HashSet<PathBuf> = skip.iter().filter_map(|dir| dir.canonicalize().ok()).collect();
    let mut photos = Vec::new();
    for path in paths {
        let root = path.canonicalize().map_err(|error| {
            FatalError::new(format!("cannot open the input `{}`: {error}", path.display()), "check the path")
        })?;
        if output_dir.canonicalize().is_ok_and(|output| output == root) {
            return Err(would_replace(&root));
        }
        if root.is_dir() {
            walk(&root, &skip, &mut photos);
        } else {
            let name = path.file_name().or(root.file_name()).unwrap_or_default();
            photos.push(entry(root.clone(), PathBuf::from(name), root.with_file_name(name), None));
        }
    }
    let mut seen = HashSet::new();
    photos.retain(|photo| seen.insert((photo.location.clone(), photo.relative.clone())));
    let renamed = separate_names(&mut photos);
    refuse_to_replace_inputs(&photos, output_dir)?;
    Ok(Inputs { photos, renamed })
}

fn entry(source: PathBuf, relative: PathBuf, location: PathBuf, problem: Option<PhotoError>) -> InputPhoto {
    let problem = problem.or_else(|| not_a_file(&source));
    InputPhoto { source, relative, problem, location }
}

fn walk(root: &Path, skip: &HashSet<PathBuf>, photos: &mut Vec<InputPhoto>) {
    let wanted = |found: &DirEntry| {
        let is_unfinished = found.file_name().to_string_lossy().starts_with(TEMPORARY_PREFIX);
        !is_unfinished && !skip.contains(found.path())
    };
    for found in WalkDir::new(root).sort_by_file_name().into_iter().filter_entry(wanted) {
        match found {
            Ok(found) if found.file_type().is_dir() => {}
            Ok(found) if found.path_is_symlink() => photos.extend(follow(root, found.path())),
            Ok(found) => {
                let path = found.into_path();
                photos.push(entry(path.clone(), relative_to(root, &path), path, None));
            }
            Err(error) => {
                let path = error.path().unwrap_or(root).to_owned();
                let problem =
                    PhotoError::unreadable(&error.into_io_error().unwrap_or_else(|| io::ErrorKind::Other.into()));
                photos.push(entry(path.clone(), relative_to(root, &path), path, Some(problem)));
            }
        }
    }
}

/// A link to a file inside the folder is that file under another name. A link to a folder inside needs no following.
fn follow(root: &Path, link: &Path) -> Option<InputPhoto> {
    let relative = relative_to(root, link);
    let found = |source: PathBuf, problem| Some(entry(source, relative, link.to_owned(), problem));
    match link.canonicalize() {
        Ok(target) if !target.starts_with(root) => {
            let problem = PhotoError::new(
                Stage::Fetch,
                ErrorCode::LinkOutsideInput,
                "expected a link to a file inside the input folder, found one that leads out of it",
            );
            found(link.to_owned(), Some(problem))
        }
        Ok(target) if target.is_dir() => None,
        Ok(target) => found(target, None),
        Err(error) => found(link.to_owned(), Some(PhotoError::unreadable(&error))),
    }
}

/// The name below `root`; the folder's own name for the root itself.
fn relative_to(root: &Path, path: &Path) -> PathBuf {
    match path.strip_prefix(root) {
        Ok(relative) if !relative.as_os_str().is_empty() => relative.to_owned(),
        _ => PathBuf::from(path.file_name().unwrap_or_else(|| "input".as_ref())),
    }
}

fn not_a_file(path: &Path) -> Option<PhotoError> {
    match fs::metadata(path) {
        Ok(facts) if facts.is_file() => None,
        Ok(_) => Some(PhotoError::new(
            Stage::Fetch,
            ErrorCode::Unreadable,
            "expected a file, found something else (a pipe, socket or device)",
        )),
        Err(error) => Some(PhotoError::unreadable(&error)),
    }
}

/// Where two inputs would have one name, all are named from the folder above all of them.
fn separate_names(photos: &mut [InputPhoto]) -> bool {
    let mut names: HashMap<&Path, usize> = HashMap::new();
    for photo in photos.iter() {
        *names.entry(&photo.relative).or_default() += 1;
    }
    if names.values().all(|&count| count == 1) {
        return false;
    }
    let folders = photos.iter().filter_map(|photo| photo.location.parent());
    let common =
        folders.map(Path::to_owned).reduce(|common, folder| common_ancestor(&common, &folder)).unwrap_or_default();
    for photo in photos.iter_mut() {
        photo.relative = relative_to(&common, &photo.location);
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

fn refuse_to_replace_inputs(photos: &[InputPhoto], output_dir: &Path) -> Result<(), FatalError> {
    let sources: HashSet<&Path> =
        photos.iter().flat_map(|photo| [photo.source.as_path(), photo.location.as_path()]).collect();
    for photo in photos {
        let Ok(target) = output_dir.join(&photo.relative).canonicalize() else { continue };
        if sources.contains(target.as_path()) {
            return Err(would_replace(&target));
        }
    }
    Ok(())
}
