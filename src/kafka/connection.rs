//! How to get into the broker: from [`KafkaConfig`] to the client's own settings, and what all clients have in common.
//!
//! No secret is ever part of a message or a log line. A password is read when a client is made: librdkafka keeps it, so a
//! changed password counts after the next start. A token is read from its file at each refresh.

use std::{
    error::Error,
    fs,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rdkafka::{ClientConfig, client::OAuthToken, config::RDKafkaLogLevel, error::KafkaError};
use secrecy::{ExposeSecret, SecretString};

use crate::{
    config::stream::{Assignment, KafkaConfig, SaslConfig, SaslMechanism, Secret, TlsConfig},
    error::FatalError,
};

/// A token that does not say how long it lives is read again before this.
const DEFAULT_TOKEN_LIFETIME: Duration = Duration::from_mins(5);
/// How often the client counts what waits in the broker.
const STATISTICS_INTERVAL: Duration = Duration::from_secs(5);
/// How long an unanswered message may be tried again inside the client.
pub(super) const DELIVERY_TIMEOUT: Duration = Duration::from_secs(30);
/// Messages that wait to be sent, all together.
const SEND_BUFFER_KIB: u32 = 16 * 1024;

/// How a consumer's share of memory is divided: half waits inside the client, a quarter is one answer of a broker, a
/// quarter waits in the partitions' buffers.
pub(super) fn buffer_bytes(config: &KafkaConfig) -> u64 {
    config.fetch_bytes / 4
}

/// Settings of a member of the group.
pub(super) fn consumer_config(config: &KafkaConfig) -> Result<ClientConfig, FatalError> {
    let mut client = fetching_config(config)?;
    let strategy = match config.assignment {
        Assignment::CooperativeSticky => "cooperative-sticky",
        Assignment::Range => "range",
    };
    let session_ms = config.session_timeout.as_millis();
    client
        .set("partition.assignment.strategy", strategy)
        .set("session.timeout.ms", session_ms.to_string())
        .set("heartbeat.interval.ms", (session_ms / 3).clamp(1, 3000).to_string())
        .set("max.poll.interval.ms", config.max_poll_interval.as_millis().to_string())
        .set("statistics.interval.ms", STATISTICS_INTERVAL.as_millis().to_string());
    if let Some(id) = &config.instance_id {
        client.set("group.instance.id", id);
    }
    Ok(client)
}

/// Settings of whoever reads partitions, as a member of the group or by hand.
pub(super) fn fetching_config(config: &KafkaConfig) -> Result<ClientConfig, FatalError> {
    let mut client = base_config(config)?;
    // One answer is never smaller than the largest message, and one larger than expected is still let in.
    let answer_bytes = (config.fetch_bytes / 4).clamp(16 * 1024, 512 * 1024 * 1024);
    let receive_bytes = (answer_bytes + 64 * 1024).max(100_000_000);
    client
        .set("group.id", &config.group)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "earliest")
        .set("isolation.level", "read_committed")
        .set("check.crcs", "true")
        .set("queued.max.messages.kbytes", (config.fetch_bytes / 2 / 1024).clamp(64, 2_097_151).to_string())
        .set("fetch.max.bytes", answer_bytes.to_string())
        .set("fetch.message.max.bytes", answer_bytes.min(1024 * 1024).to_string())
        // Never above `fetch.max.bytes`, which would be raised to it.
        .set("message.max.bytes", answer_bytes.min(1_000_000).to_string())
        .set("receive.message.max.bytes", receive_bytes.to_string());
    Ok(client)
}

/// Settings of a producer that tells nothing as sent which is not acknowledged by all replicas.
pub(super) fn producer_config(config: &KafkaConfig) -> Result<ClientConfig, FatalError> {
    let mut client = base_config(config)?;
    client
        .set("acks", "all")
        .set("enable.idempotence", "true")
        .set("message.timeout.ms", DELIVERY_TIMEOUT.as_millis().to_string())
        .set("message.max.bytes", config.max_message_bytes.clamp(1000, 1_000_000_000).to_string())
        .set("queue.buffering.max.kbytes", SEND_BUFFER_KIB.to_string())
        .set("linger.ms", "5");
    Ok(client)
}

fn base_config(config: &KafkaConfig) -> Result<ClientConfig, FatalError> {
    let mut client = ClientConfig::new();
    client
        .set("bootstrap.servers", &config.brokers)
        .set("client.id", "obscura")
        .set("socket.keepalive.enable", "true")
        .set("reconnect.backoff.max.ms", "5000")
        .set_log_level(RDKafkaLogLevel::Info);
    let protocol = match (&config.tls, &config.sasl) {
        (None, None) => "plaintext",
        (Some(_), None) => "ssl",
        (None, Some(_)) => "sasl_plaintext",
        (Some(_), Some(_)) => "sasl_ssl",
    };
    client.set("security.protocol", protocol);
    if let Some(tls) = &config.tls {
        set_tls(&mut client, tls)?;
    }
    match &config.sasl {
        None => {}
        Some(SaslConfig::Password { mechanism, username, password }) => {
            let mechanism = match mechanism {
                SaslMechanism::Plain => "PLAIN",
                SaslMechanism::ScramSha256 => "SCRAM-SHA-256",
                SaslMechanism::ScramSha512 => "SCRAM-SHA-512",
            };
            let password = read_secret(password, "kafka.password_file")?;
            client.set("sasl.mechanism", mechanism).set("sasl.username", username);
            client.set("sasl.password", password.expose_secret());
        }
        Some(SaslConfig::TokenFile(path)) => {
            check_readable(path, "kafka.token_file")?;
            client.set("sasl.mechanism", "OAUTHBEARER");
        }
    }
    Ok(client)
}

fn set_tls(client: &mut ClientConfig, tls: &TlsConfig) -> Result<(), FatalError> {
    client.set("ssl.endpoint.identification.algorithm", "https");
    let files = [
        ("ssl.ca.location", "kafka.ca_file", &tls.ca_file),
        ("ssl.certificate.location", "kafka.cert_file", &tls.cert_file),
        ("ssl.key.location", "kafka.key_file", &tls.key_file),
    ];
    for (setting, name, path) in files {
        if let Some(path) = path {
            check_readable(path, name)?;
            client.set(setting, path.to_string_lossy());
        }
    }
    if tls.ca_file.is_none() {
        client.set("ssl.ca.location", "probe");
    }
    if let Some(password) = &tls.key_password {
        client.set("ssl.key.password", read_secret(password, "kafka.key_password_file")?.expose_secret());
    }
    Ok(())
}

fn check_readable(path: &Path, setting: &str) -> Result<(), FatalError> {
    fs::File::open(path).map(drop).map_err(|error| {
        FatalError::new(
            format!("cannot read `{}` of `{setting}`: {error}", path.display()),
            "check that the file is mounted and that this user may read it",
        )
    })
}

fn read_secret(secret: &Secret, setting: &str) -> Result<SecretString, FatalError> {
    secret.read().map_err(|error| {
        FatalError::new(
            format!("cannot read the secret of `{setting}`: {error}"),
            "check that the file is mounted and that this user may read it",
        )
    })
}

/// Why no client could be made. The client's own text names the value that it did not like, which may be a secret; only
/// the setting's name is told.
pub(super) fn not_created(error: &KafkaError) -> FatalError {
    let detail = match error {
        KafkaError::ClientConfig(_, _, setting, _) => format!("it does not take this value of `{setting}`"),
        KafkaError::ClientCreation(reason) => reason.clone(),
        other => other.to_string(),
    };
    FatalError::new(
        format!("the Kafka client could not be made: {detail}"),
        "check the certificates, the credentials and the time-outs under `kafka`; certificates and keys have to be PEM and fit \
         together",
    )
}

/// Where the client's log goes: at debug unless it is news. It says again and again what is also told as an error.
pub(super) fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical | RDKafkaLogLevel::Error => {
            tracing::warn!(target: "obscura::kafka", facility, "{message}");
        }
        RDKafkaLogLevel::Warning | RDKafkaLogLevel::Notice => {
            tracing::info!(target: "obscura::kafka", facility, "{message}");
        }
        RDKafkaLogLevel::Info | RDKafkaLogLevel::Debug => {
            tracing::debug!(target: "obscura::kafka", facility, "{message}");
        }
    }
}

/// The token as it lies in the file now.
pub(super) fn token(config: Option<&SaslConfig>) -> Result<OAuthToken, Box<dyn Error>> {
    let Some(SaslConfig::TokenFile(path)) = config else {
        return Err("no token file is configured".into());
    };
    let text = fs::read_to_string(path)
        .map_err(|error| format!("the token file `{}` cannot be read: {error}", path.display()))?;
    let token = text.trim();
    if token.is_empty() || token.contains(char::is_whitespace) || token.contains('\0') {
        return Err(format!("the token file `{}` does not hold one token", path.display()).into());
    }
    let claims = claims(token);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let lifetime_ms = match claims.get("exp").and_then(serde_json::Value::as_f64) {
        Some(seconds) => (seconds * 1000.0) as i64,
        None => (now + DEFAULT_TOKEN_LIFETIME).as_millis() as i64,
    };
    let subject = claims.get("sub").and_then(serde_json::Value::as_str);
    let principal_name = subject.filter(|subject| !subject.contains('\0')).unwrap_or("obscura").to_owned();
    Ok(OAuthToken { token: token.to_owned(), principal_name, lifetime_ms })
}

/// The claims of a JSON Web Token (RFC 7519); empty for other tokens. Only the broker can tell whether they are true.
fn claims(token: &str) -> serde_json::Map<String, serde_json::Value> {
    let middle = token.split('.').nth(1).unwrap_or_default();
    let bytes = URL_SAFE_NO_PAD.decode(middle.trim_end_matches('=')).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::testing::config;

    #[test]
    fn a_consumer_never_commits_by_itself_and_its_memory_is_bounded() {
        let client = consumer_config(&config("broker:9092")).unwrap();
        let get = |name: &str| client.get(name).unwrap().to_owned();
        assert_eq!((get("enable.auto.commit"), get("enable.auto.offset.store")), ("false".into(), "false".into()));
        assert_eq!(get("auto.offset.reset"), "earliest");
        assert_eq!(get("partition.assignment.strategy"), "cooperative-sticky");
        assert_eq!(get("queued.max.messages.kbytes"), "2048");
        assert_eq!(get("fetch.max.bytes"), "1048576");
        assert!(client.create_native_config().is_ok());
    }

    #[test]
    fn a_producer_waits_for_all_replicas() {
        let client = producer_config(&config("broker:9092")).unwrap();
        assert_eq!((client.get("acks"), client.get("enable.idempotence")), (Some("all"), Some("true")));
        assert!(client.create_native_config().is_ok());
    }

    #[test]
    fn what_is_asked_for_to_get_in_is_set() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            fs::write(dir.path().join(name), text).unwrap();
            dir.path().join(name)
        };
        let mut config = config("broker:9093");
        config.tls = Some(TlsConfig {
            ca_file: Some(file("ca.pem", "")),
            cert_file: Some(file("cert.pem", "")),
            key_file: Some(file("key.pem", "")),
            key_password: Some(Secret::File(file("key.password", "locked\n"))),
        });
        config.sasl = Some(SaslConfig::Password {
            mechanism: SaslMechanism::ScramSha512,
            username: "worker".to_owned(),
            password: Secret::File(file("password", "hunter2\r\n")),
        });
        let client = base_config(&config).unwrap();
        assert_eq!(client.get("security.protocol"), Some("sasl_ssl"));
        assert_eq!(client.get("sasl.mechanism"), Some("SCRAM-SHA-512"));
        assert_eq!(client.get("sasl.password"), Some("hunter2"));
        assert_eq!(client.get("ssl.key.password"), Some("locked"));
        assert!(client.get("ssl.key.location").unwrap().ends_with("key.pem"));

        config.tls = Some(TlsConfig { ca_file: Some("gone.pem".into()), ..TlsConfig::default() });
        let error = base_config(&config).unwrap_err();
        assert!(error.message.contains("`gone.pem` of `kafka.ca_file`"), "{error}");
    }

    #[test]
    fn a_value_that_is_not_taken_is_not_repeated() {
        let mut client = ClientConfig::new();
        client.set("session.timeout.ms", "hunter2");
        let Err(error) = client.create_native_config() else { panic!("taken") };
        let told = not_created(&error);
        assert!(told.message.contains("session.timeout.ms") && !told.message.contains("hunter2"), "{told}");
    }

    #[test]
    fn a_token_is_read_again_each_time_and_lives_as_long_as_it_says() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        let sasl = SaslConfig::TokenFile(path.clone());
        assert!(token(Some(&sasl)).is_err(), "no file");
        let jwt = format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(br#"{"sub":"worker","exp":4102444800}"#));
        fs::write(&path, format!("{jwt}\n")).unwrap();
        let first = token(Some(&sasl)).unwrap();
        assert_eq!((first.token.as_str(), first.principal_name.as_str()), (jwt.as_str(), "worker"));
        assert_eq!(first.lifetime_ms, 4_102_444_800_000);
        fs::write(&path, "opaque").unwrap();
        let second = token(Some(&sasl)).unwrap();
        let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
        assert_eq!((second.token.as_str(), second.principal_name.as_str()), ("opaque", "obscura"));
        assert!((now_ms..=now_ms + DEFAULT_TOKEN_LIFETIME.as_millis() as i64).contains(&second.lifetime_ms));
        fs::write(&path, "two words").unwrap();
        let Err(error) = token(Some(&sasl)) else { panic!("taken") };
        let error = error.to_string();
        assert!(!error.contains("two words"), "{error}");
    }
}
