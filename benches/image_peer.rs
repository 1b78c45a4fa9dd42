//! The `image` crate as a program beside the bench, see `image_peer/`.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use crate::Spent;

/// Where `scripts/bench.sh` builds it.
const PROGRAM: &str = "../target/image_peer/release/image_peer";

pub struct ImagePeer {
    child: Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl ImagePeer {
    pub fn start(photo: &Path, quality: u8) -> Self {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join(PROGRAM);
        let mut child = Command::new(&program)
            .arg(photo)
            .arg(quality.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}; `make bench` builds it", program.display()));
        let answers = BufReader::new(child.stdout.take().unwrap());
        Self { requests: child.stdin.take(), child, answers }
    }

    /// Run `operation` once.
    pub fn run(&mut self, operation: &str) -> Spent {
        writeln!(self.requests.as_mut().unwrap(), "{operation}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        let (cpu_ms, bytes) = answer.trim().split_once(' ').expect("the image peer answers");
        Spent { cpu_ms: cpu_ms.parse().unwrap(), bytes: bytes.parse().unwrap() }
    }
}

impl Drop for ImagePeer {
    fn drop(&mut self) {
        // It ends with its input.
        self.requests.take();
        let _ = self.child.wait();
    }
}
