//! moto: S3 with versions, and what Google's store shares with it. It believes every signature and token.

use std::process::Command;

use object_store::{
    ClientOptions, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder},
    gcp::{GoogleCloudStorage, GoogleCloudStorageBuilder},
};
use tempfile::TempDir;

use super::{
    child::{self, Server, free_port},
    installed, wait,
};

/// One version in a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    pub key: String,
    pub id: String,
    pub is_latest: bool,
    pub is_delete_marker: bool,
}

pub struct Moto {
    port: u16,
    // Before the folder: the server must end before its folder goes.
    _server: Server,
    _folder: TempDir,
}

impl Moto {
    /// Start it; about two seconds.
    pub fn start() -> Self {
        let folder = child::folder("moto");
        let port = free_port();
        let mut command = Command::new(installed("moto").join("bin/python"));
        command.args(["-m", "moto.server", "--host", "127.0.0.1", "--port", &port.to_string()]);
        let mut server = Server::start(&command, folder.path().join("log"));
        server.wait_until("moto runs", |server| server.log().contains("Running on")).unwrap();
        Self { port, _server: server, _folder: folder }
    }

    /// Of S3, of the token service (`AssumeRole`), and of Google's store.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A request of S3 that anybody may have signed: status and body.
    pub fn request(&self, method: &str, path_and_query: &str, body: &str) -> (u16, String) {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let url = format!("{}{path_and_query}", self.endpoint());
        // Without one it would not touch what others put.
        let signature =
            "AWS4-HMAC-SHA256 Credential=any/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=any";
        wait(async {
            let request = reqwest::Client::new().request(method, url).header("authorization", signature);
            let answer = request.body(body.to_owned()).send().await.unwrap();
            (answer.status().as_u16(), answer.text().await.unwrap())
        })
    }

    /// `region` other than us-east-1.
    pub fn create_bucket(&self, name: &str, region: &str) {
        let body = format!(
            r#"<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"#
        );
        let (status, text) = self.request("PUT", &format!("/{name}"), &body);
        assert_eq!(status, 200, "{text}");
    }

    pub fn enable_versions(&self, bucket: &str) {
        let body = r#"<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Status>Enabled</Status></VersioningConfiguration>"#;
        let (status, text) = self.request("PUT", &format!("/{bucket}?versioning"), body);
        assert_eq!(status, 200, "{text}");
    }

    /// All versions and delete markers of a bucket whose keys need no escapes in XML.
    pub fn versions(&self, bucket: &str) -> Vec<Version> {
        let (status, text) = self.request("GET", &format!("/{bucket}?versions"), "");
        assert_eq!(status, 200, "{text}");
        let entries = |tag: &str| text.split(&format!("<{tag}>")).skip(1).map(str::to_owned).collect::<Vec<_>>();
        let version = |entry: &String, is_delete_marker| Version {
            key: field(entry, "Key"),
            id: field(entry, "VersionId"),
            is_latest: field(entry, "IsLatest") == "true",
            is_delete_marker,
        };
        let objects = entries("Version");
        let markers = entries("DeleteMarker");
        objects
            .iter()
            .map(|entry| version(entry, false))
            .chain(markers.iter().map(|entry| version(entry, true)))
            .collect()
    }

    /// A client that does not try again, so that tests see each fault.
    pub fn store(&self, bucket: &str, region: &str) -> AmazonS3 {
        AmazonS3Builder::new()
            .with_endpoint(self.endpoint())
            .with_region(region)
            .with_bucket_name(bucket)
            .with_access_key_id("any")
            .with_secret_access_key("any")
            .with_client_options(ClientOptions::new().with_allow_http(true))
            .with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() })
            .build()
            .unwrap()
    }

    /// A client of Google's store that does not try again.
    pub fn google_store(&self, bucket: &str) -> GoogleCloudStorage {
        GoogleCloudStorageBuilder::new()
            .with_base_url(&self.endpoint())
            .with_bucket_name(bucket)
            // Without a token it would ask Google's metadata address for one.
            .with_bearer_token("any")
            .with_client_options(ClientOptions::new().with_allow_http(true))
            .with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() })
            .build()
            .unwrap()
    }
}

fn field(entry: &str, name: &str) -> String {
    let (_, rest) = entry.split_once(&format!("<{name}>")).unwrap_or_else(|| panic!("no {name} in {entry}"));
    rest.split('<').next().unwrap().to_owned()
}
