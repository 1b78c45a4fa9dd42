//! The worker on a real broker and real stores. Needs the feature `failpoints`.

#[path = "../support/mod.rs"]
mod support;

mod connections;
mod delivery;
mod groups;
mod kills;
mod outages;
mod regions;
mod replays;
mod reprocess;
mod world;
