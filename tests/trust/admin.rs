//! The admin port with certificates on both sides, and the plain port for probes beside it.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    sync::Arc,
};

use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    version::{TLS12, TLS13},
};

use crate::{
    run,
    support::{Bench, obscura, servers::tls::Certificates, worker::Worker},
};

const BOTH: &[&SupportedProtocolVersion] = &[&TLS12, &TLS13];

/// What the worker answers; an error if it does not let us in. `own` is a client's certificate, if there is one.
fn get(
    address: SocketAddr,
    path: &str,
    ca: &Certificates,
    own: Option<&Certificates>,
    versions: &[&'static SupportedProtocolVersion],
) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca.ca_file()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let config = config.with_protocol_versions(versions).unwrap().with_root_certificates(roots);
    let config = match own {
        None => config.with_no_client_auth(),
        Some(own) => {
            let certificate = CertificateDer::from_pem_file(own.client_certificate_file()).unwrap();
            let key = PrivateKeyDer::from_pem_file(own.client_key_file()).unwrap();
            config.with_client_auth_cert(vec![certificate], key).unwrap()
        }
    };
    let connection = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
    let mut stream = StreamOwned::new(connection, TcpStream::connect(address)?);
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    match stream.read_to_string(&mut answer) {
        // Some servers end without a word; what was answered counts.
        Err(error) if answer.is_empty() => Err(error),
        _ => Ok(answer),
    }
}

fn start(bench: &Bench, certificates: &Certificates) -> Worker {
    let text = |path: std::path::PathBuf| path.display().to_string();
    let files = [
        text(certificates.server_certificate_file()),
        text(certificates.server_key_file()),
        text(certificates.ca_file()),
    ];
    let [certificate, key, ca] = files.each_ref().map(String::as_str);
    let args = ["--admin-certificate-file", certificate, "--admin-key-file", key, "--admin-client-ca-file", ca];
    Worker::start(bench, &[&args[..], &["--probe-listen", "127.0.0.1:0"]].concat())
}

#[test]
fn only_who_shows_a_certificate_is_answered_and_probes_have_a_port_of_their_own() {
    let bench = Bench::new();
    let (ours, strangers) =
        (Certificates::make(&bench.dir.path().join("ours")), Certificates::make(&bench.dir.path().join("strangers")));
    let mut worker = start(&bench, &ours);
    let address = worker.address();
    let probes: SocketAddr =
        worker.wait_for("the port for probes is open")["address"].as_str().unwrap().parse().unwrap();
    worker.wait_for("ready");
    for versions in [&BOTH[..1], &BOTH[1..]] {
        for path in ["/", "/metrics", "/livez", "/readyz"] {
            let answer = get(address, path, &ours, Some(&ours), versions).unwrap();
            assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
        }
        for own in [None, Some(&strangers)] {
            let refused = get(address, "/livez", &ours, own, versions);
            assert!(refused.is_err(), "{refused:?}");
        }
    }
    assert!(!Worker::get(address, "/livez").contains("200 OK"), "in the clear");
    // TLS 1.1 (RFC 4346, 7.4.1.2): an alert comes back, no server's hello.
    let suites = [0, 4, 0, 0x2F, 0xC0, 0x13];
    let hello = [&[3, 2][..], &[7; 32], &[0], &suites, &[1, 0]].concat();
    let message = [&[1, 0, 0, hello.len() as u8][..], &hello].concat();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(&[&[0x16, 3, 1, 0, message.len() as u8][..], &message].concat()).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert_eq!(answer.first(), Some(&0x15), "{answer:?}");

    for (path, status) in [("/livez", 200), ("/readyz", 200), ("/metrics", 404), ("/", 404), ("/events", 404)] {
        assert!(Worker::get(probes, path).starts_with(&format!("HTTP/1.1 {status}")), "{path}");
    }
    let health = |args: &[&str]| run(obscura().arg("health").args(args)).code;
    assert_eq!(health(&["--ready", "--probe-listen", &probes.to_string()]), 0);
    assert_eq!(health(&["--listen", &address.to_string()]), 1);
    worker.stop();
}

#[test]
fn certificates_that_are_replaced_count_without_a_restart() {
    let bench = Bench::new();
    let folder = bench.dir.path().join("certificates");
    let before = Certificates::make(&folder);
    let mut worker = start(&bench, &before);
    let address = worker.address();
    let kept = bench.dir.path().join("kept");
    copy(&folder, &kept);
    // Half of it is there: what was, stays.
    fs::write(before.server_key_file(), "no key").unwrap();
    let old = Certificates::of(&kept);
    assert!(get(address, "/livez", &old, Some(&old), BOTH).is_ok());
    worker.wait_for("the admin port keeps its certificates: the new ones are of no use");
    let new = Certificates::make(&folder);
    assert!(get(address, "/livez", &new, Some(&new), BOTH).is_ok());
    assert!(get(address, "/livez", &new, Some(&old), BOTH).is_err(), "signed by whom nobody knows any more");
    worker.wait_for("the admin port has new certificates");
    worker.stop();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[test]
fn half_of_the_certificates_is_no_configuration() {
    let bench = Bench::new();
    let certificates = Certificates::make(&bench.dir.path().join("certificates"));
    let path = certificates.server_certificate_file().display().to_string();
    let mut worker = Worker::start(&bench, &["--admin-certificate-file", &path]);
    assert_eq!(worker.wait().code(), Some(2));
    assert!(worker.log_text().contains("together, found some of them"), "{}", worker.log_text());
    // A key that is none.
    let all = ["--admin-certificate-file", &path, "--admin-key-file", &path, "--admin-client-ca-file", &path];
    let mut worker = Worker::start(&bench, &all);
    assert_eq!(worker.wait().code(), Some(2));
    assert!(worker.log_text().contains("expected a private key in PEM"), "{}", worker.log_text());
}
