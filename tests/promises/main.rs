//! What Obscura promises, attacked. Needs the feature `failpoints`.

#[path = "../support/mod.rs"]
mod support;

mod attack;
mod faults;
mod kills;
mod mutations;
mod places;
mod worker_faults;
