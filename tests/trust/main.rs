//! What is proved to those who were not there, and attacks on the proofs, through the program.

#[path = "../support/mod.rs"]
mod support;
#[path = "../stream/world.rs"]
#[allow(dead_code, reason = "shared with the tests of the stream")]
mod world;

mod admin;
mod audit;
mod confined;
mod envelope;
mod kms;
mod leaks;
mod pseudonyms;
mod receipts;
mod rights;
mod wipe;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// A pair of keys made by `obscura receipt keygen`.
pub(crate) struct KeyPair {
    pub(crate) private: PathBuf,
    pub(crate) public: PathBuf,
}

impl KeyPair {
    pub(crate) fn make(dir: &Path, name: &str) -> Self {
        let pair = Self { private: dir.join(format!("{name}.key")), public: dir.join(format!("{name}.pub")) };
        let said = run(support::obscura()
            .args(["receipt", "keygen", "--private"])
            .arg(&pair.private)
            .arg("--public")
            .arg(&pair.public));
        assert_eq!(said.code, 0, "{}", said.stderr);
        pair
    }
}

/// What a command said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

pub(crate) fn run(command: &mut Command) -> Said {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Said { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
}
