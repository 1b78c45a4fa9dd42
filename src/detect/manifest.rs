//! The model manifest: which files there are, whether they are the right ones, and how they are fed.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Class, Focus, ViewNeeds};
use crate::{error::FatalError, redact::sha256_hex};

pub const MANIFEST_FILE: &str = "manifest.toml";

/// How a model's output is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    Centerface,
    Yunet,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelOrder {
    Rgb,
    Bgr,
}

/// What a model's input tensor looks like: float32, 0 to 255, `[batch, 3, height, width]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputSpec {
    pub name: String,
    pub channels: ChannelOrder,
    /// Height and width are padded right and below to a multiple of this.
    pub pad_multiple: u32,
    pub pad_value: u8,
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
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSpec {
    pub name: String,
    pub class: Class,
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
    pub focus: Option<FocusSpec>,
    pub input: InputSpec,
    pub measured: String,
}

impl ModelSpec {
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

    /// The one model for a class.
    ///
    /// # Errors
    /// If there is none, or more than one.
    pub fn model_for(&self, class: Class) -> Result<&ModelSpec, FatalError> {
        let mut found = self.models.iter().filter(|model| model.class == class);
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
        let path = self.dir.join(&spec.file);
        let bytes = std::fs::read(&path).map_err(|error| {
            FatalError::new(
                format!("cannot read the model `{}` from `{}`: {error}", spec.name, path.display()),
                "restore the file that came with this version of Obscura, or set `models.dir`",
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
                "the file is damaged or was replaced; restore the one that came with this version of Obscura",
            ));
        }
        Ok(VerifiedModel { spec: spec.clone(), bytes })
    }
}
