//! The real parts that tests run against: a Kafka broker and object stores, on the loopback address only, on free
//! ports, with their data in temporary folders. All end with the test process. `docs/testing.md` tells what each lacks.

pub mod azurite;
pub mod child;
pub mod kafka;
pub mod kafka_client;
pub mod moto;
pub mod s3;
pub mod s3_faults;
pub mod s3_service;
pub mod tls;

use std::path::{Path, PathBuf};

/// What `scripts/setup.sh --tests` fetched.
fn installed(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(".setup").join(name);
    assert!(path.exists(), "{} is missing; `scripts/setup.sh --tests` fetches it", path.display());
    path
}

/// The result of `future`, also for a caller that is itself part of one.
pub fn wait<T: Send>(future: impl Future<Output = T> + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope
            .spawn(|| tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future));
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
