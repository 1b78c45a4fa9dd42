//! Opening the stores and the broker of a worker, with everything checked before the first photo.

use std::{collections::HashMap, sync::Arc};

use futures::future::BoxFuture;

use super::audit::Audit;
use crate::{
    config::{
        Config, Delivery, StreamConfig,
        stream::{Originals, RouteConfig},
    },
    error::{ErrorCode, FatalError, PhotoError, PhotoResult, Stage},
    event::UrlPolicy,
    kafka::Producer,
    pipeline::{Breaker, Breakers, Engine, PROBE_PAUSE, Policy},
    store::remote::{RegionStore, StoreLimits, StoreSet, UrlFetcher},
    trust::{ProjectKeys, Pseudonyms, ReceiptWriter, erasure::Tombstones},
};

/// The stores of this worker's region, the broker, and what tells when one is out of reach.
pub struct StreamPlaces {
    pub(super) region: String,
    pub(super) stores: StoreSet,
    pub(super) urls: UrlFetcher,
    pub(super) producer: Producer,
    pub(super) receipts: ReceiptWriter,
    pub(super) delivery: Delivery,
    pub(super) audit: Option<Audit>,
    pub(super) pseudonyms: Pseudonyms,
    pub(super) project_keys: ProjectKeys,
    pub(super) tombstones: Tombstones,
    pub(super) broker_breaker: Arc<Breaker>,
    /// By the store's name.
    store_breakers: HashMap<String, Arc<Breaker>>,
    /// By the route's name.
    policies: HashMap<String, Arc<Policy>>,
    pub(super) outcome_topic: Option<String>,
    pub(super) dead_letter_topic: String,
    /// Keeps the messages of what belongs to nobody.
    pub(super) region_store: String,
}

impl StreamPlaces {
    /// # Errors
    /// If a store of the region cannot be used or lies elsewhere, or cannot do what a route asks of it.
    pub async fn open(config: &Config, stream: &StreamConfig, engine: &Engine) -> Result<Self, FatalError> {
        let stores = StoreSet::open(&stream.stores, &stream.region, store_limits(config)).await?;
        for route in stream.routes.iter().filter(|route| route.region == stream.region) {
            check_route(route, &stores).await?;
        }
        fit(&stores, &stream.region_store)?.check_destination().await?;
        let receipts = ReceiptWriter::open(config)?;
        let producer = Producer::start(&stream.kafka)?;
        let forwarding = stream.forward_topics.values();
        let told = stream.kafka.outcome_topic.iter().chain([&stream.kafka.dead_letter_topic]);
        for topic in told.chain(forwarding) {
            producer.check_topic(topic).await?;
        }
        let audit = Audit::open(config, stream, &stores, &producer).await?;
        let probing = producer.clone();
        let probe = move |_| {
            let producer = probing.clone();
            Box::pin(async move { producer.is_reachable().await }) as BoxFuture<'static, bool>
        };
        let policies = stream.routes.iter().map(|route| {
            let policy = engine.policy(config, route.redaction, route.wanted.clone());
            (route.name.clone(), Arc::new(policy))
        });
        Ok(Self {
            region: stream.region.clone(),
            store_breakers: stores
                .iter()
                .map(|store| (store.name().to_owned(), Arc::new(store_breaker(store))))
                .collect(),
            stores,
            urls: UrlFetcher::new(Arc::new(UrlPolicy::new(&stream.url_hosts)), store_limits(config))?,
            producer,
            receipts,
            delivery: config.receipt_delivery,
            audit,
            tombstones: Tombstones::new(stream.wipe_recheck),
            project_keys: ProjectKeys::new(stream.project_keys.clone()),
            pseudonyms: Pseudonyms::new(stream.pseudonym_keys.clone()),
            broker_breaker: Arc::new(Breaker::new("broker", Box::new(probe), PROBE_PAUSE)),
            policies: policies.collect::<HashMap<_, _>>(),
            outcome_topic: stream.kafka.outcome_topic.clone(),
            dead_letter_topic: stream.kafka.dead_letter_topic.clone(),
            region_store: stream.region_store.clone(),
        })
    }

    /// No photo is worked on any more.
    pub(in crate::pipeline) async fn end(&self) {
        if let Some(audit) = &self.audit {
            audit.end().await;
        }
    }

    pub(in crate::pipeline) fn breakers(&self) -> Breakers {
        let all = self.store_breakers.values().chain([&self.broker_breaker]);
        Breakers::new(all.cloned().collect())
    }

    pub(in crate::pipeline) fn policy(&self, route: &str) -> Option<&Arc<Policy>> {
        self.policies.get(route)
    }

    pub(super) fn store(&self, name: &str) -> PhotoResult<(&RegionStore, &Breaker)> {
        let store = self.stores.get(name)?;
        let breaker = self.store_breakers.get(name).ok_or_else(|| {
            PhotoError::new(Stage::Intake, ErrorCode::InternalError, "expected a breaker for every store, found none")
        })?;
        Ok((store, breaker.as_ref()))
    }
}

fn store_breaker(store: &RegionStore) -> Breaker {
    let (name, store) = (store.name().to_owned(), store.clone());
    let probe = move |bytes| {
        let store = store.clone();
        let asking = async move { if bytes > 0 { store.probe().await } else { store.can_read().await } };
        Box::pin(asking) as BoxFuture<'static, bool>
    };
    Breaker::new(name, Box::new(probe), PROBE_PAUSE)
}

/// Photos are published where two workers never replace each other's, and an original is only removed where exactly the
/// version that was redacted can be named.
async fn check_route(route: &RouteConfig, stores: &StoreSet) -> Result<(), FatalError> {
    fit(stores, &route.destination)?.check_destination().await?;
    if let Originals::Move { vault, .. } = &route.originals {
        fit(stores, vault)?.check_destination().await?;
    }
    if route.originals == Originals::Keep {
        return Ok(());
    }
    for store in stores.iter().filter(|store| route.matches.has_store(store.name())) {
        store.check_exact_deletion().await?;
    }
    Ok(())
}

fn fit<'a>(stores: &'a StoreSet, name: &str) -> Result<&'a RegionStore, FatalError> {
    stores.get(name).map_err(|error| FatalError::new(error.detail, "see `stores` and `routes`"))
}

/// Attempts have limits of their own; a request may take as long as the slowest of them.
fn store_limits(config: &Config) -> StoreLimits {
    let limits = &config.worker.stage_limits;
    StoreLimits { request: limits.fetch.max(limits.publish), ..StoreLimits::default() }
}
