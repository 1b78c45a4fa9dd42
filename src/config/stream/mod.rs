//! What a worker on Kafka and object stores needs to know: its region, the broker, the stores and the routes.

mod audit;
mod encryption;
mod kafka;
mod route;
mod secret;
mod store;
mod table;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::Duration,
};

pub(super) use self::table::TableReader;
pub use self::{
    audit::AuditConfig,
    encryption::{Encryption, EncryptionKind},
    kafka::{Assignment, KafkaConfig, Mechanism, SaslConfig, SaslMechanism, Security, TlsConfig},
    route::{Originals, OriginalsKind, Retention, RouteConfig, RouteMatch},
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
    /// No worker believes for longer that a project was not wiped.
    pub wipe_recheck: Duration,
    /// Folder with the keys of projects; none: nothing is sealed.
    pub project_keys: Option<PathBuf>,
    /// Folder with the keys of pseudonyms; none: nobody is told of.
    pub pseudonym_keys: Option<PathBuf>,
    /// None: no audit log.
    pub audit: Option<AuditConfig>,
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
        let audit = AuditConfig::resolve(&raw.audit, &defaults.audit, &region, &region_store, &stores, check);
        let recheck_s =
            check.ranged("wipe.recheck_s", raw.wipe.recheck_s.clone(), defaults.wipe.recheck_s.clone(), 1, 3600);
        let wipe_recheck = Duration::from_secs(recheck_s);
        let project_keys = check.optional("encryption.key_dir", raw.encryption.key_dir.clone());
        encryption::check_keys(project_keys.is_some(), &stores, &routes, check);
        let pseudonym_keys = check.optional("pseudonyms.key_dir", raw.pseudonyms.key_dir.clone());
        let mut tables = toml::Table::new();
        tables.insert("stores".into(), toml::Value::Array(store_tables.into_iter().map(Into::into).collect()));
        tables.insert("routes".into(), toml::Value::Array(route_tables.into_iter().map(Into::into).collect()));
        let patience = Duration::from_secs(patience);
        Some(Self {
            region,
            forward_topics,
            region_store,
            kafka,
            stores,
            routes,
            url_hosts,
            wipe_recheck,
            project_keys,
            pseudonym_keys,
            audit,
            patience,
            tables,
        })
    }

    /// Every store and prefix of this region under which a route writes.
    #[must_use]
    pub fn written_places(&self) -> BTreeSet<(&str, &str)> {
        let of_region = self.routes.iter().filter(|route| route.region == self.region);
        of_region
            .flat_map(|route| {
                let vault = match &route.originals {
                    Originals::Move { vault, prefix } => Some((vault.as_str(), prefix.as_str())),
                    Originals::Keep | Originals::Delete => None,
                };
                std::iter::once((route.destination.as_str(), route.prefix.as_str())).chain(vault)
            })
            .collect()
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
