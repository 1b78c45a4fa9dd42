//! How objects of a store are encrypted.

use super::{RouteConfig, StoreConfig, StoreUrl, route::Originals, table::TableReader};
use crate::config::{check::Checker, raw::RawStore};

/// How what is published in a store is encrypted there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Encryption {
    /// As the store likes.
    #[default]
    Store,
    /// By Obscura, before it leaves the worker.
    Envelope,
    /// S3: with this key of AWS KMS, asked for with every object.
    SseKms { key: String },
    /// By the key that bucket or container have as their default, which must be this one.
    DefaultKey { key: String },
}

/// The same, as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EncryptionKind {
    #[default]
    Store,
    Envelope,
    SseKms,
    DefaultKey,
}

impl Encryption {
    pub(super) fn resolve(raw: &RawStore, url: Option<&StoreUrl>, reader: &mut TableReader) -> Self {
        let kind = reader.value("encryption", &raw.encryption);
        let key = reader.optional("kms_key", &raw.kms_key).filter(|key| !key.is_empty());
        let needs_key = matches!(kind, EncryptionKind::SseKms | EncryptionKind::DefaultKey);
        if needs_key && key.is_none() {
            reader.problem(
                "kms_key",
                "expected a key, found none",
                "name the key that must encrypt the store's objects",
            );
        }
        if !needs_key && key.is_some() {
            reader.problem(
                "kms_key",
                "found a key, but nothing that uses it",
                "set `encryption = \"sse_kms\"` or `\"default_key\"`",
            );
        }
        match (kind, url) {
            (EncryptionKind::SseKms, Some(url)) if !matches!(url, StoreUrl::S3 { .. }) => {
                reader.problem("encryption", "found `sse_kms`, which only S3 knows", "use `default_key`");
            }
            (EncryptionKind::Envelope | EncryptionKind::DefaultKey, Some(StoreUrl::File { .. })) => {
                let hint = "encrypt the volume; a folder keeps no metadata by which a sealed photo would be recognised";
                reader.problem("encryption", "found a kind that folders do not know", hint);
            }
            _ => {}
        }
        let key = key.unwrap_or_default();
        match kind {
            EncryptionKind::Store => Self::Store,
            EncryptionKind::Envelope => Self::Envelope,
            EncryptionKind::SseKms => Self::SseKms { key },
            EncryptionKind::DefaultKey => Self::DefaultKey { key },
        }
    }
}

/// Who seals needs keys.
pub(super) fn check_keys(has_keys: bool, stores: &[StoreConfig], routes: &[RouteConfig], check: &mut Checker) {
    let seals = |name: &str| stores.iter().any(|store| store.name == name && store.encryption == Encryption::Envelope);
    let any = routes.iter().any(|route| {
        let vault = match &route.originals {
            Originals::Move { vault, .. } => seals(vault),
            Originals::Keep | Originals::Delete => false,
        };
        vault || seals(&route.destination)
    });
    if any && !has_keys {
        check.problem(
            "`encryption.key_dir`: expected a folder, found none",
            "a route publishes in a store with `encryption = \"envelope\"`, which needs the keys of its projects",
        );
    }
}
