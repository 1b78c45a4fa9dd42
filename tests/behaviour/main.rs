//! What a user sees, through the program.

#[path = "../support/mod.rs"]
mod support;

mod admin;
mod bad_input;
mod command_line;
mod doctor;
mod eval;
mod formats;
mod health;
mod metadata;
mod redaction;
mod reference;
mod reprocess;
mod shadow;
mod splice;
mod user_models;
mod worker;
