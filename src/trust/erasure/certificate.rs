//! What is said about a wipe or a retention run: counts, bytes, and a hash of everything that was removed.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::gather::Found;
use crate::redact::sha256_hex;

/// What a certificate is.
pub const CERTIFICATE_KIND: &str = "obscura.wipe";

/// How much of each kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    pub photos: u64,
    pub receipts: u64,
    pub originals: u64,
    pub dead_letters: u64,
    /// Wrapped keys of sealed objects.
    pub envelopes: u64,
    pub other: u64,
    /// Of all these.
    pub old_versions: u64,
    pub delete_markers: u64,
    pub bytes: u64,
}

/// How much was left because of a legal hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Kept {
    pub held: u64,
}

impl Counts {
    pub(super) fn of<'a>(found: impl IntoIterator<Item = &'a Found>) -> Self {
        let mut counts = Self::default();
        for Found { version, .. } in found {
            counts.bytes += version.bytes;
            if version.is_delete_marker {
                counts.delete_markers += 1;
                continue;
            }
            counts.old_versions += u64::from(!version.is_latest);
            let key = version.key.as_str();
            let kind = if key.ends_with(".receipt.json") {
                &mut counts.receipts
            } else if key.ends_with(super::super::ENVELOPE_SUFFIX) {
                &mut counts.envelopes
            } else if key.contains("/dead-letters/") {
                &mut counts.dead_letters
            } else if key.contains("/originals/") {
                &mut counts.originals
            } else if key.rsplit_once('.').is_some_and(|(_, end)| end == "json") {
                &mut counts.other
            } else {
                &mut counts.photos
            };
            *kind += 1;
        }
        counts
    }
}

pub(super) fn by_store(found: &BTreeSet<Found>) -> BTreeMap<&str, Counts> {
    let stores: BTreeSet<&str> = found.iter().map(|found| found.store.as_str()).collect();
    stores.into_iter().map(|store| (store, Counts::of(found.iter().filter(|found| found.store == store)))).collect()
}

/// SHA-256 of `{store}\0{key}\0{version}\n` of everything, sorted; the version is empty where there is none.
pub(super) fn hash_of(found: &BTreeSet<Found>) -> String {
    let mut lines: Vec<String> = found
        .iter()
        .map(|Found { store, version }| {
            format!("{store}\0{}\0{}\n", version.key, version.version.as_deref().unwrap_or_default())
        })
        .collect();
    lines.sort_unstable();
    sha256_hex(lines.concat().as_bytes())
}
