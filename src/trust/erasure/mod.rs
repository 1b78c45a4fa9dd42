//! Removing what must go, keeping what must stay, and proving both: wipes of a tenant, a project or an uploader, ages of what
//! is kept, and legal holds.
//!
//! What is removed is found by listing the stores, with old versions and delete markers, never by a list of what was once
//! written; and it is listed again afterwards. A store that cannot be listed ends the command, and nothing is certified.

mod certificate;
mod gather;
mod marks;
mod retain;
mod wipe;

pub use self::{
    certificate::{CERTIFICATE_KIND, Counts, Kept},
    gather::{Found, Place, Scope, Selection, places},
    marks::{Mark, Tombstones, hold_key, tombstone_keys},
    retain::{RetainReport, retain},
    wipe::{WipeOptions, WipeReport, lift, wipe},
};
