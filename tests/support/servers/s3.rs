//! An S3 server in the test process: `s3s-fs`, which checks signatures and keeps a bucket as a folder, behind a service
//! that logs every request, injects faults and adds what `s3s-fs` lacks: atomic conditional puts, conditional reads and
//! deletes, regions and owners of buckets.

use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use object_store::{
    Certificate, ClientOptions, ObjectStore, ObjectStoreExt, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder},
};
use s3s::{auth::SimpleAuth, service::S3ServiceBuilder};
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::oneshot};

use super::{
    child,
    s3_faults::{Injected, Rule},
    s3_service::{Access, Front},
    tls::Certificates,
    wait,
};

/// Keys of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    pub access_key: String,
    pub secret_key: String,
}

impl Keys {
    pub fn new(access_key: &str, secret_key: &str) -> Self {
        Self { access_key: access_key.to_owned(), secret_key: secret_key.to_owned() }
    }
}

impl Default for Keys {
    fn default() -> Self {
        Self::new("TESTKEY", "a-secret-of-tests")
    }
}

#[derive(Debug, Clone)]
pub struct S3Options {
    /// The region that a HEAD of a bucket tells.
    pub region: String,
    /// Buckets of other regions.
    pub bucket_regions: BTreeMap<String, String>,
    /// Users beside the default one.
    pub users: Vec<Keys>,
    /// The access keys of the only users who may use certain buckets; all may use the others.
    pub owners: BTreeMap<String, String>,
    /// Serve https with a certificate for `localhost`.
    pub tls: bool,
    /// Keep a CRC-64 of each object and tell it to who asks, as Amazon does for every upload.
    pub checksums: bool,
}

impl Default for S3Options {
    fn default() -> Self {
        let (bucket_regions, owners) = (BTreeMap::new(), BTreeMap::new());
        let region = "eu-central-1".to_owned();
        Self { region, bucket_regions, users: Vec::new(), owners, tls: false, checksums: false }
    }
}

pub struct S3Server {
    root: PathBuf,
    address: SocketAddr,
    region: String,
    certificates: Option<Certificates>,
    front: Arc<Front>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
    _folder: TempDir,
}

impl S3Server {
    /// A server without buckets, whose data goes with it.
    pub fn new() -> Self {
        Self::with(S3Options::default())
    }

    pub fn with(options: S3Options) -> Self {
        let folder = child::folder("s3");
        let root = folder.path().join("data");
        fs::create_dir(&root).unwrap();
        Self::start_in(root, options, folder)
    }

    /// A server of the buckets in `root`.
    pub fn start(root: &Path, options: S3Options) -> Self {
        Self::start_in(root.to_owned(), options, child::folder("s3"))
    }

    fn start_in(root: PathBuf, options: S3Options, folder: TempDir) -> Self {
        let mut users = SimpleAuth::new();
        for keys in options.users.iter().chain([&Keys::default()]) {
            users.register(keys.access_key.clone(), keys.secret_key.clone().into());
        }
        let mut service = S3ServiceBuilder::new(FileSystem::new(&root).unwrap());
        service.set_auth(users);
        // Without a check of signatures, for what the front itself must know.
        let trusting = S3ServiceBuilder::new(FileSystem::new(&root).unwrap()).build();
        let front = Arc::new(Front::new(service.build(), trusting, root.clone(), options.clone()));
        let certificates = options.tls.then(|| Certificates::make(&folder.path().join("certificates")));
        let acceptor = certificates.as_ref().map(Certificates::acceptor);
        let (stop, stopped) = oneshot::channel();
        let (ready, address) = std::sync::mpsc::channel();
        let serving = Arc::clone(&front);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                ready.send(listener.local_addr().unwrap()).unwrap();
                tokio::select! {
                    () = serving.serve(listener, acceptor) => {}
                    _ = stopped => {}
                }
            });
            runtime.shutdown_background();
        });
        let address = address.recv().unwrap();
        let (stop, thread) = (Some(stop), Some(thread));
        Self { root, address, region: options.region, certificates, front, stop, thread, _folder: folder }
    }

    /// `http://127.0.0.1:port`, or `https://localhost:port`.
    pub fn endpoint(&self) -> String {
        match self.certificates {
            Some(_) => format!("https://localhost:{}", self.address.port()),
            None => format!("http://{}", self.address),
        }
    }

    /// Of a server with TLS.
    pub fn certificates(&self) -> &Certificates {
        self.certificates.as_ref().expect("start it with `tls: true`")
    }

    /// Where a bucket's objects lie.
    pub fn folder(&self, bucket: &str) -> PathBuf {
        self.root.join(bucket)
    }

    pub fn create_bucket(&self, name: &str) {
        fs::create_dir(self.root.join(name)).unwrap();
    }

    /// A client that does not try again, so that tests see each fault.
    pub fn store(&self, bucket: &str) -> AmazonS3 {
        self.store_with(bucket, &Keys::default())
    }

    pub fn store_with(&self, bucket: &str, keys: &Keys) -> AmazonS3 {
        let retry = RetryConfig { max_retries: 0, ..RetryConfig::default() };
        self.builder(bucket, keys).with_retry(retry).build().unwrap()
    }

    /// What a client of this server must be told.
    pub fn builder(&self, bucket: &str, keys: &Keys) -> AmazonS3Builder {
        let mut options = ClientOptions::new().with_allow_http(true).with_timeout(Duration::from_secs(30));
        if let Some(certificates) = &self.certificates {
            let authority = fs::read(certificates.ca_file()).unwrap();
            options = options.with_root_certificate(Certificate::from_pem(&authority).unwrap());
        }
        AmazonS3Builder::new()
            .with_endpoint(self.endpoint())
            .with_region(&self.region)
            .with_bucket_name(bucket)
            .with_access_key_id(&keys.access_key)
            .with_secret_access_key(&keys.secret_key)
            .with_client_options(options)
    }

    pub fn put(&self, bucket: &str, key: &str, bytes: &[u8]) {
        wait(async { self.store(bucket).put(&path(key), bytes.to_vec().into()).await }).unwrap();
    }

    pub fn get(&self, bucket: &str, key: &str) -> Vec<u8> {
        wait(async { self.store(bucket).get(&path(key)).await.unwrap().bytes().await }).unwrap().to_vec()
    }

    /// All keys of a bucket, sorted.
    pub fn keys(&self, bucket: &str) -> Vec<String> {
        let listed =
            wait(async { futures_util::TryStreamExt::try_collect::<Vec<_>>(self.store(bucket).list(None)).await });
        let mut keys: Vec<String> = listed.unwrap().into_iter().map(|object| object.location.to_string()).collect();
        keys.sort();
        keys
    }

    pub fn inject(&self, rule: Rule) -> Arc<Injected> {
        self.front.faults.inject(rule)
    }

    pub fn clear_faults(&self) {
        self.front.faults.clear();
    }

    /// Every request so far, those of `put`, `get` and `keys` too.
    pub fn access_log(&self) -> Vec<Access> {
        self.front.log.lock().unwrap().clone()
    }

    pub fn clear_access_log(&self) {
        self.front.log.lock().unwrap().clear();
    }
}

/// The key as it is; `Path::from` would escape parts of it.
pub fn path(key: &str) -> object_store::path::Path {
    object_store::path::Path::parse(key).unwrap()
}

impl Drop for S3Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
