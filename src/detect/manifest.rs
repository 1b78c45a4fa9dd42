//! The model manifest: which files there are, whether they are the right ones, and how they are fed.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Class, Family, Focus, ViewNeeds};
use crate::{error::FatalError, redact::sha256_hex};

pub const MANIFEST_FILE: &str = "manifest.toml";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelOrder {
    Rgb,
    Bgr,
}

/// What a model's input tensor looks like: float32, `[batch, 3, height, width]`, `(value - mean) * scale` of values from
/// 0 to 255.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputSpec {
    /// Empty: the model's only input.
    #[serde(default)]
    pub name: String,
    pub channels: ChannelOrder,
    /// Height and width are padded right and below to a multiple of this.
    pub pad_multiple: u32,
    pub pad_value: u8,
    /// By channel, in the order of `channels`.
    #[serde(default)]
    pub mean: [f32; 3],
    #[serde(default = "unscaled")]
    pub scale: [f32; 3],
}

fn unscaled() -> [f32; 3] {
    [1.0; 3]
}

impl InputSpec {
    /// Values from 0 to 255.
    #[must_use]
    pub fn bytes(channels: ChannelOrder, pad_multiple: u32, pad_value: u8) -> Self {
        Self { name: String::new(), channels, pad_multiple, pad_value, mean: [0.0; 3], scale: unscaled() }
    }
}

fn yes() -> bool {
    true
}

/// What a model does where it is shown too little to find anything.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FocusSpec {
    /// How large the smallest object appears in the coarse views, in pixels of the model's input.
    pub object_px: f32,
    /// What scores at least this there is looked at in full.
    pub min_score: f32,
}

/// One model of the manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSpec {
    pub name: String,
    pub class: Class,
    /// What the model's class numbers stand for, where it has several; none is not looked for.
    #[serde(default)]
    pub labels: Vec<Option<Class>>,
    /// Only loaded where the config names it.
    #[serde(default)]
    pub optional: bool,
    /// Whether it finds the drawn object of its class, and is not trusted unless it does.
    #[serde(default = "yes")]
    pub known_object: bool,
    pub family: Family,
    pub file: PathBuf,
    pub sha256: String,
    pub licence: String,
    pub source: String,
    pub training_data: String,
    /// Detections below this score are dropped, unless the config says otherwise.
    pub min_score: f32,
    /// The smallest object, in pixels of the model's input, that it finds reliably: height of a face, width of a plate.
    pub min_object_px: f32,
    /// Largest side of a view in pixels of the model's input.
    pub tile_px: u32,
    /// How far neighbouring tiles overlap, in pixels of the model's input.
    pub overlap_px: u32,
    /// How the model is used to find out where to look at full resolution; without it, everywhere.
    #[serde(default)]
    pub focus: Option<FocusSpec>,
    pub input: InputSpec,
    pub measured: String,
}

impl ModelSpec {
    /// What it looks for.
    #[must_use]
    pub fn classes(&self) -> Vec<Class> {
        let of_labels = Class::ALL.into_iter().filter(|class| self.labels.contains(&Some(*class))).collect();
        if self.labels.is_empty() { vec![self.class] } else { of_labels }
    }

    /// What one of its class numbers stands for.
    pub(super) fn class_of(&self, label: usize) -> Option<Class> {
        if self.labels.is_empty() { Some(self.class) } else { self.labels.get(label).copied().flatten() }
    }

    /// What the model needs to see to find objects of `min_object_px` photo pixels.
    #[must_use]
    pub fn view_needs(&self, min_object_px: f32) -> ViewNeeds {
        ViewNeeds {
            min_object_px,
            model_object_px: self.min_object_px,
            tile_px: self.tile_px,
            overlap_px: self.overlap_px,
        }
    }

    /// How to find out where to look in full. What would count as found is always a sign.
    #[must_use]
    pub fn focus(&self, min_score: f32) -> Option<Focus> {
        let focus = self.focus?;
        Some(Focus { object_px: focus.object_px, min_score: focus.min_score.min(min_score) })
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ManifestFile {
    model: Vec<ModelSpec>,
}

/// The models of one folder.
#[derive(Clone, Debug)]
pub struct Manifest {
    pub dir: PathBuf,
    pub models: Vec<ModelSpec>,
}

/// A model file whose content is what the manifest says.
pub struct VerifiedModel {
    pub spec: ModelSpec,
    pub bytes: Vec<u8>,
}

impl Manifest {
    /// # Errors
    /// If the manifest is missing or not understood.
    pub fn load(dir: &Path) -> Result<Self, FatalError> {
        let path = dir.join(MANIFEST_FILE);
        let text = std::fs::read_to_string(&path).map_err(|error| {
            FatalError::new(
                format!("cannot read the model manifest `{}`: {error}", path.display()),
                "set `models.dir` to the folder that holds `manifest.toml` and the model files",
            )
        })?;
        let file: ManifestFile = toml::from_str(&text).map_err(|error| {
            FatalError::new(
                format!("cannot understand the model manifest `{}`: {error}", path.display()),
                "restore the file that came with this version of Obscura",
            )
        })?;
        Ok(Self { dir: dir.to_owned(), models: file.model })
    }

    /// The one model for a class: the one of this name, or the only one that is not optional.
    ///
    /// # Errors
    /// If there is none, or more than one.
    pub fn model_for(&self, class: Class, name: Option<&str>) -> Result<&ModelSpec, FatalError> {
        let of_class = self.models.iter().filter(|model| model.class == class);
        if let Some(name) = name {
            let names: Vec<&str> = of_class.clone().map(|model| model.name.as_str()).collect();
            return of_class.clone().find(|model| model.name == name).ok_or_else(|| {
                FatalError::new(
                    format!("`models.{class}`: expected a model for class `{class}`, found `{name}`"),
                    format!("choose one of: {}", names.join(", ")),
                )
            });
        }
        let mut found = of_class.filter(|model| !model.optional);
        match (found.next(), found.next()) {
            (Some(model), None) => Ok(model),
            (first, _) => Err(FatalError::new(
                format!(
                    "expected one model for class `{class}`, found {}",
                    if first.is_some() { "several" } else { "none" }
                ),
                format!("check `{}`", self.dir.join(MANIFEST_FILE).display()),
            )),
        }
    }

    /// Read a model's file and check its hash.
    ///
    /// # Errors
    /// If the file is missing or has another hash.
    pub fn read_verified(&self, spec: &ModelSpec) -> Result<VerifiedModel, FatalError> {
        VerifiedModel::read(&self.dir.join(&spec.file), spec)
    }
}

impl VerifiedModel {
    /// Read a model's file and check its hash.
    ///
    /// # Errors
    /// If the file is missing or has another hash.
    pub fn read(path: &Path, spec: &ModelSpec) -> Result<Self, FatalError> {
        let bytes = std::fs::read(path).map_err(|error| {
            FatalError::new(
                format!("cannot read the model `{}` from `{}`: {error}", spec.name, path.display()),
                "restore the file that came with this version of Obscura, or set `models.dir`; check `user_models`",
            )
        })?;
        let found = sha256_hex(&bytes);
        if found != spec.sha256 {
            return Err(FatalError::new(
                format!(
                    "model `{}`: expected sha256 {}, found {found} in `{}`",
                    spec.name,
                    spec.sha256,
                    path.display()
                ),
                "the file is damaged or was replaced; restore the one that came with this version of Obscura, or that \
                 the config means",
            ));
        }
        Ok(Self { spec: spec.clone(), bytes })
    }
}
