//! What a worker gives up before it looks at the first photo: writing anywhere but where its results go, starting programs,
//! gaining privileges, and leaving its memory in core dumps. A decoder that is taken over by a hostile photo has none of
//! these either.

use std::path::Path;

use landlock::{
    ABI, AccessFs, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus, path_beneath_rules,
};
use rustix::{
    process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit},
    thread::set_no_new_privs,
};

use crate::error::FatalError;

/// Whether a worker confines itself, as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confine {
    /// As far as the kernel knows how.
    #[default]
    Auto,
    /// Wholly, or the worker does not start.
    Require,
    Off,
}

/// How far it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confined {
    Wholly,
    /// The kernel knows only some of it.
    Partly,
    /// Writing and programs are as before: this kernel has no landlock.
    WithoutLandlock,
}

/// The kernel of Linux 6.2 and later knows all of it.
const RIGHTS: ABI = ABI::V3;
/// Devices: `/dev/null`, accelerators.
const DEVICES: &str = "/dev";

/// Confine this thread and all that it starts from now on: call it before there are others. Files are written only below
/// `writable`, folders that exist.
///
/// # Errors
/// If something cannot be given up and `mode` requires it.
pub fn confine(mode: Confine, writable: &[&Path]) -> Result<Option<Confined>, FatalError> {
    if mode == Confine::Off {
        return Ok(None);
    }
    let failed = |what: &str, why: &str| {
        FatalError::new(format!("cannot {what}: {why}"), "set `process.confine` to \"off\" if this must be")
    };
    let no_cores = Rlimit { current: Some(0), maximum: Some(0) };
    let steps = [
        ("forbid core dumps", setrlimit(Resource::Core, no_cores)),
        ("keep its memory to itself", set_dumpable_behavior(DumpableBehavior::NotDumpable)),
        ("give up new privileges", set_no_new_privs(true)),
    ];
    for (what, done) in steps {
        if let Err(error) = done {
            if mode == Confine::Require {
                return Err(failed(what, &error.to_string()));
            }
            tracing::warn!(%error, "cannot {what}");
        }
    }
    let confined = match restrict(writable) {
        Ok(RulesetStatus::FullyEnforced) => Confined::Wholly,
        Ok(RulesetStatus::PartiallyEnforced) => Confined::Partly,
        Ok(RulesetStatus::NotEnforced) => Confined::WithoutLandlock,
        Err(error) => return Err(failed("give up writing", &error.to_string())),
    };
    if mode == Confine::Require && confined != Confined::Wholly {
        return Err(failed("give up writing", "this kernel has no landlock, or an old one"));
    }
    Ok(Some(confined))
}

fn restrict(writable: &[&Path]) -> Result<RulesetStatus, RulesetError> {
    let writing = AccessFs::from_write(RIGHTS);
    // No rule allows execution, so nothing can be started.
    let ruleset = Ruleset::default().handle_access(writing | AccessFs::Execute)?.create()?;
    let below = writable.iter().copied().chain([Path::new(DEVICES)]);
    Ok(ruleset.add_rules(path_beneath_rules(below, writing))?.restrict_self()?.ruleset)
}

#[cfg(test)]
mod tests {
    use std::{fs, process::Command, thread};

    use super::*;

    /// In a thread of its own: only that one is confined.
    #[test]
    fn a_confined_thread_writes_where_it_may_and_starts_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (inside, outside) = (dir.path().join("in"), dir.path().join("out"));
        for folder in [&inside, &outside] {
            fs::create_dir(folder).unwrap();
            fs::write(folder.join("old"), b"old").unwrap();
        }
        let confined = thread::spawn(move || {
            assert_eq!(confine(Confine::Require, &[&inside]).unwrap(), Some(Confined::Wholly));
            fs::write(inside.join("new"), b"new").unwrap();
            fs::rename(inside.join("new"), inside.join("newer")).unwrap();
            assert_eq!(fs::read(outside.join("old")).unwrap(), b"old", "reading is not restricted");
            let denied = [
                fs::write(outside.join("new"), b"new"),
                fs::write(outside.join("old"), b"new"),
                fs::remove_file(outside.join("old")),
                fs::create_dir(outside.join("folder")),
                fs::rename(inside.join("old"), outside.join("moved")),
                std::os::unix::fs::symlink("/etc/passwd", outside.join("link")),
                Command::new("/bin/true").status().map(drop),
            ];
            for (attempt, result) in denied.iter().enumerate() {
                assert!(result.is_err(), "attempt {attempt} went through");
            }
            let status = fs::read_to_string("/proc/thread-self/status").unwrap();
            assert!(status.contains("NoNewPrivs:\t1"), "{status}");
            let limits = fs::read_to_string("/proc/self/limits").unwrap();
            let core: Vec<&str> =
                limits.lines().find(|line| line.starts_with("Max core")).unwrap().split_whitespace().collect();
            assert_eq!(&core[4..6], ["0", "0"], "{limits}");
        });
        confined.join().unwrap();
    }

    #[test]
    fn nothing_is_given_up_where_nobody_asks_for_it() {
        assert_eq!(confine(Confine::Off, &[]).unwrap(), None);
    }
}
