//! Azurite: Azure's blob store, in memory.

use std::process::Command;

use object_store::{
    ClientOptions, RetryConfig,
    azure::{AzureAccessKey, AzureAuthorizer, AzureCredential, MicrosoftAzure, MicrosoftAzureBuilder},
    client::HttpRequestBody,
};
use tempfile::TempDir;

use super::{
    child::{self, Server, free_port},
    installed, wait,
};

pub const ACCOUNT: &str = "obscuratests";
/// Base64, as all keys of Azure.
pub const KEY: &str = "YS1zZWNyZXQtb2YtdGVzdHM=";

pub struct Azurite {
    port: u16,
    // Before the folder: the server must end before its folder goes.
    _server: Server,
    _folder: TempDir,
}

impl Azurite {
    /// Start it; about a second.
    pub fn start() -> Self {
        let folder = child::folder("azurite");
        let port = free_port();
        let mut command = Command::new("node");
        command.arg(installed("azurite").join("node_modules/azurite/dist/src/blob/main.js"));
        // It would tell its maker of every start.
        command.args(["--disableTelemetry", "--silent", "--inMemoryPersistence", "--skipApiVersionCheck"]);
        command.args(["--blobHost", "127.0.0.1", "--blobPort", &port.to_string()]);
        command.env("AZURITE_ACCOUNTS", format!("{ACCOUNT}:{KEY}"));
        let mut server = Server::start(&command, folder.path().join("log"));
        server.wait_until("Azurite listens", |server| server.log().contains("successfully listens")).unwrap();
        Self { port, _server: server, _folder: folder }
    }

    /// With the account as the first part of the path.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}/{ACCOUNT}", self.port)
    }

    /// No client of `object_store` can do this.
    pub fn create_container(&self, name: &str) {
        let url = format!("{}/{name}?restype=container", self.endpoint());
        let mut request =
            hyper::Request::put(url).header("content-length", "0").body(HttpRequestBody::empty()).unwrap();
        let credential = AzureCredential::AccessKey(AzureAccessKey::try_new(KEY).unwrap());
        AzureAuthorizer::new(&credential, ACCOUNT).try_authorize(&mut request).unwrap();
        let request = request.map(|_| Vec::new()).try_into().unwrap();
        let answer = wait(async { reqwest::Client::new().execute(request).await }).unwrap();
        assert_eq!(answer.status(), 201, "{answer:?}");
    }

    /// A client that does not try again, so that tests see each fault.
    pub fn store(&self, container: &str) -> MicrosoftAzure {
        self.store_with(container, KEY)
    }

    pub fn store_with(&self, container: &str, key: &str) -> MicrosoftAzure {
        let retry = RetryConfig { max_retries: 0, ..RetryConfig::default() };
        self.builder(container, key).with_retry(retry).build().unwrap()
    }

    /// What a client of this server must be told.
    pub fn builder(&self, container: &str, key: &str) -> MicrosoftAzureBuilder {
        MicrosoftAzureBuilder::new()
            .with_endpoint(self.endpoint())
            .with_account(ACCOUNT)
            .with_access_key(key)
            .with_container_name(container)
            .with_client_options(ClientOptions::new().with_allow_http(true))
    }
}
