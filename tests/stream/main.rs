//! The worker on a real broker and real stores. Needs the feature `failpoints`.

#[path = "../support/mod.rs"]
mod support;

mod connections;
mod replays;
