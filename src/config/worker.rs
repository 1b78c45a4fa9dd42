//! What only a worker that goes on needs to know: `obscura run`.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use super::{Field, RawConfig, check::Checker};
use crate::{
    confine::Confine,
    pipeline::{RetryPolicy, StageLimits},
    telemetry::{LogFormat, LogLevel},
};

/// Checked values of the sections `source`, `state`, `timeouts`, `retry`, `admin`, `log`, and some of `detect`.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkerConfig {
    pub source_dir: Option<PathBuf>,
    pub stable: Duration,
    pub rescan: Duration,
    pub window: usize,
    pub state_dir: Option<PathBuf>,
    pub stage_limits: StageLimits,
    pub drain: Duration,
    pub stall: Duration,
    pub retry: RetryPolicy,
    /// 0 leaves it to the execution provider.
    pub max_batch: usize,
    pub max_queue_delay: Duration,
    pub health_interval: Duration,
    /// None: no admin port.
    pub listen: Option<SocketAddr>,
    /// None: no port of its own for probes.
    pub probe_listen: Option<SocketAddr>,
    pub admin_tls: Option<AdminTls>,
    pub log_level: LogLevel,
    pub log_format: LogFormat,
    pub confine: Confine,
}

/// Files in PEM by which the admin port and its clients know each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminTls {
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// Who signed the certificates of clients.
    pub client_ca: PathBuf,
}

const DAY_S: u64 = 24 * 3600;

impl WorkerConfig {
    pub(super) fn resolve(raw: &RawConfig, defaults: &RawConfig, check: &mut Checker) -> Self {
        let (source, detect, timeouts, retry) = (&raw.source, &raw.detect, &raw.timeouts, &raw.retry);
        let d = defaults;
        let mut seconds = |key: &str, field: &Field<u64>, default: &Field<u64>, low: u64| {
            Duration::from_secs(check.ranged(key, field.clone(), default.clone(), low, DAY_S))
        };
        let stage_limits = StageLimits {
            fetch: seconds("timeouts.fetch_s", &timeouts.fetch_s, &d.timeouts.fetch_s, 1),
            open: seconds("timeouts.open_s", &timeouts.open_s, &d.timeouts.open_s, 1),
            detect: seconds("timeouts.detect_s", &timeouts.detect_s, &d.timeouts.detect_s, 1),
            redact: seconds("timeouts.redact_s", &timeouts.redact_s, &d.timeouts.redact_s, 1),
            publish: seconds("timeouts.publish_s", &timeouts.publish_s, &d.timeouts.publish_s, 1),
        };
        let drain = seconds("timeouts.drain_s", &timeouts.drain_s, &d.timeouts.drain_s, 0);
        let stall = seconds("timeouts.stall_s", &timeouts.stall_s, &d.timeouts.stall_s, 10);
        let rescan = seconds("source.rescan_s", &source.rescan_s, &d.source.rescan_s, 1);
        let health_interval = seconds("detect.health_check_s", &detect.health_check_s, &d.detect.health_check_s, 1);
        let mut milliseconds = |key: &str, field: &Field<u64>, default: &Field<u64>, low: u64| {
            Duration::from_millis(check.ranged(key, field.clone(), default.clone(), low, 3_600_000))
        };
        let stable = milliseconds("source.stable_ms", &source.stable_ms, &d.source.stable_ms, 0);
        let first_pause = milliseconds("retry.first_pause_ms", &retry.first_pause_ms, &d.retry.first_pause_ms, 1);
        let longest_pause =
            milliseconds("retry.longest_pause_ms", &retry.longest_pause_ms, &d.retry.longest_pause_ms, 1);
        let max_queue_delay =
            milliseconds("detect.max_queue_delay_ms", &detect.max_queue_delay_ms, &d.detect.max_queue_delay_ms, 0);
        let attempts = check.ranged("retry.attempts", retry.attempts.clone(), d.retry.attempts.clone(), 1, 100);
        Self {
            source_dir: check.optional("source.dir", source.dir.clone()),
            stable,
            rescan,
            window: check.ranged("source.window", source.window.clone(), d.source.window.clone(), 1, 100_000),
            state_dir: check.optional("state.dir", raw.state.dir.clone()),
            stage_limits,
            drain,
            stall,
            retry: RetryPolicy {
                attempts,
                first_pause,
                longest_pause: longest_pause.max(first_pause),
                patience: Duration::ZERO,
            },
            max_batch: check.ranged("detect.max_batch", detect.max_batch.clone(), d.detect.max_batch.clone(), 0, 256),
            max_queue_delay,
            health_interval,
            listen: listen_address(check, "admin.listen", &raw.admin.listen, &d.admin.listen),
            probe_listen: listen_address(check, "admin.probe_listen", &raw.admin.probe_listen, &d.admin.probe_listen),
            admin_tls: admin_tls(check, raw),
            log_level: check.value("log.level", raw.log.level.clone(), d.log.level.clone()),
            log_format: check.value("log.format", raw.log.format.clone(), d.log.format.clone()),
            confine: check.value("process.confine", raw.process.confine.clone(), d.process.confine.clone()),
        }
    }
}

/// An address, or none for the empty text.
fn listen_address(
    check: &mut Checker,
    key: &str,
    field: &Field<String>,
    default: &Field<String>,
) -> Option<SocketAddr> {
    let text = check.value(key, field.clone(), default.clone());
    if text.is_empty() {
        return None;
    }
    let address = text.parse().ok();
    if address.is_none() {
        check.problem(
            format!("`{key}`: expected an address and a port, found `{text}`"),
            "write `127.0.0.1:9464`, `0.0.0.0:9464` or `[::]:9464`; an empty text opens no port",
        );
    }
    address
}

/// All three files, or none: a port that knows nobody, or that anybody may use, was not meant.
fn admin_tls(check: &mut Checker, raw: &RawConfig) -> Option<AdminTls> {
    let admin = &raw.admin;
    let certificate = check.optional("admin.certificate_file", admin.certificate_file.clone());
    let key = check.optional("admin.key_file", admin.key_file.clone());
    let client_ca = check.optional("admin.client_ca_file", admin.client_ca_file.clone());
    match (certificate, key, client_ca) {
        (Some(certificate), Some(key), Some(client_ca)) => Some(AdminTls { certificate, key, client_ca }),
        (None, None, None) => None,
        _ => {
            check.problem(
                "expected `admin.certificate_file`, `admin.key_file` and `admin.client_ca_file` together, found some of them",
                "name all three for TLS with certificates on both sides, or none",
            );
            None
        }
    }
}
