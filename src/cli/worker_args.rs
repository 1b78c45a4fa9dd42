//! The flags that stand for the keys of a worker. As in `config_args`, each is also an environment variable.

use std::path::PathBuf;

use clap::Args;
use obscura::{
    config::RawConfig,
    confine::Confine,
    telemetry::{LogFormat, LogLevel},
};

use super::stream_args::{StreamArgs, word};

#[derive(Clone, Debug, Default, Args)]
pub struct WorkerArgs {
    /// Folder to follow [key: source.dir]
    #[arg(long, env = "OBSCURA_SOURCE", value_name = "DIR", help_heading = "Source")]
    source: Option<PathBuf>,

    /// A file is taken when it was closed and has not changed for this long [key: source.stable_ms]
    #[arg(long, env = "OBSCURA_STABLE_MS", value_name = "MS", help_heading = "Source")]
    stable_ms: Option<u64>,

    /// Look through the whole folder this often [key: source.rescan_s]
    #[arg(long, env = "OBSCURA_RESCAN_S", value_name = "S", help_heading = "Source")]
    rescan_s: Option<u64>,

    /// Photos taken in ahead of the oldest one that is not done [key: source.window]
    #[arg(long, env = "OBSCURA_WINDOW", value_name = "N", help_heading = "Source")]
    window: Option<usize>,

    /// Folder in which is remembered what is done [key: state.dir] [default: <out>.state]
    #[arg(long, env = "OBSCURA_STATE_DIR", value_name = "DIR", help_heading = "Source")]
    state_dir: Option<PathBuf>,

    /// Address of the admin port; an empty one opens none [key: admin.listen]
    #[arg(long, env = "OBSCURA_LISTEN", value_name = "ADDRESS", help_heading = "Operation")]
    listen: Option<String>,

    /// Address of a plain port for probes alone; an empty one opens none [key: admin.probe_listen]
    #[arg(long, env = "OBSCURA_PROBE_LISTEN", value_name = "ADDRESS", help_heading = "Operation")]
    probe_listen: Option<String>,

    /// Certificate of the admin port [key: admin.certificate_file]
    #[arg(long, env = "OBSCURA_ADMIN_CERTIFICATE_FILE", value_name = "FILE", help_heading = "Operation")]
    admin_certificate_file: Option<PathBuf>,

    /// Its private key [key: admin.key_file]
    #[arg(long, env = "OBSCURA_ADMIN_KEY_FILE", value_name = "FILE", help_heading = "Operation")]
    admin_key_file: Option<PathBuf>,

    /// Who signed the certificates of the admin port's clients [key: admin.client_ca_file]
    #[arg(long, env = "OBSCURA_ADMIN_CLIENT_CA_FILE", value_name = "FILE", help_heading = "Operation")]
    admin_client_ca_file: Option<PathBuf>,

    /// How much is logged; file names appear at debug only [key: log.level]
    #[arg(long, env = "OBSCURA_LOG_LEVEL", value_name = "LEVEL", help_heading = "Operation")]
    log_level: Option<LogLevel>,

    /// How logs are written [key: log.format]
    #[arg(long, env = "OBSCURA_LOG_FORMAT", value_name = "FORMAT", help_heading = "Operation")]
    log_format: Option<LogFormat>,

    /// What the process gives up at the start: auto, require or off [key: process.confine]
    #[arg(long, env = "OBSCURA_CONFINE", value_name = "HOW", value_parser = word::<Confine>, help_heading = "Operation")]
    confine: Option<Confine>,

    /// How long photos in work may take to end after a signal [key: timeouts.drain_s]
    #[arg(long, env = "OBSCURA_DRAIN_S", value_name = "S", help_heading = "Operation")]
    drain_s: Option<u64>,

    /// /livez fails if nothing ends for this long while work is in flight [key: timeouts.stall_s]
    #[arg(long, env = "OBSCURA_STALL_S", value_name = "S", help_heading = "Operation")]
    stall_s: Option<u64>,

    /// Longest time to read a file [key: timeouts.fetch_s]
    #[arg(long, env = "OBSCURA_FETCH_S", value_name = "S", help_heading = "Operation")]
    fetch_s: Option<u64>,

    /// Longest time to decode a photo [key: timeouts.open_s]
    #[arg(long, env = "OBSCURA_OPEN_S", value_name = "S", help_heading = "Operation")]
    open_s: Option<u64>,

    /// Longest time to find faces and plates in a photo [key: timeouts.detect_s]
    #[arg(long, env = "OBSCURA_DETECT_S", value_name = "S", help_heading = "Operation")]
    detect_s: Option<u64>,

    /// Longest time to redact, encode and verify a photo [key: timeouts.redact_s]
    #[arg(long, env = "OBSCURA_REDACT_S", value_name = "S", help_heading = "Operation")]
    redact_s: Option<u64>,

    /// Longest time to write a photo [key: timeouts.publish_s]
    #[arg(long, env = "OBSCURA_PUBLISH_S", value_name = "S", help_heading = "Operation")]
    publish_s: Option<u64>,

    /// Attempts of what may pass [key: retry.attempts]
    #[arg(long, env = "OBSCURA_RETRY_ATTEMPTS", value_name = "N", help_heading = "Operation")]
    retry_attempts: Option<usize>,

    /// Pause after the first attempt; it doubles [key: retry.first_pause_ms]
    #[arg(long, env = "OBSCURA_RETRY_FIRST_PAUSE_MS", value_name = "MS", help_heading = "Operation")]
    retry_first_pause_ms: Option<u64>,

    /// Longest pause between attempts [key: retry.longest_pause_ms]
    #[arg(long, env = "OBSCURA_RETRY_LONGEST_PAUSE_MS", value_name = "MS", help_heading = "Operation")]
    retry_longest_pause_ms: Option<u64>,

    #[command(flatten)]
    stream: StreamArgs,
}

impl WorkerArgs {
    pub fn apply(self, raw: &mut RawConfig) {
        self.stream.apply(raw);
        raw.source.dir.set(self.source);
        raw.source.stable_ms.set(self.stable_ms);
        raw.source.rescan_s.set(self.rescan_s);
        raw.source.window.set(self.window);
        raw.state.dir.set(self.state_dir);
        raw.admin.listen.set(self.listen);
        raw.admin.probe_listen.set(self.probe_listen);
        raw.admin.certificate_file.set(self.admin_certificate_file);
        raw.admin.key_file.set(self.admin_key_file);
        raw.admin.client_ca_file.set(self.admin_client_ca_file);
        raw.log.level.set(self.log_level);
        raw.log.format.set(self.log_format);
        raw.process.confine.set(self.confine);
        raw.timeouts.drain_s.set(self.drain_s);
        raw.timeouts.stall_s.set(self.stall_s);
        raw.timeouts.fetch_s.set(self.fetch_s);
        raw.timeouts.open_s.set(self.open_s);
        raw.timeouts.detect_s.set(self.detect_s);
        raw.timeouts.redact_s.set(self.redact_s);
        raw.timeouts.publish_s.set(self.publish_s);
        raw.retry.attempts.set(self.retry_attempts);
        raw.retry.first_pause_ms.set(self.retry_first_pause_ms);
        raw.retry.longest_pause_ms.set(self.retry_longest_pause_ms);
    }
}
