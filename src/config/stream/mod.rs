//! What a worker on Kafka and object stores needs to know: its region, the broker, the stores and the routes.

mod kafka;
mod route;
mod secret;
mod store;
mod table;

use std::{collections::BTreeMap, time::Duration};

pub(super) use self::table::TableReader;
pub use self::{
    kafka::{Assignment, KafkaConfig, Mechanism, SaslConfig, SaslMechanism, Security, TlsConfig},
    route::{Originals, OriginalsKind, RouteConfig, RouteMatch},
    secret::Secret,
    store::{Credentials, CredentialsKind, StoreConfig, StoreUrl},
};
use self::{route::resolve_routes, store::resolve_stores};
use super::{Field, RawConfig, check::Checker};
use crate::{detect::Wanted, redact::RedactionPolicy};

/// Checked values of `region`, `kafka`, `url_sources`, `stores` and `routes`.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamConfig {
    /// The one region of this worker, in the operator's words.
    pub region: String,
    /// Topics of other regions, by region: their events are forwarded there.
    pub forward_topics: BTreeMap<String, String>,
    /// Name of the store of this region that keeps the payloads of what cannot be attributed.
    pub region_store: String,
    pub kafka: KafkaConfig,
    pub stores: Vec<StoreConfig>,
    /// In order; the first that matches decides.
    pub routes: Vec<RouteConfig>,
    /// Hosts from which signed URLs may be fetched: `host`, `host:port` or `*.domain`. HTTPS only.
    pub url_hosts: Vec<String>,
    /// For how long what may pass is tried again before a photo is given up.
    pub patience: Duration,
    /// The tables of stores and routes as they were written; secrets are named there, never told.
    pub tables: toml::Table,
}

impl StreamConfig {
    /// None unless `kafka.brokers` is set. Every mistake goes to `check`.
    pub(super) fn resolve(
        raw: &RawConfig,
        defaults: &RawConfig,
        base: &RedactionPolicy,
        wanted: &Wanted,
        check: &mut Checker,
    ) -> Option<Self> {
        let patience = check.ranged(
            "retry.patience_s",
            raw.retry.patience_s.clone(),
            defaults.retry.patience_s.clone(),
            0,
            24 * 3600,
        );
        let url_hosts = check.value("url_sources.hosts", raw.url_sources.hosts.clone(), Field::Missing);
        let store_tables = check.value("stores", raw.stores.clone(), Field::Missing);
        let route_tables = check.value("routes", raw.routes.clone(), Field::Missing);
        let stores = resolve_stores(&store_tables, check);
        let routes = resolve_routes(&route_tables, &stores, base, wanted, check);
        let forward_topics = check.value("region.forward", raw.region.forward.clone(), Field::Missing);
        let kafka = KafkaConfig::resolve(&raw.kafka, &defaults.kafka, check)?;
        let region = required(check, "region.name", &raw.region.name, "name the one region whose photos it may touch");
        let region_store = required(check, "region.store", &raw.region.store, "name one of `stores`");
        let home = stores.iter().find(|store| store.name == region_store);
        if !region_store.is_empty() && home.is_none_or(|store| store.region != region) {
            check.problem(
                format!("`region.store`: expected a store of the region `{region}`, found `{region_store}`"),
                "name one of `stores` whose `region` is `region.name`",
            );
        }
        if forward_topics.contains_key(&region) {
            check.problem(
                format!("`region.forward`: found the worker's own region `{region}`"),
                "name only topics of other regions",
            );
        }
        let mut tables = toml::Table::new();
        tables.insert("stores".into(), toml::Value::Array(store_tables.into_iter().map(Into::into).collect()));
        tables.insert("routes".into(), toml::Value::Array(route_tables.into_iter().map(Into::into).collect()));
        let patience = Duration::from_secs(patience);
        Some(Self { region, forward_topics, region_store, kafka, stores, routes, url_hosts, patience, tables })
    }

    /// The tables of stores and routes, as a config file.
    pub(super) fn tables_as_toml(&self) -> String {
        toml::to_string(&self.tables).unwrap_or_default()
    }
}

fn required(check: &mut Checker, key: &str, field: &Field<String>, hint: &str) -> String {
    let value = check.value(key, field.clone(), Field::Missing);
    if value.is_empty() {
        check.problem(format!("`{key}`: expected a value, found none"), hint);
    }
    value
}
