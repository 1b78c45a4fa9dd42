//! What the benches share: the photos and the settings.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use obscura::{
    config::{Config, RawConfig},
    photo::{Format, sniff},
};

/// A folder of photos, `OBSCURA_BENCH_PHOTOS`; without it the ones that `scripts/bench.sh` draws.
const FOLDER: &str = "OBSCURA_BENCH_PHOTOS";
/// More would say nothing new and take long.
const MAX_PHOTOS: usize = 7;

/// A JPEG file.
pub struct BenchPhoto {
    pub path: PathBuf,
    pub bytes: Vec<u8>,
}

impl BenchPhoto {
    #[must_use]
    pub fn name(&self) -> &str {
        self.path.file_name().and_then(|name| name.to_str()).unwrap_or("a photo")
    }
}

/// The first JPEG files of the folder, by name.
///
/// # Panics
/// If there are none.
#[must_use]
pub fn photos() -> Vec<BenchPhoto> {
    let drawn = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.setup/bench");
    let folder = env::var_os(FOLDER).map_or(drawn, Into::into);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| {
        panic!("{}: {error}; `make bench` draws photos, or set {FOLDER}", folder.display());
    });
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    paths.sort();
    let jpegs = paths.into_iter().filter_map(|path| {
        let bytes = fs::read(&path).ok()?;
        (sniff(&bytes).ok()? == Format::Jpeg).then_some(BenchPhoto { path, bytes })
    });
    let photos: Vec<_> = jpegs.take(MAX_PHOTOS).collect();
    assert!(!photos.is_empty(), "expected JPEG files in {}, found none", folder.display());
    photos
}

/// The defaults, as `obscura redact` has them.
///
/// # Panics
/// Never, unless the defaults are no valid configuration.
#[must_use]
pub fn config() -> Config {
    Config::resolve(RawConfig::default()).unwrap_or_else(|_| panic!("the defaults are no valid configuration"))
}
