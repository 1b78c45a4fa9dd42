//! What the commands on a region's stores share.

use obscura::{
    config::{Config, StreamConfig},
    error::FatalError,
    store::remote::StoreSet,
    trust::{SigningKey, audit::CommandLog},
};

/// # Errors
/// If the configuration names no stores and routes.
pub(super) fn stream_of(config: &Config) -> Result<&StreamConfig, FatalError> {
    config
        .stream
        .as_ref()
        .ok_or_else(|| FatalError::new("expected stores and routes, found none", "name the worker's `--config`"))
}

/// The audit log of a command, where the configuration has one.
///
/// # Errors
/// If its key or its store cannot be used.
pub(super) fn command_log(
    stream: &StreamConfig,
    stores: &StoreSet,
    command: &str,
) -> Result<Option<CommandLog>, FatalError> {
    let Some(audit) = &stream.audit else { return Ok(None) };
    let key = SigningKey::read(&audit.key_file);
    let key = key.map_err(|error| FatalError::new(error.to_string(), error.hint()))?;
    let store = stores.get(&audit.store).map_err(|error| FatalError::new(error.detail, "see `audit.store`"))?;
    CommandLog::begin(store.clone(), key, command).map(Some)
}
