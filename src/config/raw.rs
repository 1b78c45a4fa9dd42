//! The config file as it is written: every key optional, nothing checked but its type.
//!
//! A mistake in one key must not hide the next, so each value is read on its own ([`Field`]) and unknown keys are
//! collected instead of refused.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Deserializer, de::DeserializeOwned};

use crate::{
    detect::ExecutionProvider,
    redact::Style,
    telemetry::{LogFormat, LogLevel},
};

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
section!(RawBudget { decoded_mib: u64, encoded_mib: u64, threads: usize });
section!(RawModels { dir: PathBuf, onnxruntime_library: PathBuf });
section!(RawDetect {
    min_face_px: f32,
    min_plate_px: f32,
    face_min_score: f32,
    plate_min_score: f32,
    execution_providers: Vec<ExecutionProvider>,
    max_batch: usize,
    max_queue_delay_ms: u64,
    health_check_s: u64,
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
section!(RawSource { dir: PathBuf, stable_ms: u64, rescan_s: u64, window: usize });
section!(RawState { dir: PathBuf });
section!(RawTimeouts {
    fetch_s: u64,
    open_s: u64,
    detect_s: u64,
    redact_s: u64,
    publish_s: u64,
    drain_s: u64,
    stall_s: u64,
});
section!(RawRetry { attempts: usize, first_pause_ms: u64, longest_pause_ms: u64 });
section!(RawAdmin { listen: String });
section!(RawLog { level: LogLevel, format: LogFormat });

macro_rules! sections {
    ($($name:ident: $kind:ident),* $(,)?) => {
        /// The whole file.
        #[derive(Clone, Debug, Default, Deserialize)]
        #[serde(default)]
        pub struct RawConfig {
            $(pub $name: $kind,)*
            #[serde(flatten)]
            pub unknown: BTreeMap<String, toml::Value>,
        }

        impl RawConfig {
            pub const SECTIONS: &'static [&'static str] = &[$(stringify!($name)),*];

            /// Unknown keys as (full name, names that would be known there).
            #[must_use]
            pub fn unknown_keys(&self) -> Vec<(String, &'static [&'static str])> {
                let mut found: Vec<_> = self.unknown.keys().map(|key| (key.clone(), Self::SECTIONS)).collect();
                $(found.extend(
                    self.$name.unknown.keys().map(|key| (format!("{}.{key}", stringify!($name)), $kind::KEYS)),
                );)*
                found
            }
        }
    };
}

sections! {
    output: RawOutput,
    limits: RawLimits,
    budget: RawBudget,
    models: RawModels,
    detect: RawDetect,
    redact: RawRedact,
    quarantine: RawQuarantine,
    source: RawSource,
    state: RawState,
    timeouts: RawTimeouts,
    retry: RawRetry,
    admin: RawAdmin,
    log: RawLog,
}
