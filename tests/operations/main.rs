//! What operators rely on: the image's files, the configurations that are shipped, alerts, dashboards and
//! releases.

#[path = "../support/mod.rs"]
mod support;

mod images;
mod planning;
mod prometheus;
mod regions;
mod release;
mod status_page;
