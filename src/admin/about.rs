//! What a worker is, as the status page tells it: what was configured, and nothing of whose photos it works on.

use crate::{config::Config, pipeline::Engine};

/// Told once; it does not change while the worker runs.
#[derive(Clone, Debug)]
pub struct About {
    pub version: &'static str,
    /// Of photos; a worker on a folder has none.
    pub region: Option<String>,
    /// Kafka's consumer group; a worker on a folder has none.
    pub group: Option<String>,
    pub providers: Vec<String>,
    /// Names, and the start of their sha256.
    pub models: Vec<(String, String)>,
    pub threads: usize,
    pub encoded_budget_bytes: u64,
    pub decoded_budget_bytes: u64,
}

impl About {
    #[must_use]
    pub fn new(config: &Config, engine: &Engine) -> Self {
        let stream = config.stream.as_ref();
        let short = |(name, mut sha256): (String, String)| {
            sha256.truncate(12);
            (name, sha256)
        };
        Self {
            version: crate::VERSION,
            region: stream.map(|stream| stream.region.clone()),
            group: stream.map(|stream| stream.kafka.group.clone()),
            providers: config
                .execution_providers
                .iter()
                .map(|provider| format!("{provider:?}").to_lowercase())
                .collect(),
            models: engine.model_hashes().into_iter().map(short).collect(),
            threads: config.worker_count(),
            encoded_budget_bytes: config.encoded_budget_bytes(),
            decoded_budget_bytes: config.decoded_bytes,
        }
    }
}
