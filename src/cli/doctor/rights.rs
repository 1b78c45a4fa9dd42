//! Rights that a worker has and does not need, and keys that others can read.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use obscura::{
    config::{
        Config, Delivery, StreamConfig,
        stream::{Originals, StoreConfig},
    },
    store::remote::StoreSet,
};

use super::Finding;

/// Whether a route has originals of this store removed.
fn removes_originals(stream: &StreamConfig, store: &StoreConfig) -> bool {
    stream.routes.iter().any(|route| {
        let is_source = route.matches.store.as_deref().is_none_or(|name| name == store.name);
        is_source && route.originals != Originals::Keep
    })
}

/// One finding for each store of which a worker may remove more than it has to.
pub(super) async fn stores(config: &Config, stream: &StreamConfig, set: &StoreSet) -> Vec<Finding> {
    const CHECK: &str = "rights";
    let mut findings = Vec::new();
    for store in stream.stores.iter().filter(|store| store.region == stream.region) {
        let needs = removes_originals(stream, store) || config.receipt_delivery == Delivery::Topic;
        let Ok(opened) = set.get(&store.name) else { continue };
        findings.push(match (needs, opened.may_remove("").await) {
            (true, _) => Finding::ok(CHECK, format!("routes remove from `{}`", store.name)),
            (false, Some(false)) => Finding::ok(CHECK, format!("nothing may be removed from `{}`", store.name)),
            (false, Some(true)) => Finding::warning(
                CHECK,
                format!("this worker may remove objects from `{}`, and no route asks for it", store.name),
                "allow removal under `_obscura/` alone; a worker that is taken over could remove photos",
            ),
            (false, None) => continue,
        });
    }
    findings
}

/// Private keys and secrets that other users of the machine can read.
pub(super) fn keys(config: &Config) -> Vec<Finding> {
    const CHECK: &str = "keys";
    let stream = config.stream.as_ref();
    let audit = stream.and_then(|stream| stream.audit.as_ref()).map(|audit| audit.key_file.clone());
    let named = config.receipt_key_file.clone().into_iter().chain(audit);
    let folders = stream.into_iter().flat_map(|stream| stream.project_keys.iter().chain(&stream.pseudonym_keys));
    let inside = folders.flat_map(|dir| files_below(dir));
    named
        .chain(inside)
        .map(|path| match fs::metadata(&path) {
            Ok(facts) if facts.permissions().mode() & 0o007 != 0 => Finding::warning(
                CHECK,
                format!("every user of this machine can use `{}`", path.display()),
                "take the rights of others away, with `chmod o=` or the mode of the mounted secret",
            ),
            Ok(_) => Finding::ok(CHECK, format!("`{}` is not for everybody", path.display())),
            Err(error) => Finding::failed(CHECK, format!("`{}`: {error}", path.display()), "check that it is mounted"),
        })
        .collect()
}

fn files_below(dir: &Path) -> Vec<PathBuf> {
    let entries = walkdir::WalkDir::new(dir).max_depth(3).into_iter().flatten();
    entries.filter(|entry| entry.file_type().is_file()).map(walkdir::DirEntry::into_path).collect()
}
