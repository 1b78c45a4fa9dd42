//! Where the audit log goes.

use std::{path::PathBuf, time::Duration};

use super::StoreConfig;
use crate::config::{check::Checker, raw::RawAudit};

#[derive(Clone, Debug, PartialEq)]
pub struct AuditConfig {
    pub key_file: PathBuf,
    /// Name of a store of the worker's region.
    pub store: String,
    /// Where checkpoints go too.
    pub topic: Option<String>,
    /// A segment is written at least this often.
    pub interval: Duration,
}

impl AuditConfig {
    /// None without a key.
    pub(super) fn resolve(
        raw: &RawAudit,
        defaults: &RawAudit,
        region: &str,
        region_store: &str,
        stores: &[StoreConfig],
        check: &mut Checker,
    ) -> Option<Self> {
        let interval_s =
            check.ranged("audit.interval_s", raw.interval_s.clone(), defaults.interval_s.clone(), 1, 86_400);
        let named = check.optional("audit.store", raw.store.clone());
        let topic = check.optional("audit.topic", raw.topic.clone());
        let Some(key_file) = check.optional("audit.key_file", raw.key_file.clone()) else {
            if named.is_some() || topic.is_some() {
                check.problem(
                    "`audit.key_file`: expected a file, found none",
                    "the audit log needs a key that signs its checkpoints; `obscura receipt keygen` makes one",
                );
            }
            return None;
        };
        let store = named.unwrap_or_else(|| region_store.to_owned());
        if !stores.iter().any(|other| other.name == store && other.region == region) {
            let message = format!("`audit.store`: expected a store of the region `{region}`, found `{store}`");
            check.problem(message, "records of photos stay in their region, too");
        }
        Some(Self { key_file, store, topic, interval: Duration::from_secs(interval_s) })
    }
}
