//! Getting into a real broker: TLS, client certificates, each SASL mechanism, and what is told when it does not let us in.

use std::{
    fs,
    path::PathBuf,
    sync::OnceLock,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use obscura::{
    config::stream::{Assignment, KafkaConfig, SaslConfig, SaslMechanism, Secret, TlsConfig},
    error::FatalError,
    kafka::{KafkaMessage, KafkaSource, Producer},
    source::{LowWaterMark, NextOffset, Source, SourceEvent, Upload, collect},
};

use crate::support::servers::kafka::{Kafka, KafkaOptions, PASSWORD, USER};

const PATIENCE: Duration = Duration::from_secs(120);

fn broker() -> &'static Kafka {
    static BROKER: OnceLock<Kafka> = OnceLock::new();
    BROKER.get_or_init(|| Kafka::start(KafkaOptions { tls: true, sasl: true, client_auth: true }))
}

pub fn config(brokers: impl Into<String>, topic: &str) -> KafkaConfig {
    KafkaConfig {
        brokers: brokers.into(),
        topics: vec![topic.to_owned()],
        group: Kafka::unique("group"),
        assignment: Assignment::CooperativeSticky,
        instance_id: None,
        outcome_topic: None,
        dead_letter_topic: "dead".to_owned(),
        session_timeout: Duration::from_secs(6),
        max_poll_interval: Duration::from_secs(60),
        fetch_bytes: 4 << 20,
        max_message_bytes: 1 << 20,
        tls: None,
        sasl: None,
    }
}

fn tls() -> TlsConfig {
    TlsConfig { ca_file: Some(broker().certificates().ca_file()), ..TlsConfig::default() }
}

fn with_sasl(topic: &str, sasl: SaslConfig) -> KafkaConfig {
    KafkaConfig { tls: Some(tls()), sasl: Some(sasl), ..config(broker().sasl_bootstrap(), topic) }
}

fn password(mechanism: SaslMechanism, password: &str) -> SaslConfig {
    SaslConfig::Password { mechanism, username: USER.to_owned(), password: Secret::Value(password.into()) }
}

/// One upload with the message's text as its name.
fn interpret(message: &KafkaMessage) -> Vec<Upload> {
    let any = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let mut upload = collect(&[any], &std::env::temp_dir(), &[]).unwrap().photos.remove(0);
    upload.relative = String::from_utf8(message.payload.clone()).unwrap().into();
    vec![upload]
}

fn start(config: &KafkaConfig) -> KafkaSource {
    KafkaSource::start(config, Duration::from_secs(5), Box::new(interpret)).unwrap()
}

/// The next upload's name, done at once, or why there is none.
async fn next(source: &mut KafkaSource) -> Result<String, FatalError> {
    let upload = async {
        loop {
            match source.next(true).await {
                SourceEvent::Delivered(delivered) => {
                    let next = NextOffset(delivered.offset + 1);
                    source.commit(&[LowWaterMark { partition: delivered.partition, next }]).unwrap();
                    return Ok(delivered.upload.relative.to_string_lossy().into_owned());
                }
                SourceEvent::Failed(error) => return Err(error),
                _ => {}
            }
        }
    };
    tokio::time::timeout(PATIENCE, upload).await.expect("nothing came")
}

/// What is sent comes back, and what is committed is.
async fn gets_in(config: KafkaConfig) {
    let topic = config.topics[0].clone();
    let producer = Producer::start(&config).unwrap();
    producer.send(&topic, None, &[], b"hello").await.unwrap();
    let mut source = start(&config);
    assert_eq!(next(&mut source).await.unwrap(), "hello");
    source.close().await;
    assert_eq!(broker().client().committed(&config.group, &topic), [Some(1)]);
    // Nobody waits for the member that left.
    assert_eq!(broker().client().group(&config.group).1, 0);
}

async fn is_refused(config: KafkaConfig, hint: &str) {
    let mut source = start(&config);
    let error = next(&mut source).await.unwrap_err();
    assert!(error.hint.contains(hint), "{error} ({})", error.hint);
    assert!(!format!("{error} {}", error.hint).contains("wrong-secret"), "{error}");
    source.close().await;
}

#[tokio::test]
async fn with_a_client_certificate() {
    let certificates = broker().certificates();
    let with_certificate = TlsConfig {
        cert_file: Some(certificates.client_certificate_file()),
        key_file: Some(certificates.client_key_file()),
        ..tls()
    };
    let topic = broker().topic("tls", 1);
    let config = KafkaConfig { tls: Some(with_certificate), ..config(broker().tls_bootstrap(), &topic) };
    gets_in(config.clone()).await;
    is_refused(KafkaConfig { tls: Some(tls()), ..config.clone() }, "kafka.cert_file").await;
    // Somebody else's authority: the broker is not the one that was meant.
    let strange = TlsConfig { ca_file: None, ..config.tls.clone().unwrap() };
    is_refused(KafkaConfig { tls: Some(strange), ..config }, "kafka.ca_file").await;
}

#[tokio::test]
async fn with_a_password() {
    let topics = broker().topic("sasl", 1);
    for mechanism in [SaslMechanism::Plain, SaslMechanism::ScramSha256, SaslMechanism::ScramSha512] {
        let topic = broker().topic("sasl", 1);
        gets_in(with_sasl(&topic, password(mechanism, PASSWORD))).await;
        is_refused(with_sasl(&topics, password(mechanism, "wrong-secret")), "kafka.sasl_mechanism").await;
    }
}

#[tokio::test]
async fn with_a_token_that_is_kept_fresh_in_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    let token = |lifetime: Duration| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let claims = format!(r#"{{"sub":"{USER}","iat":{},"exp":{}}}"#, now.as_secs(), (now + lifetime).as_secs());
        format!("{}.{}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#), URL_SAFE_NO_PAD.encode(claims))
    };
    fs::write(&file, token(Duration::from_secs(3600))).unwrap();
    let topic = broker().topic("oauth", 1);
    let config = with_sasl(&topic, SaslConfig::TokenFile(file.clone()));
    gets_in(config.clone()).await;
    // An old token is not used; the worker waits a moment for a new one.
    fs::write(&file, "wrong-secret wrong-secret").unwrap();
    is_refused(config, "token").await;
}

#[tokio::test]
async fn a_broker_that_was_killed_finds_its_members_again() {
    let kafka = Kafka::start(KafkaOptions::default());
    let topic = kafka.topic("restart", 2);
    let config = config(kafka.bootstrap(), &topic);
    let (mut source, producer) = (start(&config), Producer::start(&config).unwrap());
    producer.send(&topic, None, &[], b"before").await.unwrap();
    assert_eq!(next(&mut source).await.unwrap(), "before");
    kafka.kill();
    let start_again = tokio::task::spawn_blocking(move || {
        kafka.start_again();
        kafka
    });
    let send = async { while producer.send(&topic, None, &[], b"meanwhile").await.is_err() {} };
    let (kafka, ()) = tokio::join!(start_again, send);
    let kafka = kafka.unwrap();
    // At least once: what was committed as the broker died may come again.
    let mut came = next(&mut source).await.unwrap();
    while came != "meanwhile" {
        came = next(&mut source).await.unwrap();
    }
    source.close().await;
    let lag = kafka.client().lag(&config.group, &topic);
    assert_eq!(lag, 0);
}

#[tokio::test]
async fn messages_of_a_transaction_that_was_given_up_do_not_come() {
    use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
    let kafka = Kafka::shared();
    let topic = kafka.topic("transactions", 1);
    let id = Kafka::unique("writer");
    let writer: BaseProducer = kafka.plain_config().set("transactional.id", &id).create().unwrap();
    writer.init_transactions(PATIENCE).unwrap();
    for (text, keep) in [("given up", false), ("kept", true)] {
        writer.begin_transaction().unwrap();
        writer.send(BaseRecord::<(), str>::to(&topic).payload(text)).map_err(|(error, _)| error).unwrap();
        writer.flush(PATIENCE).unwrap();
        if keep { writer.commit_transaction(PATIENCE).unwrap() } else { writer.abort_transaction(PATIENCE).unwrap() }
    }
    let mut source = start(&config(kafka.bootstrap(), &topic));
    assert_eq!(next(&mut source).await.unwrap(), "kept");
    source.close().await;
}

/// Both give back what is done, committed, and the other goes on from there: under `range` everything, cooperatively what
/// moves.
async fn hands_over(assignment: Assignment) {
    let kafka = Kafka::shared();
    let topic = kafka.topic("hand-over", 2);
    let config = KafkaConfig { assignment, ..config(kafka.bootstrap(), &topic) };
    let client = kafka.client();
    for partition in 0..2 {
        for number in 0..3 {
            client.send(&topic, Some(partition), None, &[], format!("{partition}:{number}").as_bytes());
        }
    }
    let mut old = start(&config);
    let mut delivered = 0;
    while delivered < 6 {
        if let SourceEvent::Delivered(_) = old.next(true).await {
            delivered += 1;
        }
    }
    let mut new = start(&config);
    let mut came = None;
    let deadline = tokio::time::sleep(PATIENCE);
    tokio::pin!(deadline);
    while came.is_none() {
        tokio::select! {
            event = old.next(false) => match event {
                // The first message of each is done, and was not committed before.
                SourceEvent::Revoked(partition) => {
                    old.release(partition, Some(LowWaterMark { partition, next: NextOffset(1 << 16) }));
                }
                SourceEvent::Assigned(_) => {}
                other => panic!("{other:?}"),
            },
            event = new.next(true) => if let SourceEvent::Delivered(delivered) = event {
                came = Some(delivered.upload.relative.to_string_lossy().into_owned());
            },
            () = &mut deadline => panic!("nothing was handed over"),
        }
    }
    let came = came.unwrap();
    assert!(came.ends_with(":1"), "{came}");
    let moved: usize = came[..1].parse().unwrap();
    let committed = client.committed(&config.group, &topic);
    assert_eq!(committed[moved], Some(1));
    assert_eq!(committed[1 - moved], (assignment == Assignment::Range).then_some(1));
    new.close().await;
    old.close().await;
}

#[tokio::test]
async fn partitions_are_handed_over_cooperatively() {
    hands_over(Assignment::CooperativeSticky).await;
}

#[tokio::test]
async fn partitions_are_handed_over_by_range() {
    hands_over(Assignment::Range).await;
}
