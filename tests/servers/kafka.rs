use std::{sync::OnceLock, time::Duration};

use rdkafka::{
    ClientConfig,
    error::{KafkaError, RDKafkaErrorCode},
};

use crate::support::servers::{
    child::PATIENCE,
    kafka::{Kafka, KafkaOptions, PASSWORD},
    kafka_client::{KafkaClient, Record},
};

#[test]
fn records_come_back_as_they_were_sent() {
    let kafka = Kafka::shared();
    let (topic, client) = (kafka.topic("round-trip", 3), kafka.client());
    let (_, first) = client.send(&topic, Some(1), Some(b"key"), &[("ce_id", b"1"), ("ce_type", b"t")], b"payload");
    client.send_all(&topic, &[(b"a".to_vec(), b"1".to_vec()), (b"a".to_vec(), b"2".to_vec())]);
    let records = client.wait_for(&topic, 3);
    let sent = records.iter().find(|record| record.payload == b"payload").unwrap();
    assert_eq!((sent.partition, sent.offset, sent.key.as_deref()), (1, first, Some(&b"key"[..])));
    assert_eq!(sent.header("ce_type"), Some(&b"t"[..]));
    let of_one_key: Vec<_> =
        records.iter().filter(|record| record.key.as_deref() == Some(b"a")).map(Record::text).collect();
    assert_eq!(of_one_key, ["1", "2"]);
}

#[test]
fn lag_is_what_a_group_has_not_committed() {
    let kafka = Kafka::shared();
    let (topic, client, group) = (kafka.topic("lag", 1), kafka.client(), Kafka::unique("group"));
    client.send_all(&topic, &vec![(Vec::new(), b"x".to_vec()); 10]);
    assert_eq!(client.committed(&group, &topic), [None]);
    assert_eq!(client.lag(&group, &topic), 10);
    client.commit(&group, &topic, 0, 7);
    assert_eq!(client.committed(&group, &topic), [Some(7)]);
    assert_eq!(client.lag(&group, &topic), 3);
    assert_eq!(client.group(&group).1, 0);
}

#[test]
fn data_and_offsets_survive_ends_of_every_kind() {
    let kafka = Kafka::start(KafkaOptions::default());
    let (topic, client) = (kafka.topic("kept", 1), kafka.client());
    client.send(&topic, None, None, &[], b"before");
    client.commit("kept", &topic, 0, 1);
    kafka.restart();
    assert_eq!(client.committed("kept", &topic), [Some(1)]);
    client.send(&topic, None, None, &[], b"between");
    kafka.stop();
    client.try_connect(Duration::from_millis(500)).unwrap_err();
    kafka.start_again();
    kafka.suspend();
    client.try_connect(Duration::from_millis(500)).unwrap_err();
    kafka.resume();
    client.send(&topic, None, None, &[], b"after");
    let texts: Vec<_> = client.read_all(&topic).iter().map(|record| record.text().to_owned()).collect();
    assert_eq!(texts, ["before", "between", "after"]);
    assert_eq!(client.lag("kept", &topic), 2);
}

fn secured() -> &'static Kafka {
    static SECURED: OnceLock<Kafka> = OnceLock::new();
    SECURED.get_or_init(|| Kafka::start(KafkaOptions { tls: true, sasl: true, client_auth: true }))
}

fn assert_round_trip(config: ClientConfig) {
    let topic = secured().topic("secured", 1);
    let client = KafkaClient::new(config);
    client.send(&topic, None, None, &[], b"secret");
    assert_eq!(client.read_all(&topic)[0].text(), "secret");
}

fn refusal(config: ClientConfig) -> RDKafkaErrorCode {
    match KafkaClient::new(config).try_connect(PATIENCE).unwrap_err() {
        KafkaError::Global(code) | KafkaError::MetadataFetch(code) | KafkaError::MessageConsumption(code) => code,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_client_with_its_certificate_connects() {
    assert_round_trip(secured().tls_config());
}

#[test]
fn a_client_without_a_certificate_is_refused() {
    // The client only sees that the broker hangs up.
    let client = KafkaClient::new(secured().tls_config_without_certificate());
    client.try_connect(Duration::from_secs(1)).unwrap_err();
}

#[test]
fn a_broker_of_a_stranger_is_refused() {
    let mut config = secured().tls_config();
    // The client's certificate is no authority.
    config.set("ssl.ca.location", secured().certificates().client_certificate_file().to_str().unwrap());
    assert_eq!(refusal(config), RDKafkaErrorCode::SSL);
}

#[test]
fn every_mechanism_lets_the_right_user_in() {
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] {
        assert_round_trip(secured().sasl_config(mechanism, PASSWORD));
    }
}

#[test]
fn a_wrong_password_is_refused() {
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        assert_eq!(refusal(secured().sasl_config(mechanism, "wrong")), RDKafkaErrorCode::Authentication);
    }
}
