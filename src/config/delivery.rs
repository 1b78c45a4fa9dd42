//! Where a worker on Kafka puts receipts.

use super::{
    check::Checker,
    stream::{StoreUrl, StreamConfig},
};

/// Where receipts go, as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// Beside the photo.
    Object,
    /// Into the outcome event alone.
    Topic,
    #[default]
    Both,
}

impl Delivery {
    pub(super) fn check(self, stream: &StreamConfig, check: &mut Checker) {
        if self != Self::Topic {
            return;
        }
        if stream.kafka.outcome_topic.is_none() {
            check.problem(
                "`receipts.deliver`: found \"topic\", but no `kafka.outcome_topic`",
                "name the topic, or let receipts lie beside the photos",
            );
        }
        let is_folder = |name: &str| {
            let store = stream.stores.iter().find(|store| store.name == name);
            store.is_some_and(|store| matches!(store.url, StoreUrl::File { .. }))
        };
        if stream.routes.iter().any(|route| is_folder(&route.destination)) {
            check.problem(
                "`receipts.deliver`: found \"topic\", but a route that publishes in a folder",
                "folders need receipts beside the photos, since they keep nothing else about them",
            );
        }
    }
}
