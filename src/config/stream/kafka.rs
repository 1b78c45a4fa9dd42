//! The broker, the group and how to get in.

use std::{fmt, path::PathBuf, time::Duration};

use secrecy::{ExposeSecret, SecretString};

#[derive(Clone, Debug, PartialEq)]
pub struct KafkaConfig {
    /// `host:port`, comma-separated.
    pub brokers: String,
    pub topics: Vec<String>,
    pub group: String,
    pub assignment: Assignment,
    /// Static membership: the same after a restart, different for every worker.
    pub instance_id: Option<String>,
    /// Where `photo.redacted` events go; none sends none.
    pub outcome_topic: Option<String>,
    pub dead_letter_topic: String,
    pub session_timeout: Duration,
    pub max_poll_interval: Duration,
    /// Most bytes of messages that wait inside the client.
    pub fetch_bytes: u64,
    /// Largest message that is sent.
    pub max_message_bytes: u64,
    /// None: plain text.
    pub tls: Option<TlsConfig>,
    pub sasl: Option<SaslConfig>,
}

/// How partitions are shared out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Assignment {
    #[default]
    CooperativeSticky,
    Range,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct TlsConfig {
    /// None: the system's authorities.
    pub ca_file: Option<PathBuf>,
    pub cert_file: Option<PathBuf>,
    pub key_file: Option<PathBuf>,
    pub key_password: Option<Secret>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum SaslConfig {
    Password {
        mechanism: SaslMechanism,
        username: String,
        password: Secret,
    },
    /// OAUTHBEARER, with a token that something else keeps fresh in a file.
    TokenFile(PathBuf),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaslMechanism {
    Plain,
    ScramSha256,
    ScramSha512,
}

/// Something that must not be seen: given, or read from a mounted file each time it is needed.
#[derive(Clone)]
pub enum Secret {
    Value(SecretString),
    File(PathBuf),
}

impl Secret {
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
