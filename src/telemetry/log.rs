//! Logs on standard error, one JSON object a line or plain text.

use std::io;

use serde::{Deserialize, Serialize};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{Layer, filter::Targets, fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// How much is logged. File names appear at `debug` only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    #[default]
    Json,
    Text,
}

impl From<LogLevel> for LevelFilter {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Error => Self::ERROR,
            LogLevel::Warn => Self::WARN,
            LogLevel::Info => Self::INFO,
            LogLevel::Debug => Self::DEBUG,
        }
    }
}

/// Log from now on. Of the libraries only warnings are shown; of ONNX Runtime only errors, since it warns of every weight
/// that it tidies away.
pub fn start_logs(level: LogLevel, format: LogFormat) {
    let targets = Targets::new()
        .with_default(LevelFilter::WARN.min(level.into()))
        .with_target("ort", LevelFilter::ERROR)
        .with_target("obscura", level);
    let layer = match format {
        LogFormat::Json => {
            fmt::layer().json().flatten_event(true).with_current_span(false).with_writer(io::stderr).boxed()
        }
        LogFormat::Text => fmt::layer().with_ansi(false).with_writer(io::stderr).boxed(),
    };
    // A second call, in a process that logs already, changes nothing.
    let _ = tracing_subscriber::registry().with(layer.with_filter(targets)).try_init();
}
