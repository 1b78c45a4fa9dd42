//! Telling Obscura's own objects from uploads, so that a bucket that is both source and destination makes no loop.

use super::{
    key::is_safe_name,
    output_name::{
        DEAD_LETTERS, LETTER_DIGITS, ORIGINALS, PROBES, RECEIPT_DIGITS, RECEIPT_SUFFIX, UNROUTED, is_hex, output_parts,
    },
};
use crate::{
    config::stream::{Originals, StoreConfig, StreamConfig},
    trust::ENVELOPE_SUFFIX,
};

/// The buckets that are written to, and under which prefixes.
#[derive(Debug)]
pub(super) struct OwnOutputs {
    places: Vec<(StoreConfig, String)>,
}

impl OwnOutputs {
    pub(super) fn new(config: &StreamConfig) -> Self {
        let mut places = Vec::new();
        let mut add = |name: &str, prefix: &str| {
            places.extend(
                config.stores.iter().filter(|store| store.name == name).map(|store| (store.clone(), prefix.to_owned())),
            );
        };
        add(&config.region_store, "");
        for route in &config.routes {
            // Without a prefix lies what belongs to no route: probes, and dead letters of the unrouted.
            add(&route.destination, "");
            add(&route.destination, &route.prefix);
            if let Originals::Move { vault, prefix } = &route.originals {
                add(vault, "");
                add(vault, prefix);
            }
        }
        Self { places }
    }

    /// Whether an object of this store has one of the names that Obscura writes there.
    pub(super) fn contain(&self, store: &StoreConfig, key: &str) -> bool {
        self.places.iter().any(|(own, prefix)| {
            let rest = if prefix.is_empty() {
                Some(key)
            } else {
                key.strip_prefix(prefix.as_str()).and_then(|rest| rest.strip_prefix('/'))
            };
            same_place(own, store) && rest.is_some_and(is_own_name)
        })
    }
}

/// One bucket may be configured twice, with different credentials.
pub(super) fn same_place(a: &StoreConfig, b: &StoreConfig) -> bool {
    a.url == b.url && a.endpoint == b.endpoint
}

/// Whether Obscura gives such names to what it writes, behind a route's prefix.
#[must_use]
pub fn is_own_name(rest: &str) -> bool {
    let parts: Vec<&str> = rest.split('/').collect();
    let owned = |tenant, project| is_safe_name(tenant) && is_safe_name(project);
    match parts[..] {
        [PROBES, _, ..] => true,
        [UNROUTED, DEAD_LETTERS, letter] => is_dead_letter(letter),
        [tenant, project, DEAD_LETTERS, letter] => owned(tenant, project) && is_dead_letter(letter),
        [tenant, project, ORIGINALS, file] => owned(tenant, project) && is_output(unsealed(file)),
        [tenant, project, file] => owned(tenant, project) && (is_output(unsealed(file)) || is_receipt(file)),
        _ => false,
    }
}

/// An envelope lies beside what it is of.
fn unsealed(file: &str) -> &str {
    file.strip_suffix(ENVELOPE_SUFFIX).unwrap_or(file)
}

fn is_output(file: &str) -> bool {
    output_parts(file).is_some()
}

fn is_receipt(file: &str) -> bool {
    let name = file.strip_suffix(RECEIPT_SUFFIX).and_then(|name| name.rsplit_once('.'));
    name.is_some_and(|(output, digits)| is_output(output) && is_hex(digits, RECEIPT_DIGITS))
}

fn is_dead_letter(file: &str) -> bool {
    file.strip_suffix(".json").is_some_and(|id| is_hex(id, LETTER_DIGITS))
}
