//! The flags that stand for the keys of a worker on Kafka and object stores. Stores and routes are tables of the file.

use std::path::PathBuf;

use clap::Args;
use obscura::config::{
    Delivery, RawConfig,
    stream::{Assignment, Mechanism, Security},
};
use serde::de::{DeserializeOwned, IntoDeserializer, value::Error};

/// A word as the config file would have it.
pub(super) fn word<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    T::deserialize(IntoDeserializer::<Error>::into_deserializer(text)).map_err(|error| error.to_string())
}

#[derive(Clone, Debug, Default, Args)]
pub struct StreamArgs {
    /// The one region whose photos this worker touches [key: region.name]
    #[arg(long, env = "OBSCURA_REGION", value_name = "NAME", help_heading = "Region")]
    region: Option<String>,

    /// Store that keeps records of what belongs to no route [key: region.store]
    #[arg(long, env = "OBSCURA_REGION_STORE", value_name = "STORE", help_heading = "Region")]
    region_store: Option<String>,

    /// Brokers, comma-separated; makes the worker a member of a consumer group [key: kafka.brokers]
    #[arg(long, env = "OBSCURA_KAFKA_BROKERS", value_name = "LIST", help_heading = "Kafka")]
    kafka_brokers: Option<String>,

    /// Topics with upload events [key: kafka.topics]
    #[arg(long, env = "OBSCURA_KAFKA_TOPICS", value_name = "LIST", value_delimiter = ',', help_heading = "Kafka")]
    kafka_topics: Option<Vec<String>>,

    /// Consumer group [key: kafka.group]
    #[arg(long, env = "OBSCURA_KAFKA_GROUP", value_name = "NAME", help_heading = "Kafka")]
    kafka_group: Option<String>,

    /// How partitions are shared out: cooperative-sticky or range [key: kafka.assignment]
    #[arg(long, env = "OBSCURA_KAFKA_ASSIGNMENT", value_name = "HOW", value_parser = word::<Assignment>, help_heading = "Kafka")]
    kafka_assignment: Option<Assignment>,

    /// Static membership: differs between workers, stays over restarts [key: kafka.instance_id]
    #[arg(long, env = "OBSCURA_KAFKA_INSTANCE_ID", value_name = "ID", help_heading = "Kafka")]
    kafka_instance_id: Option<String>,

    /// Topic for `photo.redacted` events; none are sent without [key: kafka.outcome_topic]
    #[arg(long, env = "OBSCURA_KAFKA_OUTCOME_TOPIC", value_name = "TOPIC", help_heading = "Kafka")]
    kafka_outcome_topic: Option<String>,

    /// Topic for dead letters [key: kafka.dead_letter_topic]
    #[arg(long, env = "OBSCURA_KAFKA_DEAD_LETTER_TOPIC", value_name = "TOPIC", help_heading = "Kafka")]
    kafka_dead_letter_topic: Option<String>,

    /// The group gives up a worker that is silent for this long [key: kafka.session_timeout_s]
    #[arg(long, env = "OBSCURA_KAFKA_SESSION_TIMEOUT_S", value_name = "S", help_heading = "Kafka")]
    kafka_session_timeout_s: Option<u64>,

    /// The group gives up a worker that does not poll for this long; it always polls [key: kafka.max_poll_interval_s]
    #[arg(long, env = "OBSCURA_KAFKA_MAX_POLL_INTERVAL_S", value_name = "S", help_heading = "Kafka")]
    kafka_max_poll_interval_s: Option<u64>,

    /// Messages that wait inside the client [key: kafka.fetch_mib]
    #[arg(long, env = "OBSCURA_KAFKA_FETCH_MIB", value_name = "MIB", help_heading = "Kafka")]
    kafka_fetch_mib: Option<u64>,

    /// Largest message that is sent [key: kafka.max_message_kib]
    #[arg(long, env = "OBSCURA_KAFKA_MAX_MESSAGE_KIB", value_name = "KIB", help_heading = "Kafka")]
    kafka_max_message_kib: Option<u64>,

    /// plaintext, tls, sasl_plaintext or sasl_tls [key: kafka.security]
    #[arg(long, env = "OBSCURA_KAFKA_SECURITY", value_name = "HOW", value_parser = word::<Security>, help_heading = "Kafka")]
    kafka_security: Option<Security>,

    /// Certificate authorities of the brokers; the system's if not set [key: kafka.ca_file]
    #[arg(long, env = "OBSCURA_KAFKA_CA_FILE", value_name = "FILE", help_heading = "Kafka")]
    kafka_ca_file: Option<PathBuf>,

    /// Client certificate [key: kafka.cert_file]
    #[arg(long, env = "OBSCURA_KAFKA_CERT_FILE", value_name = "FILE", help_heading = "Kafka")]
    kafka_cert_file: Option<PathBuf>,

    /// Key of the client certificate [key: kafka.key_file]
    #[arg(long, env = "OBSCURA_KAFKA_KEY_FILE", value_name = "FILE", help_heading = "Kafka")]
    kafka_key_file: Option<PathBuf>,

    /// Password of that key [key: kafka.key_password_file]
    #[arg(long, env = "OBSCURA_KAFKA_KEY_PASSWORD_FILE", value_name = "FILE", help_heading = "Kafka")]
    kafka_key_password_file: Option<PathBuf>,

    /// plain, scram-sha-256, scram-sha-512 or oauthbearer [key: kafka.sasl_mechanism]
    #[arg(long, env = "OBSCURA_KAFKA_SASL_MECHANISM", value_name = "NAME", value_parser = word::<Mechanism>, help_heading = "Kafka")]
    kafka_sasl_mechanism: Option<Mechanism>,

    /// Who the worker is to the broker [key: kafka.username]
    #[arg(long, env = "OBSCURA_KAFKA_USERNAME", value_name = "NAME", help_heading = "Kafka")]
    kafka_username: Option<String>,

    /// Its password; or the variable OBSCURA_KAFKA_PASSWORD [key: kafka.password_file]
    #[arg(long, env = "OBSCURA_KAFKA_PASSWORD_FILE", value_name = "FILE", help_heading = "Kafka")]
    kafka_password_file: Option<PathBuf>,

    /// Token of oauthbearer, read again when it must be renewed [key: kafka.token_file]
    #[arg(long, env = "OBSCURA_KAFKA_TOKEN_FILE", value_name = "FILE", help_heading = "Kafka")]
    kafka_token_file: Option<PathBuf>,

    /// Where receipts go: object, topic or both [key: receipts.deliver]
    #[arg(long, env = "OBSCURA_RECEIPTS_DELIVER", value_name = "WHERE", value_parser = word::<Delivery>, help_heading = "Kafka")]
    receipts_deliver: Option<Delivery>,

    /// Hosts of signed URLs that may be fetched [key: url_sources.hosts]
    #[arg(long, env = "OBSCURA_URL_HOSTS", value_name = "LIST", value_delimiter = ',', help_heading = "Region")]
    url_hosts: Option<Vec<String>>,

    /// How often a worker asks whether a project was wiped [key: wipe.recheck_s]
    #[arg(long, env = "OBSCURA_WIPE_RECHECK_S", value_name = "S", help_heading = "Audit")]
    wipe_recheck_s: Option<u64>,

    /// Folder with `{tenant}/{project}.key`, for stores that Obscura encrypts [key: encryption.key_dir]
    #[arg(long, env = "OBSCURA_ENCRYPTION_KEY_DIR", value_name = "DIR", help_heading = "Audit")]
    encryption_key_dir: Option<PathBuf>,

    /// Folder with `{tenant}.key`, by which uploaders and devices become pseudonyms [key: pseudonyms.key_dir]
    #[arg(long, env = "OBSCURA_PSEUDONYMS_KEY_DIR", value_name = "DIR", help_heading = "Audit")]
    pseudonyms_key_dir: Option<PathBuf>,

    /// Turns the audit log on and signs its checkpoints: an Ed25519 private key in PEM [key: audit.key_file]
    #[arg(long, env = "OBSCURA_AUDIT_KEY_FILE", value_name = "FILE", help_heading = "Audit")]
    audit_key_file: Option<PathBuf>,

    /// Store of the audit log; the region's store if not set [key: audit.store]
    #[arg(long, env = "OBSCURA_AUDIT_STORE", value_name = "STORE", help_heading = "Audit")]
    audit_store: Option<String>,

    /// Topic for checkpoints of the audit log [key: audit.topic]
    #[arg(long, env = "OBSCURA_AUDIT_TOPIC", value_name = "TOPIC", help_heading = "Audit")]
    audit_topic: Option<String>,

    /// A segment of the audit log is written at least this often [key: audit.interval_s]
    #[arg(long, env = "OBSCURA_AUDIT_INTERVAL_S", value_name = "S", help_heading = "Audit")]
    audit_interval_s: Option<u64>,

    /// Stores and brokers: no photo is given up before this long has passed [key: retry.patience_s]
    #[arg(long, env = "OBSCURA_RETRY_PATIENCE_S", value_name = "S", help_heading = "Operation")]
    retry_patience_s: Option<u64>,
}

impl StreamArgs {
    pub fn apply(self, raw: &mut RawConfig) {
        raw.region.name.set(self.region);
        raw.region.store.set(self.region_store);
        raw.kafka.brokers.set(self.kafka_brokers);
        raw.kafka.topics.set(self.kafka_topics);
        raw.kafka.group.set(self.kafka_group);
        raw.kafka.assignment.set(self.kafka_assignment);
        raw.kafka.instance_id.set(self.kafka_instance_id);
        raw.kafka.outcome_topic.set(self.kafka_outcome_topic);
        raw.kafka.dead_letter_topic.set(self.kafka_dead_letter_topic);
        raw.kafka.session_timeout_s.set(self.kafka_session_timeout_s);
        raw.kafka.max_poll_interval_s.set(self.kafka_max_poll_interval_s);
        raw.kafka.fetch_mib.set(self.kafka_fetch_mib);
        raw.kafka.max_message_kib.set(self.kafka_max_message_kib);
        raw.kafka.security.set(self.kafka_security);
        raw.kafka.ca_file.set(self.kafka_ca_file);
        raw.kafka.cert_file.set(self.kafka_cert_file);
        raw.kafka.key_file.set(self.kafka_key_file);
        raw.kafka.key_password_file.set(self.kafka_key_password_file);
        raw.kafka.sasl_mechanism.set(self.kafka_sasl_mechanism);
        raw.kafka.username.set(self.kafka_username);
        raw.kafka.password_file.set(self.kafka_password_file);
        raw.kafka.token_file.set(self.kafka_token_file);
        raw.receipts.deliver.set(self.receipts_deliver);
        raw.url_sources.hosts.set(self.url_hosts);
        raw.wipe.recheck_s.set(self.wipe_recheck_s);
        raw.encryption.key_dir.set(self.encryption_key_dir);
        raw.pseudonyms.key_dir.set(self.pseudonyms_key_dir);
        raw.audit.key_file.set(self.audit_key_file);
        raw.audit.store.set(self.audit_store);
        raw.audit.topic.set(self.audit_topic);
        raw.audit.interval_s.set(self.audit_interval_s);
        raw.retry.patience_s.set(self.retry_patience_s);
    }
}
