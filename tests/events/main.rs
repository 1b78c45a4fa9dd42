//! What upload events of every kind are taken for, and where the routes send them.

mod attacks;
mod config;
mod examples;
mod kinds;
mod mutations;
mod names;
mod routes;
mod secrets;
mod urls;
