use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
    time::Instant,
};

use crate::support::servers::child::PATIENCE;

fn wait_until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// The process of that name that `parent` started, and where it writes to.
fn server_of(parent: u32, name: &str) -> Option<(PathBuf, PathBuf)> {
    fs::read_dir("/proc").unwrap().flatten().find_map(|entry| {
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        let (start, rest) = stat.rsplit_once(") ")?;
        let is_ours = rest.split(' ').nth(1)? == parent.to_string() && start.ends_with(&format!("({name}"));
        is_ours.then_some((entry.path(), fs::read_link(entry.path().join("fd/1")).ok()?))
    })
}

#[test]
fn servers_and_folders_end_with_a_killed_test_process() {
    let mut tests = Command::new(std::env::current_exe().unwrap());
    tests.args(["--exact", "azure::azurite_keeps_and_guards_what_is_put"]).stdout(Stdio::null());
    let mut tests = tests.spawn().unwrap();
    let (server, log) = wait_until("the server starts", || server_of(tests.id(), "node"));
    assert!(log.exists(), "{}", log.display());
    tests.kill().unwrap();
    tests.wait().unwrap();
    wait_until("the server ends", || (!server.exists()).then_some(()));
    wait_until("its folder goes", || (!log.parent().unwrap().parent().unwrap().exists()).then_some(()));
}
