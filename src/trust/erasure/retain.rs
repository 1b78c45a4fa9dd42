//! Ages: what is kept for how long, by route. A legal hold wins.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use super::{
    certificate::{Counts, hash_of},
    gather::{Found, Place},
    marks::Mark,
    wipe::remove_all,
};
use crate::{
    config::{
        StreamConfig,
        stream::{Originals, Retention},
    },
    error::{FatalError, PhotoError},
    event::is_safe_name,
    store::remote::{RegionStore, StoreSet, StoredVersion},
};

/// What was removed, and what a hold kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RetainReport {
    pub removed: Counts,
    /// Older than allowed, and kept by a legal hold.
    pub held: u64,
    pub keys_sha256: String,
}

/// How long each kind is kept under one prefix of a store, in days; none is for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Ages {
    outputs: Option<u32>,
    originals: Option<u32>,
    dead_letters: Option<u32>,
}

fn fatal(error: PhotoError) -> FatalError {
    FatalError::new(
        format!("retention broke off: {}", error.detail),
        format!("{}; then run the same again", error.hint),
    )
}

/// Remove what is older than its route allows.
///
/// # Errors
/// If a store cannot be listed or does not remove.
pub async fn retain(
    stores: &StoreSet,
    home: &RegionStore,
    stream: &StreamConfig,
    now: DateTime<Utc>,
    dry_run: bool,
) -> Result<RetainReport, FatalError> {
    let mut found = BTreeSet::new();
    let mut report = RetainReport::default();
    let mut holds: BTreeMap<(String, String), bool> = BTreeMap::new();
    for (place, ages) in ages(stream) {
        let store = stores.get(&place.store).map_err(fatal)?;
        for version in everything(store, &place).await? {
            let Some((tenant, project)) = owner_in(&place, &version.key) else { continue };
            let age = ages.of(&version.key);
            if age.is_none_or(|days| !is_older(&version, days, now)) {
                continue;
            }
            let known = holds.get(&(tenant.clone(), project.clone())).copied();
            let is_held = match known {
                Some(is_held) => is_held,
                None => Mark::Held.is_on(home, &tenant, Some(&project)).await.map_err(fatal)?,
            };
            holds.insert((tenant, project), is_held);
            if is_held {
                report.held += 1;
            } else {
                found.insert(Found { store: place.store.clone(), version });
            }
        }
    }
    if !dry_run {
        remove_all(stores, &found).await?;
    }
    report.removed = Counts::of(&found);
    report.keys_sha256 = hash_of(&found);
    Ok(report)
}

/// Below a prefix, or in the whole store.
async fn everything(store: &RegionStore, place: &Place) -> Result<Vec<StoredVersion>, FatalError> {
    let prefix = Some(place.prefix.as_str()).filter(|prefix| !prefix.is_empty());
    match prefix {
        Some(prefix) => Ok(store.contents_below(prefix).await.map_err(fatal)?.versions),
        None => Ok(store.contents_of_all().await.map_err(fatal)?.versions),
    }
}

/// Where several routes write under one prefix, the longest age counts.
fn ages(stream: &StreamConfig) -> BTreeMap<Place, Ages> {
    let (mut outputs, mut originals) =
        (BTreeMap::<Place, Vec<Retention>>::new(), BTreeMap::<Place, Vec<Retention>>::new());
    for route in stream.routes.iter().filter(|route| route.region == stream.region) {
        let output = Place { store: route.destination.clone(), prefix: route.prefix.clone() };
        outputs.entry(output).or_default().push(route.retention);
        if let Originals::Move { vault, prefix } = &route.originals {
            let vault = Place { store: vault.clone(), prefix: prefix.clone() };
            originals.entry(vault).or_default().push(route.retention);
        }
    }
    let longest = |of: &BTreeMap<Place, Vec<Retention>>, place: &Place, days: fn(&Retention) -> Option<u32>| {
        let all: Option<Vec<u32>> = of.get(place)?.iter().map(days).collect();
        all?.into_iter().max()
    };
    let places: BTreeSet<&Place> = outputs.keys().chain(originals.keys()).collect();
    let ages = |place: &Place| Ages {
        outputs: longest(&outputs, place, |retention| retention.outputs_d),
        originals: longest(&originals, place, |retention| retention.originals_d),
        dead_letters: longest(&outputs, place, |retention| retention.dead_letters_d),
    };
    places.into_iter().map(|place| (place.clone(), ages(place))).collect()
}

impl Ages {
    /// In days.
    fn of(self, key: &str) -> Option<u32> {
        if key.contains("/dead-letters/") {
            self.dead_letters
        } else if key.contains("/originals/") {
            self.originals
        } else {
            self.outputs
        }
    }
}

/// Tenant and project, if the key is of something that Obscura wrote for them.
fn owner_in(place: &Place, key: &str) -> Option<(String, String)> {
    let rest = place.ours(key)?;
    let (tenant, rest) = rest.split_once('/')?;
    let (project, _) = rest.split_once('/')?;
    let is_owned = is_safe_name(tenant) && is_safe_name(project);
    is_owned.then(|| (tenant.to_owned(), project.to_owned()))
}

/// What has no time is not old.
fn is_older(version: &StoredVersion, days: u32, now: DateTime<Utc>) -> bool {
    version.modified.is_some_and(|modified| now.signed_duration_since(modified) > TimeDelta::days(i64::from(days)))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::{
        config::{Config, RawConfig},
        store::remote::StoreLimits,
    };

    /// A folder of outputs and a vault, as routes with these keys would have left them.
    async fn archive(dir: &std::path::Path, routes: &str) -> (StoreSet, Config) {
        for folder in ["out", "vault"] {
            std::fs::create_dir_all(dir.join(folder)).unwrap();
        }
        let store = |name: &str| {
            let url = format!("file://{}", dir.join(name).display());
            format!("[[stores]]\nname = \"{name}\"\nurl = \"{url}\"\nregion = \"eu\"\n")
        };
        let text = format!(
            "[region]\nname = \"eu\"\nstore = \"out\"\n[kafka]\nbrokers = \"127.0.0.1:1\"\n{}{}{routes}",
            store("out"),
            store("vault"),
        );
        let raw: RawConfig = toml::from_str(&text).unwrap();
        let config = Config::resolve(raw).unwrap();
        let stream = config.stream.clone().unwrap();
        let stores = StoreSet::open(&stream.stores, "eu", StoreLimits::default()).await.unwrap();
        let hash = "a".repeat(64);
        for (store, key) in [
            ("out", format!("p/acme/street/{hash}.jpg")),
            ("out", format!("p/acme/street/{hash}.jpg.0123456789abcdef.receipt.json")),
            ("out", format!("p/acme/held/{hash}.jpg")),
            ("out", format!("p/acme/street/dead-letters/{}.json", &hash[..32])),
            ("out", "p/acme/street/an upload.jpg".to_owned()),
            ("vault", format!("acme/street/originals/{hash}.jpg")),
        ] {
            stores.get(store).unwrap().put(&key, Bytes::from_static(b"12345")).await.unwrap();
        }
        Mark::Held.set(stores.get("out").unwrap(), "acme", Some("held")).await.unwrap();
        (stores, config)
    }

    const ROUTE: &str = "[[routes]]\nname = \"a\"\nstore = \"vault\"\nmatch_prefix = \"in/\"\ndestination = \"out\"\n\
        prefix = \"p\"\noriginals = \"move\"\nvault = \"vault\"\n";

    async fn retained(routes: &str, after_days: i64) -> (RetainReport, usize) {
        let dir = tempfile::tempdir().unwrap();
        let (stores, config) = archive(dir.path(), routes).await;
        let stream = config.stream.as_ref().unwrap();
        let now = Utc::now() + TimeDelta::days(after_days) + TimeDelta::seconds(60);
        let home = stores.get("out").unwrap();
        let dry = retain(&stores, home, stream, now, true).await.unwrap();
        let report = retain(&stores, home, stream, now, false).await.unwrap();
        assert_eq!(dry, report);
        let again = retain(&stores, home, stream, now, false).await.unwrap();
        assert_eq!((again.removed, again.held), (Counts::default(), report.held));
        let left = home.list_below("p").await.unwrap().len()
            + stores.get("vault").unwrap().list_below("acme").await.unwrap().len();
        (report, left)
    }

    #[tokio::test]
    async fn each_kind_has_its_age_and_a_hold_wins() {
        let aged = format!("{ROUTE}keep_outputs_d = 30\nkeep_originals_d = 10\nkeep_dead_letters_d = 5\n");
        let (young, left) = retained(&aged, 4).await;
        assert_eq!((young.removed, left), (Counts::default(), 6));
        let (letters, left) = retained(&aged, 5).await;
        assert_eq!((letters.removed, left), (Counts { dead_letters: 1, bytes: 5, ..Counts::default() }, 5));
        let (all, left) = retained(&aged, 30).await;
        let expected = Counts { photos: 1, receipts: 1, originals: 1, dead_letters: 1, bytes: 20, ..Counts::default() };
        // What is left is under a hold, or not Obscura's.
        assert_eq!((all.removed, all.held, left), (expected, 1, 2));
    }

    #[tokio::test]
    async fn without_ages_everything_stays_and_the_longest_age_counts() {
        assert_eq!(retained(ROUTE, 9999).await.1, 6);
        let two = format!("{ROUTE}keep_outputs_d = 1\n{}", ROUTE.replace("\"a\"", "\"b\""));
        assert_eq!(retained(&two, 9999).await.1, 6, "the other route keeps for ever");
        let two = format!("{two}keep_outputs_d = 20\n");
        assert_eq!(retained(&two, 19).await.1, 6);
        assert_eq!(retained(&two, 20).await.1, 4);
    }
}
