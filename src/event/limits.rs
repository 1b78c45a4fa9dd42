//! How much an event may say. More than any store or honest sender needs, and little enough to hold a thousand times.

/// A message. Brokers take 1 MiB by default.
pub const MAX_PAYLOAD_BYTES: usize = 1 << 20;
/// Lists and objects inside each other. The deepest known event has seven.
pub const MAX_DEPTH: usize = 24;
/// Values in a message, so that a message of brackets and commas does not become a hundred times as large in memory.
pub const MAX_VALUES: usize = 100_000;
/// Records in a message.
pub const MAX_RECORDS: usize = 1000;
/// Envelopes inside each other, such as a notification in a queue's message.
pub const MAX_WRAPS: usize = 4;
/// An object's key; S3, GCS and Azure allow no more characters.
pub const MAX_KEY_BYTES: usize = 1024;
/// A signed URL. The longest known, with a session token, have about 3 KiB.
pub const MAX_URL_BYTES: usize = 8192;
/// Names of buckets, accounts, tenants, projects, regions and kinds; etags.
pub const MAX_NAME_BYTES: usize = 256;
/// S3's version ids have up to 1024 bytes.
pub const MAX_VERSION_BYTES: usize = 1024;
/// Paths of cloud resources, and values of headers.
pub const MAX_TEXT_BYTES: usize = 4096;
