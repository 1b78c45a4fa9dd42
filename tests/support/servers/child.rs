//! Programs that run beside the tests. They end with the test process, however it ends, and so do their folders.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Mutex, OnceLock, mpsc},
    thread::sleep,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::support::random::Random;

/// Far longer than any start takes; only what never happens fails because of it.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A folder for a server, removed when dropped or, if that never happens, when this process ends.
pub fn folder(name: &str) -> TempDir {
    static ROOT: OnceLock<(PathBuf, ChildStdin)> = OnceLock::new();
    let (root, _) = ROOT.get_or_init(|| {
        let root = tempfile::Builder::new().prefix("obscura-servers-").tempdir().unwrap().keep();
        let broom = sweep_when_we_end(&root);
        (root, broom)
    });
    tempfile::Builder::new().prefix(&format!("{name}-")).tempdir_in(root).unwrap()
}

/// Start a process that removes `root` once the pipe to it closes, as all pipes do when their process ends.
fn sweep_when_we_end(root: &Path) -> ChildStdin {
    // The servers may still be writing while they are killed, so that removal takes more than one attempt.
    const SCRIPT: &str = r#"
        trap "" INT TERM HUP
        read -r _
        attempts=0
        until rm -rf -- "$1" || [ "$attempts" = 100 ]; do
            attempts=$((attempts + 1))
            sleep 0.1
        done
    "#;
    let mut command = Command::new("sh");
    command.args(["-c", SCRIPT, "sh"]).arg(root);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap().stdin.take().unwrap()
}

/// A port of the loopback address that nobody listens on, and that no outgoing connection gets by chance: a server
/// that is away for a while finds it free again.
pub fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let ephemeral = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let end = ephemeral.split_whitespace().next().and_then(|start| start.parse().ok()).unwrap_or(32_768);
    let start = 10_240;
    assert!(end > start + 1000, "expected ports that are not for outgoing connections, found them to start at {end}");
    let mut given = GIVEN.lock().unwrap();
    // Test processes that run side by side must not ask for the same ports in the same order.
    let nanos = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
    let mut random = Random(nanos ^ (u64::from(std::process::id()) << 32));
    loop {
        let port = start + random.below(usize::from(end - start)) as u16;
        if !given.contains(&port) && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            given.insert(port);
            return port;
        }
    }
}

/// A running server program.
pub struct Server {
    child: Child,
    log: PathBuf,
}

impl Server {
    /// Run `command` with its output in the file `log`.
    pub fn start(command: &Command, log: PathBuf) -> Self {
        let output = File::create(&log).unwrap();
        let mut watched = Command::new("setpriv");
        watched.args(["--pdeathsig", "KILL", "--"]).arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => watched.env(name, value),
                None => watched.env_remove(name),
            };
        }
        watched.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
        Self { child: spawn_from_lasting_thread(watched), log }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap()).into_owned()
    }

    /// Wait until `is_ready` tells so. An error if the program ends before.
    pub fn wait_until(&mut self, what: &str, mut is_ready: impl FnMut(&Self) -> bool) -> Result<(), String> {
        let started = Instant::now();
        while !is_ready(self) {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Err(format!("the server ended with {status} before: {what}\n{}", self.log()));
            }
            assert!(started.elapsed() < PATIENCE, "never: {what}\n{}", self.log());
            sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.pid().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Ask for an orderly end, and see it.
    pub fn stop(mut self) {
        self.signal("TERM");
        let started = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            assert!(started.elapsed() < PATIENCE, "the server does not end\n{}", self.log());
            sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The kernel kills a child when the *thread* that started it ends, and a test's thread ends with the test.
fn spawn_from_lasting_thread(command: Command) -> Child {
    type Order = (Command, mpsc::Sender<Child>);
    static NURSERY: OnceLock<Mutex<mpsc::Sender<Order>>> = OnceLock::new();
    let nursery = NURSERY.get_or_init(|| {
        let (sender, orders) = mpsc::channel::<Order>();
        std::thread::spawn(move || {
            for (mut command, answer) in orders {
                let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
                let _ = answer.send(child);
            }
        });
        Mutex::new(sender)
    });
    let (sender, answer) = mpsc::channel();
    nursery.lock().unwrap().send((command, sender)).unwrap();
    answer.recv().expect("the program can be started; `scripts/setup.sh --tests` installs what is missing")
}
