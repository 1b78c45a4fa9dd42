//! Mutual TLS on the admin port: only who shows a certificate of the named authority is answered. TLS 1.2 or later, as
//! rustls does it. Files that are replaced count for the next connection, without a restart.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        RootCertStore, ServerConfig,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
        server::WebPkiClientVerifier,
    },
    server::TlsStream,
};

use crate::{config::AdminTls, error::FatalError};

/// A handshake takes a few packets.
const MAX_HANDSHAKE: Duration = Duration::from_secs(5);

/// Size and time of each file, by which a change is seen.
type Stamps = Vec<(u64, Option<SystemTime>)>;

/// What connections are accepted with.
pub(super) struct Tls {
    files: AdminTls,
    current: Mutex<(Stamps, TlsAcceptor)>,
}

impl Tls {
    /// # Errors
    /// If a file cannot be used.
    pub fn open(files: AdminTls) -> Result<Self, FatalError> {
        let cannot = |why: String| {
            FatalError::new(
                format!("cannot use the certificates of the admin port: {why}"),
                "`admin.certificate_file`, `admin.key_file` and `admin.client_ca_file` are files in PEM",
            )
        };
        let stamps = stamps(&files).map_err(|error| cannot(error.to_string()))?;
        let acceptor = acceptor(&files).map_err(cannot)?;
        Ok(Self { files, current: Mutex::new((stamps, acceptor)) })
    }

    /// The connection once the other side has shown who it is.
    pub async fn accept(self: Arc<Self>, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let acceptor = tokio::task::spawn_blocking(move || self.acceptor()).await.map_err(io::Error::other)?;
        timeout(MAX_HANDSHAKE, acceptor.accept(stream)).await?
    }

    /// With the files as they are now. What cannot be used, such as one of two files that are being replaced, changes nothing.
    fn acceptor(&self) -> TlsAcceptor {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(found) = stamps(&self.files)
            && found != current.0
        {
            match acceptor(&self.files) {
                Ok(acceptor) => {
                    *current = (found, acceptor);
                    tracing::info!("the admin port has new certificates");
                }
                Err(error) => {
                    tracing::warn!(error, "the admin port keeps its certificates: the new ones are of no use");
                }
            }
        }
        current.1.clone()
    }
}

fn stamps(files: &AdminTls) -> io::Result<Stamps> {
    let stamp = |path: &PathBuf| fs::metadata(path).map(|facts| (facts.len(), facts.modified().ok()));
    [&files.certificate, &files.key, &files.client_ca].into_iter().map(stamp).collect()
}

fn acceptor(files: &AdminTls) -> Result<TlsAcceptor, String> {
    let unfit = |path: &Path, what: &str| format!("`{}`: expected {what} in PEM", path.display());
    let certificates = |path: &Path| -> Result<Vec<CertificateDer<'static>>, String> {
        let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
        found.ok().filter(|found| !found.is_empty()).ok_or_else(|| unfit(path, "certificates"))
    };
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|_| unfit(&files.key, "a private key"))?;
    let mut roots = RootCertStore::empty();
    for authority in certificates(&files.client_ca)? {
        roots.add(authority).map_err(|error| format!("`{}`: {error}", files.client_ca.display()))?;
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build();
    let clients = clients.map_err(|error| format!("`{}`: {error}", files.client_ca.display()))?;
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_client_cert_verifier(clients)
        .with_single_cert(certificates(&files.certificate)?, key)
        .map_err(|error| format!("`{}`: {error}", files.certificate.display()))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
