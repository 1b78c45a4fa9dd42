//! What the CPU image adds to its base, laid out by the script that lays it out inside.

use std::{fs, path::Path, process::Command};

use crate::support::{
    worker::{Worker, count},
    *,
};

struct Root {
    dir: tempfile::TempDir,
    printed: String,
}

impl Root {
    fn lay_out() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("docker/root.sh");
        let output = Command::new(script).arg(env!("CARGO_BIN_EXE_obscura")).arg(dir.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Self { dir, printed: String::from_utf8(output.stdout).unwrap() }
    }

    /// The program as the image starts it: nothing in the environment but what the Dockerfile sets.
    fn program(&self) -> Command {
        let folder = self.dir.path().join("opt/obscura");
        let mut command = Command::new(folder.join("bin/obscura"));
        command.env_clear().env("LD_LIBRARY_PATH", folder.join("lib")).current_dir("/");
        command
    }
}

#[test]
fn the_image_is_complete_small_and_has_its_licences() {
    let root = Root::lay_out();
    let total: u64 = root.printed.lines().last().unwrap().split_whitespace().next().unwrap().parse().unwrap();
    assert!((20_000..160_000).contains(&total), "KiB: {}", root.printed);
    for name in ["LICENSE-MIT", "LICENSE-APACHE", "models", "onnxruntime", "onnxruntime-third-party", "crates"] {
        let file = root.dir.path().join("opt/obscura/share/licenses").join(name);
        assert!(fs::metadata(&file).is_ok_and(|file| file.len() > 500), "{name}");
    }
    // Models and library are found where they lie, not by the source tree.
    let verified = root.program().args(["models", "verify"]).output().unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    // Every library is either there, or one of those that the base has.
    let loaded = Command::new("ldd").arg(root.dir.path().join("opt/obscura/bin/obscura")).output().unwrap();
    let lib = root.dir.path().join("opt/obscura/lib");
    for line in String::from_utf8(loaded.stdout).unwrap().lines().filter(|line| line.contains("=>")) {
        let name = line.split_whitespace().next().unwrap();
        let base =
            ["libc.", "libm.", "libgcc_s.", "libssl.", "libcrypto.", "libdl.", "librt.", "libpthread.", "libstdc++."];
        assert!(lib.join(name).is_file() || base.iter().any(|start| name.starts_with(start)), "{line}");
    }
}

#[test]
fn the_image_redacts_without_anything_else() {
    let root = Root::lay_out();
    let bench = Bench::new();
    bench.copy("people/scene.jpg");
    let mut command = root.program();
    command.args(["redact", "--json"]).arg(bench.input()).arg("--out").arg(bench.output());
    let run = Run::new(command.output().unwrap());
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(bench.output().join("scene.jpg").is_file());
}

#[test]
fn the_health_check_asks_the_worker_and_believes_nobody_else() {
    let bench = Bench::new();
    let mut worker = Worker::start(&bench, &[]);
    let address = worker.address().to_string();
    worker.wait_for("ready");
    let health = |args: &[&str]| obscura().arg("health").args(args).output().unwrap().status.code();
    assert_eq!(health(&["--listen", &address]), Some(0));
    assert_eq!(health(&["--listen", &address.replace("127.0.0.1", "0.0.0.0"), "--ready"]), Some(0));
    let worker = worker.stop();
    assert_eq!(count(&worker.log(), "ready"), 1);
    assert_eq!(health(&["--listen", &address, "--timeout-s", "1"]), Some(1), "nobody is there");
    assert_eq!(health(&["--listen", "somewhere"]), Some(2));
    // Somebody else has its port.
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    let answering = std::thread::spawn(move || {
        let (mut stream, _) = other.accept().unwrap();
        let mut request = [0; 256];
        let read = std::io::Read::read(&mut stream, &mut request).unwrap();
        std::io::Write::write_all(&mut stream, b"SSH-2.0-OpenSSH\r\n").unwrap();
        assert!(request[..read].starts_with(b"GET /livez HTTP/1.1\r\n"));
    });
    assert_eq!(health(&["--listen", &address]), Some(1));
    answering.join().unwrap();
}
