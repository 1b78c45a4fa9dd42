//! The stores that the configuration names.

use std::{collections::BTreeMap, fmt, time::Duration};

use futures::future::try_join_all;

use super::region_store::RegionStore;
use crate::{
    config::stream::StoreConfig,
    error::{ErrorCode, FatalError, PhotoError, PhotoResult, Stage},
};

/// How long stores may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreLimits {
    /// Until a connection stands.
    pub connect: Duration,
    /// Between two pieces of an answer.
    pub silence: Duration,
    /// For a request with the whole of its answer.
    pub request: Duration,
}

impl Default for StoreLimits {
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), silence: Duration::from_secs(30), request: Duration::from_secs(120) }
    }
}

/// The stores of one region, ready for use. Those of other regions are known by name alone.
pub struct StoreSet {
    region: String,
    stores: BTreeMap<String, RegionStore>,
    /// Region by name.
    elsewhere: BTreeMap<String, String>,
}

impl StoreSet {
    /// Connect to every store of `region`, and see that it is there, lets this worker in and is where it should be.
    ///
    /// # Errors
    /// A store that cannot be reached, is not there, refuses this worker or lies in another cloud region, and
    /// configuration that no client can be made of.
    pub async fn open(configs: &[StoreConfig], region: &str, limits: StoreLimits) -> Result<Self, FatalError> {
        let mut set = Self { region: region.to_owned(), stores: BTreeMap::new(), elsewhere: BTreeMap::new() };
        for config in configs {
            if set.stores.contains_key(&config.name) || set.elsewhere.contains_key(&config.name) {
                let message = format!("expected one store with the name `{}`, found two", config.name);
                return Err(FatalError::new(message, "give every store a name of its own"));
            }
            if config.region == region {
                set.stores.insert(config.name.clone(), RegionStore::open(config, limits)?);
            } else {
                set.elsewhere.insert(config.name.clone(), config.region.clone());
            }
        }
        try_join_all(configs.iter().filter_map(|config| {
            let store = set.stores.get(&config.name)?;
            Some(store.check_at_start(config))
        }))
        .await?;
        Ok(set)
    }

    /// Stores of any kind that are not checked.
    #[cfg(any(test, feature = "failpoints"))]
    #[must_use]
    pub fn for_tests(
        region: &str,
        stores: impl IntoIterator<Item = (String, std::sync::Arc<dyn object_store::ObjectStore>)>,
    ) -> Self {
        let stores =
            stores.into_iter().map(|(name, store)| (name.clone(), RegionStore::for_tests(&name, region, store)));
        Self { region: region.to_owned(), stores: stores.collect(), elsewhere: BTreeMap::new() }
    }

    #[must_use]
    pub fn region(&self) -> &str {
        &self.region
    }

    /// # Errors
    /// `region_mismatch` for a store of another region, `source_refused` for one that is not configured.
    pub fn get(&self, name: &str) -> PhotoResult<&RegionStore> {
        if let Some(store) = self.stores.get(name) {
            return Ok(store);
        }
        Err(match self.elsewhere.get(name) {
            Some(region) => PhotoError::new(
                Stage::Intake,
                ErrorCode::RegionMismatch,
                format!("expected a store of region `{}`, found one of `{region}`", self.region),
            ),
            None => {
                PhotoError::new(Stage::Intake, ErrorCode::SourceRefused, "expected a configured store, found another")
            }
        })
    }

    /// Those of this region.
    pub fn iter(&self) -> impl Iterator<Item = &RegionStore> {
        self.stores.values()
    }
}

impl fmt::Debug for StoreSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&String> = self.stores.keys().collect();
        f.debug_struct("StoreSet").field("region", &self.region).field("stores", &names).finish_non_exhaustive()
    }
}
