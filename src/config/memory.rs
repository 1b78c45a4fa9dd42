//! What a configuration can take, for the memory limit of a container.

use super::Config;

/// Expected peak memory in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpectedMemory {
    /// While photos of 12 megapixels are in work on every thread.
    pub typical_bytes: u64,
    /// When every limit is used up at once.
    pub worst_bytes: u64,
}

/// The program, the library and the models, measured.
const BASE_BYTES: u64 = 80 << 20;
/// What the sessions of one thread keep for their largest views, measured.
const SESSION_BYTES: u64 = 230 << 20;
/// One decoded photo of 12 megapixels, its file, its result and copies of regions.
const TYPICAL_PHOTO_BYTES: u64 = 60 << 20;

impl Config {
    #[must_use]
    pub fn expected_memory(&self) -> ExpectedMemory {
        let threads = self.worker_count() as u64;
        // A file is held twice (as it came and without its metadata) beside its result.
        let files = 3 * self.limits.max_encoded_bytes * threads;
        let largest_photo = self.limits.max_pixels * 4;
        ExpectedMemory {
            typical_bytes: BASE_BYTES + threads * (SESSION_BYTES + TYPICAL_PHOTO_BYTES),
            worst_bytes: BASE_BYTES + threads * SESSION_BYTES + files + 2 * self.decoded_bytes.max(largest_photo),
        }
    }
}
