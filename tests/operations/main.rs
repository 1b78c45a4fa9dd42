//! What operators rely on: the image's files, the configurations that are shipped, alerts and dashboards.

#[path = "../support/mod.rs"]
mod support;

mod images;
mod planning;
mod prometheus;
mod regions;
mod status_page;
