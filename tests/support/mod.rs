//! What the test binaries share: running the program, finding fixtures, looking at pictures.
#![allow(dead_code, reason = "each test binary uses its own part")]

pub mod faulty_store;
pub mod likeness;
pub mod random;
pub mod servers;
pub mod worker;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use obscura::{
    geometry::{Rect, Size},
    photo::{Limits, Photo, RgbView},
};
use serde_json::Value;

/// A picture drawn by `scripts/make_fixtures.py`.
pub fn fixture(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(".setup/fixtures").join(name);
    assert!(path.exists(), "{} is missing; `scripts/setup.sh --tests` draws it", path.display());
    path
}

pub fn fixtures(folder: &str) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(fixture(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

pub fn name_of(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

/// The program, without any settings from the environment.
pub fn obscura() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_obscura"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("OBSCURA_") {
            command.env_remove(name);
        }
    }
    // As users start it: not as cargo starts tests.
    command.env_remove("ORT_DISABLE_TELEMETRY");
    command.env_remove("COLUMNS");
    command
}

/// A fresh folder with places for input and output.
pub struct Bench {
    pub dir: tempfile::TempDir,
}

impl Bench {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("in")).unwrap();
        Self { dir }
    }

    pub fn input(&self) -> PathBuf {
        self.dir.path().join("in")
    }

    pub fn output(&self) -> PathBuf {
        self.dir.path().join("out")
    }

    pub fn quarantine(&self) -> PathBuf {
        self.dir.path().join("out.quarantine")
    }

    pub fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.input().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    pub fn copy(&self, fixture_name: &str) -> PathBuf {
        self.put(&name_of(Path::new(fixture_name)), &fs::read(fixture(fixture_name)).unwrap())
    }

    /// `obscura redact in --out out --json --receipts`
    pub fn command(&self) -> Command {
        let mut command = obscura();
        command.arg("redact").arg(self.input()).arg("--out").arg(self.output()).args(["--json", "--receipts"]);
        command
    }

    pub fn redact(&self, args: &[&str]) -> Run {
        Run::new(self.command().args(args).output().unwrap())
    }

    pub fn receipt(&self, name: &str) -> Value {
        serde_json::from_slice(&fs::read(self.output().join(format!("{name}.receipt.json"))).unwrap()).unwrap()
    }

    pub fn record(&self, name: &str) -> Value {
        serde_json::from_slice(&fs::read(self.quarantine().join(format!("{name}.quarantine.json"))).unwrap()).unwrap()
    }

    /// All files below the output.
    pub fn published(&self) -> Vec<PathBuf> {
        files_below(&self.output())
    }

    /// All files below the output but those that a killed process left unfinished, which are no results.
    pub fn finished(&self) -> Vec<PathBuf> {
        let is_finished = |path: &PathBuf| !name_of(path).starts_with(obscura::store::TEMPORARY_PREFIX);
        self.published().into_iter().filter(is_finished).collect()
    }
}

pub fn files_below(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files_below(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// What a run of `redact --json` said.
pub struct Run {
    pub code: i32,
    pub stderr: String,
    pub lines: Vec<Value>,
}

impl Run {
    pub fn new(output: Output) -> Self {
        let stdout = String::from_utf8(output.stdout).unwrap();
        Self {
            code: output.status.code().unwrap_or(-1),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            lines: stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect(),
        }
    }

    /// The line of one photo.
    pub fn line(&self, path: &str) -> &Value {
        self.lines
            .iter()
            .find(|line| line["path"] == path)
            .unwrap_or_else(|| panic!("no line for {path} in {:?}; {}", self.lines, self.stderr))
    }

    pub fn code_of(&self, path: &str) -> &str {
        self.line(path)["code"].as_str().unwrap_or("published")
    }

    pub fn summary(&self) -> &Value {
        &self.lines.last().unwrap()["summary"]
    }
}

pub const LIMITS: Limits = Limits { max_encoded_bytes: 1 << 30, max_pixels: 1 << 30, max_side_px: 65_535 };

pub fn open(bytes: &[u8]) -> Box<dyn Photo> {
    obscura::photo::open(bytes, &LIMITS).unwrap()
}

/// The whole upright picture.
pub fn upright(path: &Path) -> RgbView {
    let photo = open(&fs::read(path).unwrap());
    let size = photo.upright_size();
    photo.view(size.rect().into(), size, 0).unwrap()
}

pub fn pixel(view: &RgbView, x: u32, y: u32) -> [u8; 3] {
    let at = (y as usize * view.size.width as usize + x as usize) * 3;
    view.rgb[at..at + 3].try_into().unwrap()
}

pub fn rects(list: &Value) -> Vec<Rect> {
    list.as_array().unwrap().iter().map(|item| serde_json::from_value(item_rect(item)).unwrap()).collect()
}

fn item_rect(item: &Value) -> Value {
    serde_json::json!({"x": item["x"], "y": item["y"], "width": item["width"], "height": item["height"]})
}

/// Share of `target` that lies under the union of `cover`.
pub fn covered_share(target: Rect, cover: &[Rect]) -> f64 {
    let inside = |x, y| cover.iter().any(|rect| rect.contains(Rect { x, y, width: 1, height: 1 }));
    let hits = (target.y..target.bottom())
        .map(|y| (target.x..target.right()).filter(|&x| inside(x, y)).count())
        .sum::<usize>();
    hits as f64 / target.area() as f64
}

/// Decode a JPEG with libjpeg's own program: an opinion from outside.
pub fn djpeg(path: &Path) -> RgbView {
    let output = Command::new("djpeg").args(["-rgb", "-pnm"]).arg(path).output().unwrap();
    assert!(output.status.success(), "{}: {}", path.display(), String::from_utf8_lossy(&output.stderr));
    parse_ppm(&output.stdout)
}

/// Decode pictures with Pillow: an opinion from outside on every other format. Stored orientation, straight alpha.
pub fn pillow(paths: &[PathBuf]) -> Vec<image::RgbaImage> {
    const SCRIPT: &str = "
import sys
from PIL import Image
for path in sys.argv[1:]:
    picture = Image.open(path)
    if picture.mode == 'I;16':
        picture = picture.point(lambda v: v / 257).convert('L')
    picture = picture.convert('RGBA')
    sys.stdout.buffer.write(b'%d %d ' % picture.size + picture.tobytes())
";
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join(".setup/venv/bin/python");
    let output = Command::new(python).args(["-c", SCRIPT]).args(paths).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut rest = &output.stdout[..];
    let side = |rest: &mut &[u8]| -> u32 {
        let end = rest.iter().position(|&byte| byte == b' ').unwrap();
        let (number, after) = rest.split_at(end);
        *rest = &after[1..];
        std::str::from_utf8(number).unwrap().parse().unwrap()
    };
    paths
        .iter()
        .map(|_| {
            let (width, height) = (side(&mut rest), side(&mut rest));
            let (pixels, after) = rest.split_at(width as usize * height as usize * 4);
            rest = after;
            image::RgbaImage::from_raw(width, height, pixels.to_vec()).unwrap()
        })
        .collect()
}

fn parse_ppm(bytes: &[u8]) -> RgbView {
    let mut at = 0;
    let mut fields = Vec::new();
    while fields.len() < 4 {
        let end = at + bytes[at..].iter().position(u8::is_ascii_whitespace).unwrap();
        fields.push(std::str::from_utf8(&bytes[at..end]).unwrap());
        at = end + 1;
    }
    let size = Size::new(fields[1].parse().unwrap(), fields[2].parse().unwrap());
    RgbView { size, rgb: bytes[at..].to_vec() }
}

/// Peak signal-to-noise ratio in dB.
pub fn psnr(a: &RgbView, b: &RgbView) -> f64 {
    assert_eq!(a.size, b.size);
    let sum: f64 = a.rgb.iter().zip(&b.rgb).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum();
    let mean = sum / a.rgb.len() as f64;
    if mean == 0.0 { f64::INFINITY } else { 10.0 * (255.0 * 255.0 / mean).log10() }
}
