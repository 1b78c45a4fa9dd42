//! Obscura removes faces and licence plates from photos, and never publishes what was not checked.
//!
//! The modules follow a photo: [`photo`] opens it, [`detect`] finds faces and plates, [`redact`] obscures them and
//! proves it, [`store`] writes the result. [`pipeline`] leads photos along that path; [`config`] says how.
//! `docs/architecture.md` tells the whole.

pub mod admin;
pub mod config;
pub mod confine;
pub mod cpu;
pub mod detect;
pub mod error;
pub mod event;
pub mod failpoint;
pub mod geometry;
pub mod kafka;
pub mod photo;
pub mod pipeline;
pub mod redact;
pub mod source;
pub mod store;
pub mod telemetry;
pub mod trust;
