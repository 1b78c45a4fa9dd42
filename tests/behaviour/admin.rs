//! The admin port: what it tells, and that nothing sent to it changes anything.

use std::{
    collections::BTreeSet,
    fs,
    io::{Read, Write},
    net::{Shutdown, TcpStream},
};

use crate::support::{
    worker::{Worker, count},
    *,
};

/// Names with their help, types and labels, without values.
fn shape(page: &str) -> String {
    let (_, body) = page.split_once("\r\n\r\n").unwrap();
    let mut lines = BTreeSet::new();
    for line in body.lines().filter(|line| !line.is_empty()) {
        if line.starts_with('#') {
            lines.insert(line.to_owned());
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap();
        value.parse::<f64>().unwrap_or_else(|_| panic!("no number: {line}"));
        if !series.contains("_bucket{") {
            lines.insert(series.replace(env!("CARGO_PKG_VERSION"), "VERSION"));
        }
    }
    lines.into_iter().collect::<Vec<_>>().join("\n")
}

fn value(page: &str, series: &str) -> f64 {
    let line = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series} in {page}")).parse().unwrap()
}

#[test]
fn tells_health_readiness_and_metrics() {
    let bench = Bench::new();
    let mut worker = Worker::start(&bench, &["--threads", "2"]);
    let address = worker.address();
    worker.wait_for("ready");
    for path in ["/livez", "/readyz"] {
        let answer = Worker::get(address, path);
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("ok\n"), "{path}: {answer}");
    }
    let page = Worker::get(address, "/metrics");
    assert!(page.to_lowercase().contains("content-type: text/plain; version=0.0.4"), "{page}");
    insta::assert_snapshot!("metrics", shape(&page));

    bench.put("scene.jpg", &fs::read(fixture("people/scene.jpg")).unwrap());
    bench.put("text.jpg", b"text");
    worker.wait_until("both ends", |worker| {
        count(&worker.log(), "published") == 1 && count(&worker.log(), "quarantined") == 1
    });
    let page = Worker::get(address, "/metrics");
    assert_eq!(shape(&page).lines().filter(|line| line.contains("scene") || line.contains("text.jpg")).count(), 0);
    for (series, expected) in [
        ("obscura_photos_total{outcome=\"published\"}", 1.0),
        ("obscura_photos_total{outcome=\"quarantined\"}", 1.0),
        ("obscura_dead_letters_total{code=\"unsupported_format\"}", 1.0),
        ("obscura_errors_total{code=\"unsupported_format\",stage=\"open\"}", 1.0),
        ("obscura_stage_duration_seconds_count{stage=\"verify\"}", 1.0),
        ("obscura_megapixels_total", 0.3072),
        ("obscura_budget_used_bytes{budget=\"decoded\"}", 0.0),
        ("obscura_queue_depth{stage=\"open\"}", 0.0),
        ("obscura_store_down", 0.0),
    ] {
        assert!((value(&page, series) - expected).abs() < 1e-9, "{series}: {}", value(&page, series));
    }
    assert!(value(&page, "obscura_detections_total{class=\"face\"}") >= 1.0);
    assert!(value(&page, "obscura_inference_duration_seconds_count{model=\"centerface\"}") >= 2.0);
    assert!(value(&page, "obscura_bytes_total{direction=\"out\"}") > 1000.0);
    worker.stop();
}

#[test]
fn hostile_requests_change_nothing() {
    let bench = Bench::new();
    let mut worker = Worker::start(&bench, &[]);
    let address = worker.address();
    worker.wait_for("ready");
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n").into_bytes();
    let long = "x".repeat(100_000);
    let many = "X: y\r\n".repeat(500);
    let mut hostile: Vec<(Vec<u8>, &[&str])> = Vec::new();
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"] {
        for path in ["/metrics", "/", "/events"] {
            let request = format!("{method} {path} HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi");
            hostile.push((request.into_bytes(), &["405"]));
        }
    }
    for path in [
        "/index.html",
        "/metrics/",
        "//metrics",
        "/../metrics",
        "/metrics/../../etc/passwd",
        "/%2e%2e/etc/passwd",
        "/METRICS",
        "/metrics%00",
        "/livez;readyz",
        "/.git/config",
        "/debug/pprof",
        "/%ff%fe",
    ] {
        hostile.push((get(path), &["404", "400"]));
    }
    hostile.push((get(&format!("/{long}")), &["414", "431", "400", ""]));
    hostile.push((format!("GET /livez HTTP/1.1\r\nHost: h\r\nX: {long}\r\n\r\n").into_bytes(), &["431", "400", ""]));
    hostile.push((format!("GET /livez HTTP/1.1\r\nHost: h\r\n{many}\r\n").into_bytes(), &["431", "400", ""]));
    hostile.push((b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(), &["400", ""]));
    hostile.push((b"\0\0\0\0\r\n\r\n".to_vec(), &["400", ""]));
    hostile.push((b"GET\r\n\r\n".to_vec(), &["400", ""]));
    hostile.push((b"GET /livez HTTP/9.9\r\n\r\n".to_vec(), &["400", "505", ""]));
    hostile.push((b"CONNECT localhost:22 HTTP/1.1\r\nHost: h\r\n\r\n".to_vec(), &["404", "405", "400"]));
    let smuggled = "POST /livez HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n\
                    0\r\n\r\nGET /metrics HTTP/1.1\r\nHost: h\r\n\r\n";
    hostile.push((smuggled.as_bytes().to_vec(), &["405", "400"]));
    for (request, expected) in &hostile {
        let shown = String::from_utf8_lossy(&request[..request.len().min(60)]).into_owned();
        let answer = Worker::send(address, request);
        let status = answer.split(' ').nth(1).unwrap_or("");
        assert!(expected.contains(&status), "{shown:?} was answered with {status:?}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), usize::from(!status.is_empty()), "{shown:?}: {answer}");
        assert!(!answer.contains("obscura_"), "{shown:?} got metrics");
    }
    // More slow clients than there are places, each with half a request.
    let slow: Vec<TcpStream> = (0..100)
        .map(|_| {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(b"GET /livez HTT").unwrap();
            stream
        })
        .collect();
    // One that asks and never reads, and one that is gone at once.
    let mut deaf = TcpStream::connect(address).unwrap();
    deaf.write_all(&get("/metrics")).unwrap();
    let gone = TcpStream::connect(address).unwrap();
    gone.shutdown(Shutdown::Both).unwrap();
    // The port answers again once they have been shown out, and the worker never cared.
    bench.put("scene.jpg", &fs::read(fixture("people/scene.jpg")).unwrap());
    worker.wait_until("the photo", |_| bench.output().join("scene.jpg").exists());
    assert!(Worker::get(address, "/livez").starts_with("HTTP/1.1 200"));
    for mut stream in slow {
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(!String::from_utf8_lossy(&answer).contains("200"), "half a request was answered");
    }
    assert!(Worker::get(address, "/readyz").starts_with("HTTP/1.1 200"));
    worker.stop();
}

#[test]
fn a_port_that_is_taken_is_said() {
    let bench = Bench::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut command = obscura();
    command.arg("run").arg("--source").arg(bench.input()).arg("--out").arg(bench.output());
    let output = command.env("OBSCURA_LISTEN", &address).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && stderr.contains("cannot listen on"), "{stderr}");
}
