//! The broker, the group and how to get in.

use std::{path::PathBuf, time::Duration};

use super::Secret;
use crate::config::{Field, check::Checker, raw::RawKafka};

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

/// How the connection is protected, as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Security {
    #[default]
    Plaintext,
    Tls,
    SaslPlaintext,
    SaslTls,
}

/// How a client says who it is, as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mechanism {
    Plain,
    #[serde(rename = "scram-sha-256")]
    ScramSha256,
    #[default]
    #[serde(rename = "scram-sha-512")]
    ScramSha512,
    OAuthBearer,
}

/// The variable that holds the password if no file does.
const PASSWORD_VARIABLE: &str = "OBSCURA_KAFKA_PASSWORD";

impl KafkaConfig {
    /// How the connection is protected.
    #[must_use]
    pub fn security(&self) -> Security {
        match (&self.tls, &self.sasl) {
            (None, None) => Security::Plaintext,
            (Some(_), None) => Security::Tls,
            (None, Some(_)) => Security::SaslPlaintext,
            (Some(_), Some(_)) => Security::SaslTls,
        }
    }

    /// None without brokers.
    pub(super) fn resolve(raw: &RawKafka, defaults: &RawKafka, check: &mut Checker) -> Option<Self> {
        let d = defaults;
        let mut number = |key: &str, field: &Field<u64>, default: &Field<u64>, low: u64, high: u64| {
            check.ranged(&format!("kafka.{key}"), field.clone(), default.clone(), low, high)
        };
        let session_s = number("session_timeout_s", &raw.session_timeout_s, &d.session_timeout_s, 1, 3600);
        let poll_s = number("max_poll_interval_s", &raw.max_poll_interval_s, &d.max_poll_interval_s, 1, 86_400);
        let fetch_mib = number("fetch_mib", &raw.fetch_mib, &d.fetch_mib, 1, 2048);
        let message_kib = number("max_message_kib", &raw.max_message_kib, &d.max_message_kib, 16, 1 << 20);
        if poll_s < session_s {
            check.problem(
                format!("`kafka.max_poll_interval_s`: expected at least `session_timeout_s`, found {poll_s}"),
                "the broker gives a silent worker up after the session time-out in any case",
            );
        }
        let topics = check.value("kafka.topics", raw.topics.clone(), d.topics.clone());
        if topics.is_empty() || topics.iter().any(String::is_empty) {
            check.problem("`kafka.topics`: expected names of topics, found none", "such as [\"uploads\"]");
        }
        let config = Self {
            brokers: String::new(),
            topics,
            group: check.value("kafka.group", raw.group.clone(), d.group.clone()),
            assignment: check.value("kafka.assignment", raw.assignment.clone(), d.assignment.clone()),
            instance_id: check.optional("kafka.instance_id", raw.instance_id.clone()),
            outcome_topic: check.optional("kafka.outcome_topic", raw.outcome_topic.clone()),
            dead_letter_topic: check.value(
                "kafka.dead_letter_topic",
                raw.dead_letter_topic.clone(),
                d.dead_letter_topic.clone(),
            ),
            session_timeout: Duration::from_secs(session_s),
            max_poll_interval: Duration::from_secs(poll_s),
            fetch_bytes: fetch_mib << 20,
            max_message_bytes: message_kib << 10,
            tls: None,
            sasl: None,
        };
        let security = check.value("kafka.security", raw.security.clone(), d.security.clone());
        let (tls, sasl) = (tls(raw, check), sasl(raw, security, check));
        let brokers = check.optional("kafka.brokers", raw.brokers.clone()).filter(|brokers| !brokers.is_empty())?;
        let is_tls = matches!(security, Security::Tls | Security::SaslTls);
        if !is_tls && tls != TlsConfig::default() {
            check.problem(
                "`kafka.security`: found certificates, but a connection without TLS",
                "set it to \"tls\" or \"sasl_tls\"",
            );
        }
        if [&config.topics[..], config.outcome_topic.as_slice()].concat().contains(&config.dead_letter_topic) {
            check.problem(
                "`kafka.dead_letter_topic`: found a topic of another use",
                "dead letters need one of their own",
            );
        }
        Some(Self { brokers, tls: is_tls.then_some(tls), sasl, ..config })
    }
}

fn tls(raw: &RawKafka, check: &mut Checker) -> TlsConfig {
    let mut file = |key: &str, field: &Field<PathBuf>| check.optional(&format!("kafka.{key}"), field.clone());
    let tls = TlsConfig {
        ca_file: file("ca_file", &raw.ca_file),
        cert_file: file("cert_file", &raw.cert_file),
        key_file: file("key_file", &raw.key_file),
        key_password: file("key_password_file", &raw.key_password_file).map(Secret::File),
    };
    if tls.cert_file.is_some() != tls.key_file.is_some() {
        check.problem(
            "`kafka.cert_file`, `kafka.key_file`: expected both or none",
            "a client certificate is of no use without its key",
        );
    }
    tls
}

fn sasl(raw: &RawKafka, security: Security, check: &mut Checker) -> Option<SaslConfig> {
    let mechanism = check.optional("kafka.sasl_mechanism", raw.sasl_mechanism.clone());
    let username = check.optional("kafka.username", raw.username.clone());
    let password_file = check.optional("kafka.password_file", raw.password_file.clone());
    let token_file = check.optional("kafka.token_file", raw.token_file.clone());
    if !matches!(security, Security::SaslPlaintext | Security::SaslTls) {
        if mechanism.is_some() {
            check.problem(
                "`kafka.security`: found `sasl_mechanism`, but a connection without SASL",
                "set it to \"sasl_tls\"",
            );
        }
        return None;
    }
    let mechanism = mechanism.unwrap_or_default();
    if mechanism == Mechanism::OAuthBearer {
        if token_file.is_none() {
            check.problem("`kafka.token_file`: expected a file, found none", "oauthbearer reads its token there");
        }
        return token_file.map(SaslConfig::TokenFile);
    }
    let password = password_file.map(Secret::File).or_else(|| Secret::variable(PASSWORD_VARIABLE));
    let (Some(username), Some(password)) = (username, password) else {
        check.problem(
            "`kafka.username`, `kafka.password_file`: expected both, found less",
            format!("the password may also come from the variable {PASSWORD_VARIABLE}"),
        );
        return None;
    };
    let mechanism = match mechanism {
        Mechanism::Plain => SaslMechanism::Plain,
        Mechanism::ScramSha256 => SaslMechanism::ScramSha256,
        Mechanism::ScramSha512 | Mechanism::OAuthBearer => SaslMechanism::ScramSha512,
    };
    Some(SaslConfig::Password { mechanism, username, password })
}
