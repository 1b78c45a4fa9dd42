//! What a photo costs on a machine: written by `obscura bench --json`, read by `obscura plan`.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::FatalError;

/// Measured on photos of one's own. Means are over photos that were published.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    pub version: String,
    pub execution_providers: Vec<String>,
    /// Cores that computed.
    pub cores: usize,
    pub photos: u64,
    /// Of a mean photo.
    pub megapixels: f64,
    pub cpu_seconds_per_photo: f64,
    /// Of all the cores together, while there was always work.
    pub photos_per_second: f64,
    pub bytes_in_per_photo: f64,
    pub bytes_out_per_photo: f64,
    /// Of the whole process.
    pub peak_memory_mib: f64,
}

impl Profile {
    /// Read what `obscura bench --json` wrote.
    ///
    /// # Errors
    /// If it cannot be read, or holds what cannot have been measured.
    pub fn read(path: &Path) -> Result<Self, FatalError> {
        let hint = "take one with `obscura bench --json PATH...` on a machine like those that will work";
        let unusable =
            |why: String| FatalError::new(format!("cannot use the profile `{}`: {why}", path.display()), hint);
        let text = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
        let profile: Self = serde_json::from_slice(&text).map_err(|error| unusable(error.to_string()))?;
        let numbers = [
            ("megapixels", profile.megapixels),
            ("cpu_seconds_per_photo", profile.cpu_seconds_per_photo),
            ("photos_per_second", profile.photos_per_second),
            ("cores", profile.cores as f64),
        ];
        for (name, value) in numbers {
            if !(value.is_finite() && value > 0.0) {
                return Err(unusable(format!("expected `{name}` above zero, found {value}")));
            }
        }
        Ok(profile)
    }

    /// Whether an accelerator did the inference: then workers are counted by accelerators, not by cores.
    #[must_use]
    pub fn is_accelerated(&self) -> bool {
        self.execution_providers.first().is_some_and(|provider| provider != "cpu")
    }

    /// Photos of `megapixels` a second that one worker does: with `cores` of them, or with its accelerator. Work follows
    /// megapixels, since nine tenths of it is inference at full resolution.
    #[must_use]
    pub fn photos_per_second(&self, megapixels: f64, cores: usize) -> f64 {
        let of_size = self.photos_per_second * self.megapixels / megapixels;
        if self.is_accelerated() { of_size } else { of_size * cores as f64 / self.cores as f64 }
    }

    /// Bytes read and written for a photo of `megapixels`.
    #[must_use]
    pub fn bytes(&self, megapixels: f64) -> (f64, f64) {
        let scale = megapixels / self.megapixels;
        (self.bytes_in_per_photo * scale, self.bytes_out_per_photo * scale)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn profile() -> Profile {
        Profile {
            version: "0.1.0".into(),
            execution_providers: vec!["cpu".into()],
            cores: 2,
            photos: 100,
            megapixels: 12.0,
            cpu_seconds_per_photo: 0.5,
            photos_per_second: 4.0,
            bytes_in_per_photo: 3e6,
            bytes_out_per_photo: 2.9e6,
            peak_memory_mib: 700.0,
        }
    }

    #[test]
    fn work_follows_megapixels_and_cores() {
        let profile = profile();
        assert!((profile.photos_per_second(12.0, 2) - 4.0).abs() < 1e-9);
        assert!((profile.photos_per_second(24.0, 2) - 2.0).abs() < 1e-9);
        assert!((profile.photos_per_second(12.0, 8) - 16.0).abs() < 1e-9);
        let gpu = Profile { execution_providers: vec!["cuda".into()], ..profile };
        assert!((gpu.photos_per_second(12.0, 8) - 4.0).abs() < 1e-9, "cores do not count");
    }

    #[test]
    fn what_cannot_have_been_measured_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("profile.json");
        let good = profile();
        std::fs::write(&path, serde_json::to_vec(&good).unwrap()).unwrap();
        assert_eq!(Profile::read(&path).unwrap(), good);
        for broken in [
            Profile { photos_per_second: 0.0, ..good.clone() },
            Profile { megapixels: -1.0, ..good.clone() },
            Profile { cores: 0, ..good.clone() },
        ] {
            std::fs::write(&path, serde_json::to_vec(&broken).unwrap()).unwrap();
            assert!(Profile::read(&path).unwrap_err().message.contains("above zero"));
        }
        std::fs::write(&path, b"{}").unwrap();
        assert!(Profile::read(&path).unwrap_err().hint.contains("obscura bench"));
    }
}
