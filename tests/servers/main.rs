//! The servers that tests run against do what tests take from them.

#[path = "../support/mod.rs"]
mod support;

mod azure;
mod kafka;
mod moto;
mod orphans;
mod s3;
