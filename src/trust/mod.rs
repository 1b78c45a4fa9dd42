//! Proofs for those who were not there: signed documents that anybody with a public key can check.
//!
//! Every document is a JSON object with a `kind`, signed with Ed25519 (RFC 8032) over its canonical form (RFC 8785)
//! without the signature's value. No document holds a name of a person, a tenant or a photo.

pub mod audit;
mod canonical;
mod envelope;
pub mod erasure;
mod keys;
mod pseudonym;
mod receipt;
mod signed;

pub use self::{
    canonical::{canonical, read_strictly},
    envelope::{
        ENVELOPE_OVERHEAD_BYTES, ENVELOPE_SUFFIX, Envelope, EnvelopeProblem, ObjectKey, ProjectKey, ProjectKeys,
        read_project_keys,
    },
    keys::{KeyFileError, PublicKeys, SigningKey, new_key_pair},
    pseudonym::{Pseudonyms, Role, Subject, is_pseudonym},
    receipt::{CheckedReceipt, ReceiptProblem, ReceiptWriter, check_receipt},
    signed::{SignatureProblem, sign, verify},
};

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
