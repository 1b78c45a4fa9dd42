//! Obscura removes faces and licence plates from photos, and never publishes what was not checked.
//!
//! The modules follow a photo: [`photo`] opens it, [`detect`] finds faces and plates, [`redact`] obscures them and
//! proves it, [`store`] writes the result. [`pipeline`] leads photos along that path; [`config`] says how.
//! [`eval`] measures how much of what must be hidden is hidden. `docs/architecture.md` tells the whole.

pub mod admin;
pub mod config;
pub mod confine;
pub mod cpu;
pub mod detect;
pub mod error;
pub mod eval;
pub mod event;
pub mod failpoint;
pub mod geometry;
pub mod kafka;
pub mod photo;
pub mod pipeline;
pub mod plan;
pub mod redact;
pub mod source;
pub mod store;
mod strict_json;
pub mod telemetry;
pub mod trust;

/// What this program calls itself: as git describes it in a release (`make release`), else the version of the package. Only
/// told, never decided by: results follow from the package's version.
pub const VERSION: &str = match option_env!("OBSCURA_VERSION") {
    Some(described) => described,
    None => env!("CARGO_PKG_VERSION"),
};
