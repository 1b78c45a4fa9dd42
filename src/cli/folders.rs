//! What commands ask of the folders they are given.

use std::path::{Path, PathBuf};

use obscura::{config::Config, error::FatalError};

/// The output folder, which has no default.
///
/// # Errors
/// If none is named.
pub fn require_output(config: &Config) -> Result<PathBuf, FatalError> {
    config.output_dir.clone().ok_or_else(|| {
        FatalError::new(
            "expected a folder for the redacted photos, found none",
            "name one with `--out DIR`, OBSCURA_OUT or `output.dir`",
        )
    })
}

/// The folder that a file lies in.
pub fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Whether `path` is `dir` or lies inside, whether they exist or not.
pub fn is_below(path: &Path, dir: &Path) -> bool {
    resolved(path).starts_with(resolved(dir))
}

/// Absolute, with the links of what exists resolved.
fn resolved(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let existing = absolute.ancestors().find_map(|part| Some((part.canonicalize().ok()?, part)));
    match existing {
        Some((found, part)) => found.join(absolute.strip_prefix(part).unwrap_or(Path::new(""))),
        None => absolute,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_folders_that_do_not_exist_yet_are_seen_through() {
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().join("real");
        std::fs::create_dir(&real).unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&real, &link).unwrap();
        assert!(is_below(&link.join("new/deep"), &real));
        assert!(is_below(&real, &link));
        assert!(!is_below(&dir.path().join("realm"), &real));
        assert!(!is_below(dir.path(), &real));
    }
}
