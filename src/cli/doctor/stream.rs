//! Broker, topics and stores of a worker on Kafka.

use obscura::{
    config::{Config, StreamConfig},
    error::FatalError,
    kafka::Producer,
    store::remote::{RegionStore, StoreLimits, StoreSet},
};

use super::{super::runtime, Finding, rights};

/// Nothing, where the worker follows a folder.
pub(super) fn stream(config: &Config) -> Vec<Finding> {
    let Some(stream) = &config.stream else { return Vec::new() };
    match runtime() {
        Ok(runtime) => runtime.block_on(async { [broker(stream).await, stores(config, stream).await].concat() }),
        Err(error) => vec![Finding::from_error("broker", error)],
    }
}

async fn broker(stream: &StreamConfig) -> Vec<Finding> {
    const CHECK: &str = "broker";
    let producer = match Producer::start(&stream.kafka) {
        Ok(producer) => producer,
        Err(error) => return vec![Finding::from_error(CHECK, error)],
    };
    if !producer.is_reachable().await {
        let detail = format!("none of `{}` answers", stream.kafka.brokers);
        let hint = "check addresses, the network, `kafka.security` and the credentials";
        return vec![Finding::failed(CHECK, detail, hint)];
    }
    let mut findings = vec![Finding::ok(CHECK, format!("`{}` answers", stream.kafka.brokers))];
    let kafka = &stream.kafka;
    let topics = kafka.topics.iter().chain(&kafka.outcome_topic).chain([&kafka.dead_letter_topic]);
    for topic in topics.chain(stream.forward_topics.values()) {
        findings.push(match producer.check_topic(topic).await {
            Ok(()) => Finding::ok("topic", format!("`{topic}` is there")),
            Err(error) => Finding::from_error("topic", error),
        });
    }
    findings
}

async fn stores(config: &Config, stream: &StreamConfig) -> Vec<Finding> {
    const CHECK: &str = "stores";
    let opened: Result<StoreSet, FatalError> =
        StoreSet::open(&stream.stores, &stream.region, StoreLimits::default()).await;
    match opened {
        Ok(stores) => {
            let names: Vec<&str> = stores.iter().map(RegionStore::name).collect();
            let there =
                Finding::ok(CHECK, format!("those of `{}` let this worker in: {}", stream.region, names.join(", ")));
            [vec![there], rights::stores(config, stream, &stores).await].concat()
        }
        Err(error) => vec![Finding::from_error(CHECK, error)],
    }
}
