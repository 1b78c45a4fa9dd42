//! The status page of a worker at work, in a real browser.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::support::{worker::Worker, *};

#[test]
fn the_status_page_moves_is_quiet_and_can_be_used_by_everybody() {
    let bench = Bench::new();
    let mut worker = Worker::start(&bench, &["--threads", "1"]);
    let address = worker.address();
    worker.wait_for("ready");
    let scene = fs::read(fixture("people/scene.jpg")).unwrap();
    bench.put("secret-text.jpg", b"text");

    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let playwright = root.join(".setup/browser/node_modules/playwright-core");
    assert!(playwright.exists(), "{} is missing; `scripts/setup.sh --tests` fetches it", playwright.display());
    let mut command = Command::new("node");
    command.arg(root.join("tests/operations/status_page.mjs")).arg(format!("http://{address}/")).arg(playwright);
    command.args(["secret-", "scene", bench.dir.path().to_str().unwrap()]);
    let mut browser = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();

    // Load for as long as somebody looks: never more than a few that wait.
    let mut count = 0;
    while browser.try_wait().unwrap().is_none() {
        if files_below(&bench.output()).len() + 8 > 2 * count {
            bench.put(&format!("secret-scene-{count}.jpg"), &scene);
            count += 1;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let output = browser.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}\n{}", worker.log_text());
    let seen: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(seen["published"].as_f64().unwrap() >= 2.0, "{seen}");
    worker.stop();
}

#[test]
fn viewers_are_told_at_once_and_cannot_take_every_connection() {
    let bench = Bench::new();
    let mut worker = Worker::start(&bench, &[]);
    let address = worker.address();
    worker.wait_for("ready");
    let mut viewers: Vec<_> = (0..40)
        .map(|_| {
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            std::io::Write::write_all(&mut stream, b"GET /events HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
            stream
        })
        .collect();
    // Each has an answer: the first event, or that there are too many.
    let mut refused = 0;
    for viewer in &mut viewers {
        let mut answer = String::new();
        while !answer.contains("too many viewers") && !answer.contains("\"plots\":") {
            let mut some = [0; 1024];
            let read = std::io::Read::read(viewer, &mut some).unwrap();
            assert!(read > 0, "{answer}");
            answer.push_str(&String::from_utf8_lossy(&some[..read]));
        }
        if answer.starts_with("HTTP/1.1 503") {
            refused += 1;
        } else {
            assert!(answer.to_lowercase().contains("content-type: text/event-stream"), "{answer}");
        }
    }
    assert_eq!(refused, 40 - 16);
    assert!(Worker::get(address, "/livez").starts_with("HTTP/1.1 200"), "probes are still answered");
    assert!(Worker::get(address, "/metrics").contains("obscura_build_info"));
    // Who looks does not keep the worker from ending.
    worker.stop();
}
