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
/// What the Kafka client keeps of messages that are not acknowledged.
const SEND_BUFFER_BYTES: u64 = 16 << 20;
/// Clients of Kafka and stores, measured.
const TYPICAL_STREAM_BYTES: u64 = 40 << 20;
/// One decoded photo of 12 megapixels, its file, its result and copies of regions.
const TYPICAL_PHOTO_BYTES: u64 = 70 << 20;

impl Config {
    #[must_use]
    pub fn expected_memory(&self) -> ExpectedMemory {
        let threads = self.worker_count() as u64;
        // One more photo than threads is between open and verify.
        let in_work = threads + 1;
        let sessions = threads * SESSION_BYTES;
        // Files and results are in the budget, but for a single file that is larger; decoders see cleaned copies.
        let files = self.encoded_budget_bytes().max(2 * self.limits.max_encoded_bytes);
        let copies = in_work * self.limits.max_encoded_bytes;
        let largest_photo = self.limits.max_pixels * 4;
        let stream = self.stream.as_ref().map_or(0, |stream| {
            // Messages inside the client and in the partitions' buffers, those that are sent, and an original on its way
            // to a vault, read back.
            2 * stream.kafka.fetch_bytes + SEND_BUFFER_BYTES + 2 * self.limits.max_encoded_bytes
        });
        ExpectedMemory {
            typical_bytes: BASE_BYTES + stream.min(TYPICAL_STREAM_BYTES) + sessions + in_work * TYPICAL_PHOTO_BYTES,
            worst_bytes: BASE_BYTES + stream + sessions + files + copies + 2 * self.decoded_bytes.max(largest_photo),
        }
    }
}
