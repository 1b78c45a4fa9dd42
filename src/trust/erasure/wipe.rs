//! Wiping a tenant, a project or an uploader out of the stores of this region.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use chrono::{SecondsFormat, Utc};
use futures::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    certificate::{CERTIFICATE_KIND, Counts, by_store, hash_of},
    gather::{Found, Gathered, Place, Scope, Selection, gather},
    marks::Mark,
};
use crate::{
    error::{FatalError, PhotoError},
    event::Owner,
    failpoint,
    store::remote::{RegionStore, StoreSet, StoredVersion},
    trust::{
        SigningKey,
        audit::{Action, CommandLog, scope as named_scope},
        canonical, sign,
    },
};

const REMOVALS_AT_ONCE: usize = 16;
const ROUNDS: usize = 3;

/// How to wipe.
pub struct WipeOptions {
    pub dry_run: bool,
    /// Until every worker knows, and nothing is on its way to a store any more.
    pub settle: Duration,
    /// Where the certificate goes. What was found stands beside it until then, so that an interrupted wipe goes on.
    pub certificate: PathBuf,
}

/// What was done.
#[derive(Debug)]
pub struct WipeReport {
    pub counts: Counts,
    /// Signed; none of a dry run, and none while something remains.
    pub certificate: Option<Value>,
    pub remaining: usize,
}

fn fatal(error: PhotoError) -> FatalError {
    FatalError::new(
        format!("the wipe broke off: {}", error.detail),
        format!("{}; then run the same again, it goes on", error.hint),
    )
}

/// # Errors
/// If a store cannot be listed or does not remove, or a legal hold forbids it.
pub async fn wipe(
    stores: &StoreSet,
    home: &RegionStore,
    places: &BTreeSet<Place>,
    scope: &Scope,
    key: Option<&SigningKey>,
    log: Option<&mut CommandLog>,
    options: &WipeOptions,
) -> Result<WipeReport, FatalError> {
    let started = now();
    if is_held(home, scope).await? {
        let hint = "end the hold first, with `obscura retain --release`, if it is yours to end";
        return Err(FatalError::new("expected nothing under legal hold, found a project that is", hint));
    }
    if options.dry_run {
        let gathered = gather(stores, places, scope).await.map_err(fatal)?;
        let remaining = gathered.found.len();
        return Ok(WipeReport { counts: Counts::of(&gathered.found), certificate: None, remaining });
    }
    let key = key.ok_or_else(|| {
        FatalError::new("expected a key that signs the certificate, found none", "name one with `--signing-key`")
    })?;
    let partial = Partial::open(&options.certificate, scope)?;
    let mut log = log;
    if let Some(log) = &mut log {
        log.record(Action::WipeStarted, json!({ "scope": scope_hash(scope) }))?;
        log.keep().await?;
    }
    if !matches!(scope.selection, Selection::Uploader(_)) {
        Mark::Wiped.set(home, &scope.tenant, scope.project()).await.map_err(fatal)?;
    }
    tokio::time::sleep(options.settle).await;
    let mut removed = Removed::default();
    removed.add(&partial.earlier);
    let mut without_versions = BTreeSet::new();
    let mut remaining = 0;
    for _ in 0..ROUNDS {
        let Gathered { found, without_versions: without } = gather(stores, places, scope).await.map_err(fatal)?;
        without_versions.extend(without);
        remaining = found.len();
        if found.is_empty() {
            break;
        }
        // Known before the first is removed, so that an interruption forgets none.
        partial.add(&found)?;
        removed.add(&found);
        remove_all(stores, &found).await?;
    }
    let removed = removed.all();
    let counts = Counts::of(&removed);
    if remaining > 0 {
        return Ok(WipeReport { counts, certificate: None, remaining });
    }
    let certificate = json!({
        "kind": CERTIFICATE_KIND,
        "schema": 1,
        "version": env!("CARGO_PKG_VERSION"),
        "region": stores.region(),
        "scope": told_scope(scope),
        "removed": counts,
        "stores": by_store(&removed),
        "keys_sha256": hash_of(&removed),
        "listed_again": 0,
        "started": started,
        "finished": now(),
        "not_covered": not_covered(scope, &without_versions),
    });
    let certificate = sign(certificate, key).map_err(|error| FatalError::new(error.to_string(), "report this"))?;
    let bytes = canonical(&certificate).map_err(|error| FatalError::new(error.to_string(), "report this"))?;
    let hash = crate::redact::sha256_hex(&bytes);
    home.put(&format!("_obscura/certificates/{}.json", &hash[..32]), bytes.clone().into()).await.map_err(fatal)?;
    if let Some(log) = &mut log {
        let facts = json!({ "scope": scope_hash(scope), "certificate": hash, "removed": counts });
        log.record(Action::Wiped, facts)?;
        log.keep().await?;
    }
    partial.finish(&bytes)?;
    Ok(WipeReport { counts, certificate: Some(certificate), remaining: 0 })
}

/// Let photos of a wiped tenant or project be published again.
///
/// # Errors
/// If the store does not take it.
pub async fn lift(home: &RegionStore, scope: &Scope, log: Option<&mut CommandLog>) -> Result<(), FatalError> {
    Mark::Wiped.lift(home, &scope.tenant, scope.project()).await.map_err(fatal)?;
    if let Some(log) = log {
        log.record(Action::WipeLifted, json!({ "scope": scope_hash(scope) }))?;
    }
    Ok(())
}

/// Whether a hold lies on what is meant, or on a part of it.
async fn is_held(home: &RegionStore, scope: &Scope) -> Result<bool, FatalError> {
    if Mark::Held.is_on(home, &scope.tenant, scope.project()).await.map_err(fatal)? {
        return Ok(true);
    }
    if scope.project().is_some() {
        return Ok(false);
    }
    let below = Mark::Held.key(&scope.tenant, None);
    let folder = below.trim_end_matches("/mark.json");
    Ok(!home.list_below(folder).await.map_err(fatal)?.is_empty())
}

pub(super) async fn remove_all(stores: &StoreSet, found: &BTreeSet<Found>) -> Result<(), FatalError> {
    let removals = found.iter().map(|found| async move {
        let removed = stores.get(&found.store)?.remove_version(&found.version).await;
        failpoint::kill_at("wipe:removed");
        removed
    });
    let mut removals = stream::iter(removals).buffer_unordered(REMOVALS_AT_ONCE);
    while let Some(removed) = removals.next().await {
        removed.map_err(fatal)?;
    }
    Ok(())
}

fn told_scope(scope: &Scope) -> Value {
    match &scope.selection {
        Selection::Everything => json!({ "tenant": scope.tenant }),
        Selection::Project(project) => json!({ "tenant": scope.tenant, "project": project }),
        Selection::Uploader(pseudonym) => json!({ "tenant": scope.tenant, "uploader": pseudonym }),
    }
}

fn scope_hash(scope: &Scope) -> String {
    let project = match &scope.selection {
        Selection::Everything => String::new(),
        Selection::Project(project) | Selection::Uploader(project) => project.clone(),
    };
    named_scope(&Owner { tenant: scope.tenant.clone(), project })
}

fn not_covered(scope: &Scope, without_versions: &BTreeSet<String>) -> Vec<String> {
    let mut list: Vec<String> = [
        "upload events, dead letters and outcome events in topics, until their retention ends",
        "originals in source stores that no route moves or deletes",
        "stores of other regions",
        "copies, backups and replicas that the stores or others made, and what a store keeps of removed objects (soft delete, object lock)",
        "audit records, which name nobody",
    ]
    .map(str::to_owned)
    .into();
    if matches!(scope.selection, Selection::Uploader(_)) {
        list.push(
            "photos whose events named no uploader, or that were published without a key of pseudonyms".to_owned(),
        );
    }
    list.extend(
        without_versions.iter().map(|store| format!("old versions in store `{store}`, which did not list them")),
    );
    list
}

fn now() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Each thing once, as it was first seen: what was an old version may be the present one when it is listed again.
#[derive(Default)]
struct Removed(BTreeMap<(String, String, Option<String>), Found>);

impl Removed {
    fn add<'a>(&mut self, found: impl IntoIterator<Item = &'a Found>) {
        for found in found {
            let name = (found.store.clone(), found.version.key.clone(), found.version.version.clone());
            self.0.entry(name).or_insert_with(|| found.clone());
        }
    }

    fn all(self) -> BTreeSet<Found> {
        self.0.into_values().collect()
    }
}

/// What was found, beside the certificate, until that is written.
struct Partial {
    path: PathBuf,
    certificate: PathBuf,
    earlier: Vec<Found>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    store: String,
    key: String,
    version: Option<String>,
    is_delete_marker: bool,
    is_latest: bool,
    bytes: u64,
}

impl Partial {
    /// Of the same wipe that broke off, or new.
    fn open(certificate: &Path, scope: &Scope) -> Result<Self, FatalError> {
        if certificate.exists() {
            return Err(FatalError::new(
                format!("expected no file at `{}`, found one", certificate.display()),
                "name another with `--certificate`; certificates are never replaced",
            ));
        }
        let mut name = certificate.file_name().unwrap_or_default().to_owned();
        name.push(".partial");
        let path = certificate.with_file_name(name);
        let header = scope_hash(scope);
        let mut earlier = Vec::new();
        match fs::read_to_string(&path) {
            Ok(text) => {
                let (first, lines) = text.split_once('\n').unwrap_or_default();
                if first != header {
                    return Err(FatalError::new(
                        format!("expected the rest of this wipe in `{}`, found that of another", path.display()),
                        "end the other one first, or name another certificate with `--certificate`",
                    ));
                }
                // A line that was cut off told of something that was not removed yet.
                for line in lines.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok()) {
                    let Line { store, key, version, is_delete_marker, is_latest, bytes } = line;
                    let modified = None;
                    let version = StoredVersion { key, version, is_delete_marker, bytes, modified, is_latest };
                    earlier.push(Found { store, version });
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let made = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&path);
                made.and_then(|mut file| file.write_all(format!("{header}\n").as_bytes()))
                    .map_err(|error| unwritable(&path, &error))?;
            }
            Err(error) => return Err(unwritable(&path, &error)),
        }
        Ok(Self { path, certificate: certificate.to_owned(), earlier })
    }

    fn add(&self, found: &BTreeSet<Found>) -> Result<(), FatalError> {
        let mut text = String::new();
        for Found { store, version } in found {
            let line = Line {
                store: store.clone(),
                key: version.key.clone(),
                version: version.version.clone(),
                is_delete_marker: version.is_delete_marker,
                is_latest: version.is_latest,
                bytes: version.bytes,
            };
            text += &serde_json::to_string(&line).map_err(|error| FatalError::new(error.to_string(), "report this"))?;
            text.push('\n');
        }
        let append = || {
            let mut file = OpenOptions::new().append(true).open(&self.path)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()
        };
        append().map_err(|error| unwritable(&self.path, &error))
    }

    fn finish(&self, certificate: &[u8]) -> Result<(), FatalError> {
        let write = || {
            crate::store::write_atomically(&self.certificate, certificate, 0o644)?;
            fs::remove_file(&self.path)
        };
        write().map_err(|error| unwritable(&self.certificate, &error))
    }
}

fn unwritable(path: &Path, error: &std::io::Error) -> FatalError {
    FatalError::new(format!("cannot write `{}`: {error}", path.display()), "name another with `--certificate`")
}
