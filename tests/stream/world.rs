//! A broker, a store, the worker's configuration, and photos of which every pixel of the face is known.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use image::RgbImage;
use object_store::ObjectStoreExt;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    files_below, fixture,
    likeness::{KnownFace, MAX_LIKENESS},
    name_of, obscura, open,
    servers::{
        kafka::Kafka,
        kafka_client::{KafkaClient, Record},
        s3::{S3Options, S3Server, path},
        wait,
    },
    upright,
    worker::Worker,
};

/// Far longer than anything takes.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// Everything around workers of one region. The buckets `uploads` and `redacted` are of the region `eu`.
pub struct World {
    pub kafka: &'static Kafka,
    pub client: KafkaClient,
    pub s3: S3Server,
    pub dir: TempDir,
    pub uploads: String,
    pub outcomes: String,
    pub dead_letters: String,
    pub group: String,
    /// Appended to the configuration.
    pub more: String,
    pub route: String,
    pub kafka_keys: String,
    /// Buckets that Obscura encrypts.
    pub sealed: Vec<&'static str>,
}

impl World {
    pub fn new(partitions: i32) -> Self {
        Self::with(Kafka::shared(), partitions, S3Options::default())
    }

    pub fn with(kafka: &'static Kafka, partitions: i32, options: S3Options) -> Self {
        let s3 = S3Server::with(options);
        for bucket in ["uploads", "redacted", "vault"] {
            s3.create_bucket(bucket);
        }
        Self {
            kafka,
            client: kafka.client(),
            s3,
            dir: tempfile::tempdir().unwrap(),
            uploads: kafka.topic("uploads", partitions),
            outcomes: kafka.topic("outcomes", 1),
            dead_letters: kafka.topic("dead-letters", 1),
            group: Kafka::unique("group"),
            more: String::new(),
            route: String::new(),
            kafka_keys: String::new(),
            sealed: Vec::new(),
        }
    }

    /// The configuration of a worker of the region `eu`.
    pub fn config(&self) -> String {
        let store = |name: &str| self.store(name, "eu");
        format!(
            r#"
[region]
name = "eu"
store = "redacted"

[kafka]
brokers = "{}"
topics = ["{}"]
group = "{}"
outcome_topic = "{}"
dead_letter_topic = "{}"
session_timeout_s = 6
max_poll_interval_s = 30
{}

[admin]
listen = "127.0.0.1:0"

[retry]
first_pause_ms = 50
longest_pause_ms = 1000
patience_s = 20

[timeouts]
fetch_s = 5
publish_s = 5
drain_s = 10

{}{}{}
[[routes]]
name = "all"
store = "uploads"
tenant = "acme"
project = "street"
destination = "redacted"
prefix = "out"
{}

{}
"#,
            self.kafka.bootstrap(),
            self.uploads,
            self.group,
            self.outcomes,
            self.dead_letters,
            self.kafka_keys,
            store("uploads"),
            store("redacted"),
            store("vault"),
            self.route,
            self.more,
        )
    }

    /// A table of a bucket on the S3 server.
    pub fn store(&self, bucket: &str, region: &str) -> String {
        let keys = self.dir.path();
        fs::write(keys.join("id"), "TESTKEY\n").unwrap();
        fs::write(keys.join("key"), "a-secret-of-tests\n").unwrap();
        format!(
            "[[stores]]\nname = \"{bucket}\"\nurl = \"s3://{bucket}\"\nregion = \"{region}\"\nendpoint = \"{}\"\n\
             cloud_region = \"eu-central-1\"\ncredentials = \"keys\"\naccess_key_id_file = \"{}\"\n\
             secret_access_key_file = \"{}\"\n{}\n",
            self.s3.endpoint(),
            keys.join("id").display(),
            keys.join("key").display(),
            if self.sealed.contains(&bucket) { "encryption = \"envelope\"\n" } else { "" },
        )
    }

    pub fn write_config(&self) -> PathBuf {
        let path = self.dir.path().join("obscura.toml");
        fs::write(&path, self.config()).unwrap();
        path
    }

    /// `obscura run` with this configuration. Workers of one number share their journal, one after the other.
    pub fn command(&self, number: u32, args: &[&str]) -> Command {
        let mut command = obscura();
        command.arg("run").arg("--config").arg(self.write_config());
        command.arg("--state-dir").arg(self.dir.path().join(format!("state-{number}"))).args(args);
        command
    }

    pub fn start(&self, number: u32) -> Worker {
        self.start_with(number, &[], &[])
    }

    pub fn start_with(&self, number: u32, args: &[&str], variables: &[(&str, &str)]) -> Worker {
        let mut command = self.command(number, args);
        command.envs(variables.iter().copied());
        Worker::spawn(command, self.dir.path(), &format!("worker-{number}"))
    }

    /// `obscura replay` with this configuration: what it says.
    pub fn replay(&self, args: &[&str]) -> String {
        let mut command = obscura();
        command.arg("replay").arg("--config").arg(self.write_config()).args(args);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        said
    }

    /// What `obscura check` says that the memory limit should be.
    pub fn printed_peak_mib(&self) -> u64 {
        let output = obscura().arg("check").arg("--config").arg(self.write_config()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let line = said.lines().find(|line| line.contains("every limit used up")).unwrap_or_else(|| panic!("{said}"));
        line.split_whitespace().find_map(|word| word.parse().ok()).unwrap()
    }

    /// Put a photo and tell of it as S3 does.
    pub fn upload(&self, key: &str, bytes: &[u8]) {
        let event = self.put(key, bytes);
        self.send(key, &event);
    }

    /// Put a photo; the event that would tell of it.
    pub fn put(&self, key: &str, bytes: &[u8]) -> Value {
        self.s3.put("uploads", key, bytes);
        let head = wait(self.s3.store("uploads").head(&path(key))).unwrap();
        s3_event("uploads", key, bytes.len(), head.e_tag.unwrap().trim_matches('"'))
    }

    pub fn send(&self, key: &str, event: &Value) {
        self.client.send(&self.uploads, None, Some(key.as_bytes()), &[], event.to_string().as_bytes());
    }

    /// Put many photos, and tell of them in one go.
    pub fn upload_all(&self, photos: &BTreeMap<String, Vec<u8>>) {
        let record = |(key, bytes): (&String, &Vec<u8>)| {
            (key.clone().into_bytes(), self.put(key, bytes).to_string().into_bytes())
        };
        let records: Vec<_> = photos.iter().map(record).collect();
        self.client.send_all(&self.uploads, &records);
    }

    /// Until so many different photos have their outcome event.
    pub fn wait_for_outcomes(&self, count: usize) -> BTreeMap<String, Value> {
        let started = Instant::now();
        loop {
            let outcomes = self.outcomes();
            if outcomes.len() >= count {
                return outcomes;
            }
            assert!(started.elapsed() < PATIENCE, "only {} of {count} outcomes; {}", outcomes.len(), self.logs());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Outcome events by the key of the original. One photo's events have one id.
    pub fn outcomes(&self) -> BTreeMap<String, Value> {
        let mut outcomes: BTreeMap<String, Value> = BTreeMap::new();
        for record in self.client.read_all(&self.outcomes) {
            let event = record.json();
            assert_eq!(event["type"], "photo.redacted");
            assert_eq!(record.key.as_deref(), event["subject"].as_str().map(str::as_bytes));
            let key = event["data"]["source"]["key"].as_str().unwrap_or_default().to_owned();
            if let Some(before) = outcomes.insert(key, event.clone()) {
                assert_eq!(before["id"], event["id"], "one photo, two events");
            }
        }
        outcomes
    }

    pub fn dead_letters(&self) -> Vec<Value> {
        let records = self.client.read_all(&self.dead_letters);
        // A record without payload says that another was replayed.
        records.iter().filter(|record| !record.payload.is_empty()).map(Record::json).collect()
    }

    pub fn wait_for_dead_letters(&self, count: usize) -> Vec<Value> {
        let started = Instant::now();
        loop {
            let letters = self.dead_letters();
            if letters.len() >= count {
                return letters;
            }
            assert!(started.elapsed() < PATIENCE, "only {} of {count} dead letters; {}", letters.len(), self.logs());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    pub fn wait_until_committed(&self) {
        let started = Instant::now();
        while self.client.lag(&self.group, &self.uploads) > 0 {
            assert!(started.elapsed() < PATIENCE, "offsets are not committed; {}", self.logs());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// The end of every worker's log, for people.
    pub fn logs(&self) -> String {
        let mut text = String::new();
        for path in files_below(self.dir.path()).iter().filter(|path| path.extension().is_some_and(|end| end == "log"))
        {
            let log = fs::read_to_string(path).unwrap_or_default();
            let lines: Vec<&str> = log.lines().rev().take(30).collect();
            text.extend(["\n--- ", &name_of(path), "\n", &lines.into_iter().rev().collect::<Vec<_>>().join("\n")]);
        }
        text
    }

    /// Keys of photos in the bucket `redacted`, without their receipts and dead letters.
    pub fn published(&self) -> Vec<String> {
        let keys = self.s3.keys("redacted");
        keys.into_iter().filter(|key| Path::new(key).extension().is_none_or(|end| end != "json")).collect()
    }

    /// One object, one receipt and one outcome for each of these originals; nothing else, and no face.
    pub fn check_all_published(&self, originals: &BTreeMap<String, Vec<u8>>, face: &KnownFace) {
        let outcomes = self.outcomes();
        let keys: Vec<&String> = outcomes.keys().collect();
        assert_eq!(keys, originals.keys().collect::<Vec<_>>(), "{}", self.logs());
        assert_eq!(self.dead_letters(), Vec::<Value>::new());
        let published = self.published();
        assert_eq!(published.len(), originals.len(), "photos are lost or doubled");
        let receipts: Vec<String> =
            self.s3.keys("redacted").into_iter().filter(|key| key.ends_with(".receipt.json")).collect();
        assert_eq!(receipts.len(), originals.len(), "receipts are lost or doubled");
        for (key, event) in &outcomes {
            let data = &event["data"];
            let photo = self.s3.get("redacted", data["output"]["key"].as_str().unwrap());
            let receipt: Value =
                serde_json::from_slice(&self.s3.get("redacted", data["output"]["receipt_key"].as_str().unwrap()))
                    .unwrap();
            assert_eq!(receipt["source"]["sha256"], obscura::redact::sha256_hex(&originals[key]), "{key}");
            assert_eq!(receipt["output"]["sha256"], obscura::redact::sha256_hex(&photo), "{key}");
            assert_eq!(receipt, data["receipt"], "{key}");
            let view = open(&photo);
            let size = view.upright_size();
            let likeness = face.likeness(&view.view(size.rect().into(), size, 0).unwrap());
            assert!(likeness < MAX_LIKENESS, "{key} shows the face: {likeness:.2}");
        }
    }
}

/// A notification as Amazon S3 sends it.
pub fn s3_event(bucket: &str, key: &str, bytes: usize, etag: &str) -> Value {
    json!({"Records": [{
        "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "eu-central-1",
        "eventTime": "2026-01-01T00:00:00.000Z", "eventName": "ObjectCreated:Put",
        "s3": {
            "s3SchemaVersion": "1.0", "bucket": {"name": bucket, "arn": format!("arn:aws:s3:::{bucket}")},
            "object": {"key": key, "size": bytes, "eTag": etag, "sequencer": "0055AED6DCD90281E5"},
        },
    }]})
}

/// The known face, each number another photo.
pub struct Faces {
    picture: RgbImage,
    pub known: KnownFace,
}

impl Faces {
    pub fn new() -> Self {
        let source = fixture("mutants/face.png");
        let known = KnownFace::of(&upright(&source));
        assert!(known.likeness(&upright(&source)) > 0.9, "the measure must see a clear face");
        Self { picture: image::open(&source).unwrap().into_rgb8(), known }
    }

    pub fn photo(&self, number: u64) -> Vec<u8> {
        let mut photo = self.picture.clone();
        for bit in 0..16 {
            photo.put_pixel(bit, 0, image::Rgb([if number >> bit & 1 == 1 { 255 } else { 0 }; 3]));
        }
        let mut bytes = std::io::Cursor::new(Vec::new());
        photo.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
        bytes.into_inner()
    }
}

impl Worker {
    /// A worker whose log and output go to files of this name.
    pub fn spawn(mut command: Command, dir: &Path, name: &str) -> Self {
        let (log, stdout) = (dir.join(format!("{name}.log")), dir.join(format!("{name}.out")));
        command.stderr(File::create(&log).unwrap()).stdout(File::create(&stdout).unwrap()).stdin(Stdio::null());
        Self::of(command.spawn().unwrap(), log, stdout)
    }
}
