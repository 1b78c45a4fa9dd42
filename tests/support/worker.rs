//! A worker that runs while a test does something to it.

use std::{
    fs::{self, File},
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{Bench, obscura};

/// Far longer than anything takes; only what never happens fails because of it.
const PATIENCE: Duration = Duration::from_secs(120);

pub struct Worker {
    child: Child,
    log: PathBuf,
    stdout: PathBuf,
}

impl Worker {
    pub fn of(child: Child, log: PathBuf, stdout: PathBuf) -> Self {
        Self { child, log, stdout }
    }

    /// `obscura run --source in --out out --receipts` on a free port, with what else is asked for.
    pub fn start(bench: &Bench, args: &[&str]) -> Self {
        Self::start_with(bench, args, &[])
    }

    pub fn start_with(bench: &Bench, args: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = run_command(bench, args);
        command.envs(variables.iter().copied());
        let (log, stdout) = (bench.dir.path().join("log"), bench.dir.path().join("stdout"));
        command.stderr(File::create(&log).unwrap()).stdout(File::create(&stdout).unwrap()).stdin(Stdio::null());
        Self { child: command.spawn().unwrap(), log, stdout }
    }

    /// Every line of the log that is whole.
    pub fn log(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.log).unwrap();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    pub fn log_text(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    pub fn stdout(&self) -> String {
        fs::read_to_string(&self.stdout).unwrap()
    }

    /// The first line with this message, once it is there.
    pub fn wait_for(&mut self, message: &str) -> Value {
        let mut found = None;
        self.wait_until(message, |worker| {
            found = worker.log().into_iter().find(|line| line["message"] == message);
            found.is_some()
        });
        found.unwrap()
    }

    pub fn wait_until(&mut self, what: &str, mut is_true: impl FnMut(&mut Self) -> bool) {
        let started = Instant::now();
        while !is_true(self) {
            if let Some(status) = self.child.try_wait().unwrap() {
                // What was written just before the end counts too.
                assert!(is_true(self), "the worker ended with {status} before: {what}\n{}", self.log_text());
                return;
            }
            assert!(started.elapsed() < PATIENCE, "never: {what}\n{}", self.log_text());
            sleep(Duration::from_millis(10));
        }
    }

    pub fn address(&mut self) -> SocketAddr {
        self.wait_for("the admin port is open")["address"].as_str().unwrap().parse().unwrap()
    }

    /// Send raw bytes to the admin port and read what comes back until it closes.
    pub fn send(address: SocketAddr, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // Hostile requests may be cut off while they are written.
        let _ = stream.write_all(request);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    pub fn get(address: SocketAddr, path: &str) -> String {
        Self::send(address, format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes())
    }

    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// The most memory that it has had in use.
    pub fn peak_memory_mib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
    }

    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn wait(&mut self) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(started.elapsed() < PATIENCE, "the worker does not end\n{}", self.log_text());
            sleep(Duration::from_millis(10));
        }
    }

    /// Ask for an orderly end, and see it.
    pub fn stop(mut self) -> Self {
        self.signal("TERM");
        assert_eq!(self.wait().code(), Some(0), "{}", self.log_text());
        self
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn run_command(bench: &Bench, args: &[&str]) -> Command {
    let mut command = obscura();
    command.arg("run").arg("--source").arg(bench.input()).arg("--out").arg(bench.output());
    command.args(["--receipts", "--listen", "127.0.0.1:0", "--stable-ms", "100"]).args(args);
    command
}

/// `obscura run --once`: the exit code and the log.
pub fn run_once(bench: &Bench, args: &[&str], variables: &[(&str, &str)]) -> (i32, Vec<Value>) {
    let mut worker = Worker::start_with(bench, &[&["--once"], args].concat(), variables);
    let status = worker.wait();
    (status.code().unwrap_or(-1), worker.log())
}

/// How many lines have this message.
pub fn count(log: &[Value], message: &str) -> usize {
    log.iter().filter(|line| line["message"] == message).count()
}
