//! Values that nobody may see.

use std::{fmt, path::PathBuf};

use secrecy::{ExposeSecret, SecretString};

/// Something that must not be seen: given, or read from a mounted file each time it is needed.
#[derive(Clone)]
pub enum Secret {
    Value(SecretString),
    File(PathBuf),
}

impl Secret {
    /// What a variable of the environment holds, if it is set.
    pub(super) fn variable(name: &str) -> Option<Self> {
        std::env::var(name).ok().filter(|value| !value.is_empty()).map(|value| Self::Value(value.into()))
    }

    /// The secret as of now; a file's last line end does not belong to it.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn read(&self) -> std::io::Result<SecretString> {
        match self {
            Self::Value(value) => Ok(value.clone()),
            Self::File(path) => {
                let text = std::fs::read_to_string(path)?;
                Ok(text.trim_end_matches(['\r', '\n']).into())
            }
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(_) => f.write_str("Secret"),
            Self::File(path) => write!(f, "Secret({})", path.display()),
        }
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Value(a), Self::Value(b)) => a.expose_secret() == b.expose_secret(),
            (Self::File(a), Self::File(b)) => a == b,
            _ => false,
        }
    }
}
