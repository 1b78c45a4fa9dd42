//! An authority of the tests' own, and the certificates it signs for `localhost`, 127.0.0.1 and one client.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

/// PEM files in one folder.
pub struct Certificates {
    folder: PathBuf,
}

impl Certificates {
    /// Make an authority and what it signs below `folder`.
    pub fn make(folder: &Path) -> Self {
        fs::create_dir_all(folder).unwrap();
        let mut params = named("Obscura test authority", &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let certificates = Self { folder: folder.to_owned() };
        fs::write(certificates.ca_file(), authority.pem()).unwrap();
        for (name, names, usage) in [
            ("server", &["localhost", "127.0.0.1"][..], ExtendedKeyUsagePurpose::ServerAuth),
            ("client", &[], ExtendedKeyUsagePurpose::ClientAuth),
        ] {
            let mut params = named(&format!("obscura-test-{name}"), names);
            params.extended_key_usages = vec![usage];
            params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            let key = KeyPair::generate().unwrap();
            let certificate = params.signed_by(&key, &authority).unwrap();
            fs::write(folder.join(format!("{name}.pem")), certificate.pem()).unwrap();
            fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
            // Kafka wants both in one file.
            fs::write(folder.join(format!("{name}.both.pem")), key.serialize_pem() + &certificate.pem()).unwrap();
        }
        certificates
    }

    /// What [`Certificates::make`] made there, or a copy of it.
    pub fn of(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// The authority's certificate, which clients must trust.
    pub fn ca_file(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    pub fn server_certificate_file(&self) -> PathBuf {
        self.folder.join("server.pem")
    }

    pub fn server_key_file(&self) -> PathBuf {
        self.folder.join("server.key")
    }

    /// Key and certificate.
    pub fn server_file(&self) -> PathBuf {
        self.folder.join("server.both.pem")
    }

    /// The server's side of TLS connections.
    pub fn acceptor(&self) -> TlsAcceptor {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let certificate = CertificateDer::from_pem_file(self.server_certificate_file()).unwrap();
        let key = PrivateKeyDer::from_pem_file(self.server_key_file()).unwrap();
        TlsAcceptor::from(Arc::new(config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap()))
    }

    pub fn client_certificate_file(&self) -> PathBuf {
        self.folder.join("client.pem")
    }

    pub fn client_key_file(&self) -> PathBuf {
        self.folder.join("client.key")
    }
}

fn named(name: &str, alternatives: &[&str]) -> CertificateParams {
    let mut params = CertificateParams::new(alternatives.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}
