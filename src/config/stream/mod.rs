//! What a worker on Kafka and object stores needs to know: its region, the broker, the stores and the routes.

mod kafka;
mod route;
mod store;

use std::{collections::BTreeMap, time::Duration};

pub use self::{
    kafka::{Assignment, KafkaConfig, SaslConfig, SaslMechanism, Secret, TlsConfig},
    route::{DetectionPolicy, Originals, RouteConfig, RouteMatch},
    store::{Credentials, StoreConfig, StoreUrl},
};

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
}
