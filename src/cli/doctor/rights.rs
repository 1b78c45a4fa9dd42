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
    stream.routes.iter().any(|route| route.matches.has_store(&store.name) && route.originals != Originals::Keep)
}

/// What a worker may do with each store beyond what it has to. A store that does not tell is passed over.
pub(super) async fn stores(config: &Config, stream: &StreamConfig, set: &StoreSet) -> Vec<Finding> {
    let mut findings = Vec::new();
    let places = stream.written_places();
    for store in stream.stores.iter().filter(|store| store.region == stream.region) {
        let Ok(opened) = set.get(&store.name) else { continue };
        let name = &store.name;
        let writes_everywhere = places.contains(&(name.as_str(), ""));
        let takes_back = config.receipt_delivery == Delivery::Topic && writes_everywhere;
        let is_written_to = places.iter().any(|(store, _)| store == name);
        let removal = Right {
            is_needed: removes_originals(stream, store) || takes_back,
            needed: format!("routes remove from `{name}`"),
            refused: format!("nothing may be removed from `{name}`"),
            excess: format!("this worker may remove objects from `{name}`, and no route asks for it"),
            hint: "allow removal under `_obscura/` alone; a worker that is taken over could remove photos",
        };
        findings.extend(removal.judge(opened.may_remove().await));
        let writing = Right {
            is_needed: writes_everywhere,
            needed: format!("a route without `prefix` writes everywhere in `{name}`"),
            refused: format!("nothing may be written to `{name}` but where routes write"),
            excess: format!("this worker may write objects anywhere in `{name}`, and no route asks for it"),
            hint: if is_written_to {
                "allow writing under the prefix of its routes, `_unrouted/` and `_obscura/` alone"
            } else {
                "allow reading alone, and writing under `_obscura/` where routes remove originals or it is the region's store"
            },
        };
        findings.extend(writing.judge(opened.may_write().await));
        let versions = Right {
            is_needed: false,
            needed: String::new(),
            refused: format!("versions in `{name}` may not be listed"),
            excess: format!("this worker may list the versions of objects in `{name}`, and it never does"),
            hint: "leave `s3:ListBucketVersions` to the roles that wipe and retain",
        };
        findings.extend(versions.judge(opened.may_list_versions().await));
    }
    findings
}

/// A right and what it means to have it.
struct Right {
    is_needed: bool,
    needed: String,
    refused: String,
    excess: String,
    hint: &'static str,
}

impl Right {
    fn judge(self, is_held: Option<bool>) -> Option<Finding> {
        const CHECK: &str = "rights";
        Some(match (self.is_needed, is_held?) {
            (true, _) => Finding::ok(CHECK, self.needed),
            (false, false) => Finding::ok(CHECK, self.refused),
            (false, true) => Finding::warning(CHECK, self.excess, self.hint),
        })
    }
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
