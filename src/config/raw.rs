//! The config file as it is written: every key optional, nothing checked but its type.
//!
//! A mistake in one key must not hide the next, so each value is read on its own ([`Field`]) and unknown keys are
//! collected instead of refused.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Deserializer, de::DeserializeOwned};

use crate::{detect::ExecutionProvider, redact::Style};

/// A key's value, or why it cannot be one.
#[derive(Clone, Debug, Default)]
pub enum Field<T> {
    #[default]
    Missing,
    Value(T),
    Wrong {
        found: String,
        why: String,
    },
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = toml::Value::deserialize(deserializer)?;
        let found = value.to_string();
        Ok(match T::deserialize(value) {
            Ok(value) => Self::Value(value),
            Err(error) => Self::Wrong { found, why: error.to_string().trim().to_owned() },
        })
    }
}

impl<T> Field<T> {
    /// A later source's value goes before this one.
    pub fn set(&mut self, value: Option<T>) {
        if let Some(value) = value {
            *self = Self::Value(value);
        }
    }
}

macro_rules! section {
    ($(#[$doc:meta])* $name:ident { $($key:ident: $kind:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, Deserialize)]
        #[serde(default)]
        pub struct $name {
            $(pub $key: Field<$kind>,)*
            #[serde(flatten)]
            pub unknown: BTreeMap<String, toml::Value>,
        }

        impl $name {
            pub const KEYS: &'static [&'static str] = &[$(stringify!($key)),*];
        }
    };
}

section!(RawOutput { dir: PathBuf, receipts: bool, json: bool });
section!(RawLimits { max_encoded_mib: u64, max_megapixels: u64, max_side_px: u32 });
section!(RawBudget { decoded_mib: u64, threads: usize });
section!(RawModels { dir: PathBuf, onnxruntime_library: PathBuf });
section!(RawDetect {
    min_face_px: f32,
    min_plate_px: f32,
    face_min_score: f32,
    plate_min_score: f32,
    execution_providers: Vec<ExecutionProvider>,
});
section!(RawRedact {
    face_style: Style,
    face_cells: u32,
    face_enlarge: f32,
    plate_style: Style,
    plate_cells: u32,
    plate_enlarge_x: f32,
    plate_enlarge_y: f32,
});
section!(RawQuarantine { dir: PathBuf, keep_original: bool });

/// The whole file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct RawConfig {
    pub output: RawOutput,
    pub limits: RawLimits,
    pub budget: RawBudget,
    pub models: RawModels,
    pub detect: RawDetect,
    pub redact: RawRedact,
    pub quarantine: RawQuarantine,
    #[serde(flatten)]
    pub unknown: BTreeMap<String, toml::Value>,
}

impl RawConfig {
    pub const SECTIONS: &'static [&'static str] =
        &["output", "limits", "budget", "models", "detect", "redact", "quarantine"];

    /// Unknown keys as (full name, names that would be known there).
    #[must_use]
    pub fn unknown_keys(&self) -> Vec<(String, &'static [&'static str])> {
        let sections: [(&str, &BTreeMap<String, toml::Value>, &'static [&'static str]); 7] = [
            ("output", &self.output.unknown, RawOutput::KEYS),
            ("limits", &self.limits.unknown, RawLimits::KEYS),
            ("budget", &self.budget.unknown, RawBudget::KEYS),
            ("models", &self.models.unknown, RawModels::KEYS),
            ("detect", &self.detect.unknown, RawDetect::KEYS),
            ("redact", &self.redact.unknown, RawRedact::KEYS),
            ("quarantine", &self.quarantine.unknown, RawQuarantine::KEYS),
        ];
        let inside = sections
            .into_iter()
            .flat_map(|(section, unknown, known)| unknown.keys().map(move |key| (format!("{section}.{key}"), known)));
        self.unknown.keys().map(|key| (key.clone(), Self::SECTIONS)).chain(inside).collect()
    }
}
