//! The effective values as a config file.

use std::{fmt::Write as _, net::SocketAddr, path::PathBuf, time::Duration};

use serde::Serialize;

use super::{
    AdminTls, Config, MIB, StreamConfig,
    detectors::polygons_as_toml,
    stream::{Mechanism, SaslConfig, SaslMechanism, Secret},
};

impl Config {
    /// The effective values as a config file.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        let mut late_tables = String::new();
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| quoted(&path.display().to_string()));
        let number = |value: &Option<f32>| value.map(|value| value.to_string());
        let providers: Vec<String> = self.execution_providers.iter().map(word).collect();
        let seconds = |duration: Duration| Some(duration.as_secs().to_string());
        let milliseconds = |duration: Duration| Some(duration.as_millis().to_string());
        let worker = &self.worker;
        let (face, plate) = (&self.redaction.face, &self.redaction.plate);
        let mut section = |name: &str, keys: &[(&str, Option<String>)]| {
            let _ = writeln!(text, "{}[{name}]", if text.is_empty() { "" } else { "\n" });
            for (key, value) in keys {
                let _ = match value {
                    Some(value) => writeln!(text, "{key} = {value}"),
                    None => writeln!(text, "# {key} is not set"),
                };
            }
        };
        section(
            "output",
            &[
                ("dir", path(&self.output_dir)),
                ("receipts", Some(self.receipts.to_string())),
                ("json", Some(self.json.to_string())),
            ],
        );
        section(
            "receipts",
            &[("deliver", Some(word(&self.receipt_delivery))), ("key_file", path(&self.receipt_key_file))],
        );
        section(
            "limits",
            &[
                ("max_encoded_mib", Some((self.limits.max_encoded_bytes / MIB).to_string())),
                ("max_megapixels", Some((self.limits.max_pixels / 1_000_000).to_string())),
                ("max_side_px", Some(self.limits.max_side_px.to_string())),
            ],
        );
        section(
            "budget",
            &[
                ("decoded_mib", Some((self.decoded_bytes / MIB).to_string())),
                ("encoded_mib", Some((self.encoded_bytes.unwrap_or(0) / MIB).to_string())),
                ("threads", Some(self.threads.to_string())),
            ],
        );
        section(
            "models",
            &[
                ("dir", path(&self.models_dir)),
                ("onnxruntime_library", path(&self.onnxruntime_library)),
                ("face", self.face_model.as_deref().map(quoted)),
                ("plate", self.plate_model.as_deref().map(quoted)),
            ],
        );
        section(
            "detect",
            &[
                ("min_face_px", Some(self.min_face_px.to_string())),
                ("min_plate_px", Some(self.min_plate_px.to_string())),
                ("face_min_score", number(&self.face_min_score)),
                ("plate_min_score", number(&self.plate_min_score)),
                ("exhaustive", Some(self.exhaustive.to_string())),
                ("max_view_megapixels", Some(self.max_view_megapixels.unwrap_or(0).to_string())),
                ("min_text_px", Some(self.min_text_px.to_string())),
                ("text_min_score", number(&self.text_min_score)),
                ("ignore_areas", Some(polygons_as_toml(&self.wanted.areas.ignore))),
                ("allow_areas", Some(polygons_as_toml(&self.wanted.areas.allow))),
                ("execution_providers", Some(format!("[{}]", providers.join(", ")))),
                ("max_batch", Some(worker.max_batch.to_string())),
                ("max_queue_delay_ms", milliseconds(worker.max_queue_delay)),
                ("health_check_s", seconds(worker.health_interval)),
            ],
        );
        section(
            "redact",
            &[
                ("face_style", Some(word(&face.style))),
                ("face_cells", Some(face.cells.to_string())),
                ("face_enlarge", Some(face.enlarge_x.to_string())),
                ("plate_style", Some(word(&plate.style))),
                ("plate_cells", Some(plate.cells.to_string())),
                ("plate_enlarge_x", Some(plate.enlarge_x.to_string())),
                ("plate_enlarge_y", Some(plate.enlarge_y.to_string())),
                ("text_style", Some(word(&self.redaction.text.style))),
                ("text_cells", Some(self.redaction.text.cells.to_string())),
                ("text_enlarge", Some(self.redaction.text.enlarge_x.to_string())),
            ],
        );
        let shadow = self.shadow.as_ref();
        section(
            "shadow",
            &[
                ("sample", Some(shadow.map_or(0.0, |shadow| shadow.sample).to_string())),
                ("model", shadow.map(|shadow| quoted(&shadow.model))),
                ("redact_again", Some(shadow.is_some_and(|shadow| shadow.redact_again).to_string())),
            ],
        );
        section(
            "quarantine",
            &[("dir", path(&self.quarantine_dir)), ("keep_original", Some(self.keep_original.to_string()))],
        );
        section(
            "source",
            &[
                ("dir", path(&worker.source_dir)),
                ("stable_ms", milliseconds(worker.stable)),
                ("rescan_s", seconds(worker.rescan)),
                ("window", Some(worker.window.to_string())),
            ],
        );
        section("state", &[("dir", path(&worker.state_dir))]);
        let limits = &worker.stage_limits;
        section(
            "timeouts",
            &[
                ("fetch_s", seconds(limits.fetch)),
                ("open_s", seconds(limits.open)),
                ("detect_s", seconds(limits.detect)),
                ("redact_s", seconds(limits.redact)),
                ("publish_s", seconds(limits.publish)),
                ("drain_s", seconds(worker.drain)),
                ("stall_s", seconds(worker.stall)),
            ],
        );
        section(
            "retry",
            &[
                ("attempts", Some(worker.retry.attempts.to_string())),
                ("first_pause_ms", milliseconds(worker.retry.first_pause)),
                ("longest_pause_ms", milliseconds(worker.retry.longest_pause)),
                ("patience_s", self.stream.as_ref().and_then(|stream| seconds(stream.patience))),
            ],
        );
        let address =
            |address: Option<SocketAddr>| Some(quoted(&address.map_or_else(String::new, |it| it.to_string())));
        let tls = |file: fn(&AdminTls) -> &PathBuf| path(&worker.admin_tls.as_ref().map(file).cloned());
        section(
            "admin",
            &[
                ("listen", address(worker.listen)),
                ("probe_listen", address(worker.probe_listen)),
                ("certificate_file", tls(|tls| &tls.certificate)),
                ("key_file", tls(|tls| &tls.key)),
                ("client_ca_file", tls(|tls| &tls.client_ca)),
            ],
        );
        section("process", &[("confine", Some(word(&worker.confine)))]);
        section("log", &[("level", Some(word(&worker.log_level))), ("format", Some(word(&worker.log_format)))]);
        if !self.user_model_tables.is_empty() {
            let tables = self.user_model_tables.iter().cloned().map(toml::Value::Table).collect();
            let list = toml::Table::from_iter([("user_models".to_owned(), toml::Value::Array(tables))]);
            late_tables = format!("\n{}", toml::to_string(&list).unwrap_or_default());
        }
        if let Some(stream) = &self.stream {
            print_stream(stream, &mut section);
            let _ = write!(text, "\n{}", stream.tables_as_toml());
        }
        text + &late_tables
    }
}

fn print_stream(stream: &StreamConfig, section: &mut impl FnMut(&str, &[(&str, Option<String>)])) {
    let path = |path: &Option<PathBuf>| path.as_ref().map(|path| quoted(&path.display().to_string()));
    let list = |names: &[String]| Some(toml::Value::from(names.to_vec()).to_string());
    let (kafka, tls) = (&stream.kafka, stream.kafka.tls.clone().unwrap_or_default());
    let forward: toml::Table = stream.forward_topics.iter().map(|(k, v)| (k.clone(), v.clone().into())).collect();
    section(
        "region",
        &[
            ("name", Some(quoted(&stream.region))),
            ("store", Some(quoted(&stream.region_store))),
            ("forward", Some(toml::Value::Table(forward).to_string())),
        ],
    );
    let (mechanism, username, password_file, token_file) = sasl_keys(kafka.sasl.as_ref());
    section(
        "kafka",
        &[
            ("brokers", Some(quoted(&kafka.brokers))),
            ("topics", list(&kafka.topics)),
            ("group", Some(quoted(&kafka.group))),
            ("assignment", Some(word(&kafka.assignment))),
            ("instance_id", kafka.instance_id.as_deref().map(quoted)),
            ("outcome_topic", kafka.outcome_topic.as_deref().map(quoted)),
            ("dead_letter_topic", Some(quoted(&kafka.dead_letter_topic))),
            ("session_timeout_s", Some(kafka.session_timeout.as_secs().to_string())),
            ("max_poll_interval_s", Some(kafka.max_poll_interval.as_secs().to_string())),
            ("fetch_mib", Some((kafka.fetch_bytes >> 20).to_string())),
            ("max_message_kib", Some((kafka.max_message_bytes >> 10).to_string())),
            ("security", Some(word(&kafka.security()))),
            ("ca_file", path(&tls.ca_file)),
            ("cert_file", path(&tls.cert_file)),
            ("key_file", path(&tls.key_file)),
            ("key_password_file", tls.key_password.as_ref().and_then(secret_file)),
            ("sasl_mechanism", mechanism.as_ref().map(word)),
            ("username", username.as_deref().map(quoted)),
            ("password_file", password_file),
            ("token_file", token_file),
        ],
    );
    section("url_sources", &[("hosts", list(&stream.url_hosts))]);
    section("wipe", &[("recheck_s", Some(stream.wipe_recheck.as_secs().to_string()))]);
    section("encryption", &[("key_dir", path(&stream.project_keys))]);
    section("pseudonyms", &[("key_dir", path(&stream.pseudonym_keys))]);
    if let Some(audit) = &stream.audit {
        section(
            "audit",
            &[
                ("key_file", path(&Some(audit.key_file.clone()))),
                ("store", Some(quoted(&audit.store))),
                ("topic", audit.topic.as_deref().map(quoted)),
                ("interval_s", Some(audit.interval.as_secs().to_string())),
            ],
        );
    }
}

type SaslKeys = (Option<Mechanism>, Option<String>, Option<String>, Option<String>);

fn sasl_keys(sasl: Option<&SaslConfig>) -> SaslKeys {
    match sasl {
        None => (None, None, None, None),
        Some(SaslConfig::TokenFile(file)) => {
            (Some(Mechanism::OAuthBearer), None, None, Some(quoted(&file.display().to_string())))
        }
        Some(SaslConfig::Password { mechanism, username, password }) => {
            let mechanism = match mechanism {
                SaslMechanism::Plain => Mechanism::Plain,
                SaslMechanism::ScramSha256 => Mechanism::ScramSha256,
                SaslMechanism::ScramSha512 => Mechanism::ScramSha512,
            };
            (Some(mechanism), Some(username.clone()), secret_file(password), None)
        }
    }
}

/// A secret of the environment has no place in a file.
fn secret_file(secret: &Secret) -> Option<String> {
    match secret {
        Secret::File(path) => Some(quoted(&path.display().to_string())),
        Secret::Value(_) => None,
    }
}

/// A value of an enum as it is written in a config file.
fn word(value: &impl Serialize) -> String {
    toml::Value::try_from(value).map_or_else(|_| String::new(), |value| value.to_string())
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
