//! What the worker costs beside what nobody could save: CPU of its process for each photo, with detectors that cost
//! nothing, beside a bare get, two SHA-256 and a put of the same bytes in the same run, and what it adds to the one-shot
//! command with such detectors, which reads, walks, hashes and writes the photo too; and with the real ones, beside the
//! one-shot command. Then what proofs and encryption add to that. `make bench-worker PHOTOS=dir`.

#[path = "../tests/support/mod.rs"]
mod support;
#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../tests/stream/world.rs"]
mod world;

use std::{fs, path::PathBuf, process::Command};

use base64::{Engine, prelude::BASE64_STANDARD};
use object_store::ObjectStoreExt;
use support::{
    obscura,
    servers::{
        kafka::Kafka,
        s3::{S3Options, path},
    },
    worker::Worker,
};
use world::World;

/// Rounds over all photos.
const ROUNDS: usize = 8;
/// Detectors that cost nothing.
const STUB: (&str, &str) = ("OBSCURA_STUB_DETECTORS", "1");
/// The kernel counts CPU in hundredths of a second.
const TICKS_A_SECOND: f64 = 100.0;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--bare") {
        bare(&arguments[at + 1]);
        return;
    }
    let photos = photos();
    let megabytes = photos.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() as f64 / photos.len() as f64 / 1e6;
    let bare = bare_cost(&photos);
    let stub = worker_cost(&photos, &[STUB], ROUNDS, |_| {});
    let unproved = worker_cost(&photos, &[STUB], ROUNDS, without_proofs);
    let proved = worker_cost(&photos, &[STUB], ROUNDS, with_proofs);
    let sealed = worker_cost(&photos, &[STUB], ROUNDS, with_envelopes);
    let real = worker_cost(&photos, &[], 1, |_| {});
    let stub_one_shot = one_shot_cost(&[STUB], ROUNDS);
    let one_shot = one_shot_cost(&[], 1);
    println!("| {} photos of {megabytes:.1} MB | CPU ms a photo | ratio |\n|---|---|---|", photos.len());
    println!("| bare get, two SHA-256, put | {bare:.1} | 1 |");
    println!("| worker, detectors that cost nothing | {stub:.1} | {:.2} |", stub / bare);
    println!("| one-shot command, detectors that cost nothing | {stub_one_shot:.1} | {:.2} |", stub_one_shot / bare);
    println!("| what the worker adds to it | {:.1} | {:.2} |", stub - stub_one_shot, (stub - stub_one_shot) / bare);
    println!("| one-shot command | {one_shot:.0} | 1 |");
    println!("| worker | {real:.0} | {:.2} |", real / one_shot);
    println!("\n| what it adds to a photo of the worker | CPU ms | share |\n|---|---|---|");
    for (what, with, without) in [
        ("receipt as an object, signatures and audit log", proved, unproved),
        ("envelope encryption of the result", sealed, stub),
    ] {
        println!("| {what} | {:.1} | {:.1} % |", with - without, 100.0 * (with - without) / real);
    }
}

/// Receipts only in the outcome event, and not signed.
fn without_proofs(world: &mut World) {
    world.more.push_str("[receipts]\ndeliver = \"topic\"\n");
}

fn with_proofs(world: &mut World) {
    let key = receipt_key(world);
    world.more = format!("[receipts]\nkey_file = \"{key}\"\n[audit]\nkey_file = \"{key}\"\ninterval_s = 1\n");
}

fn with_envelopes(world: &mut World) {
    let keys = world.dir.path().join("projects");
    fs::create_dir_all(keys.join("acme")).unwrap();
    fs::write(keys.join("acme/street.key"), BASE64_STANDARD.encode([1; 32])).unwrap();
    world.more = format!("[encryption]\nkey_dir = \"{}\"\n", keys.display());
    world.sealed = vec!["redacted"];
}

/// The file of a new key that signs.
fn receipt_key(world: &World) -> String {
    let (private, public) = (world.dir.path().join("receipt.key"), world.dir.path().join("receipt.pub"));
    let mut command = obscura();
    command.args(["receipt", "keygen", "--private"]).arg(&private).arg("--public").arg(public);
    assert!(command.output().unwrap().status.success());
    private.display().to_string()
}

fn folder() -> PathBuf {
    std::env::var_os("OBSCURA_BENCH_PHOTOS").expect("`make bench-worker` names a folder with photos").into()
}

fn photos() -> Vec<(String, Vec<u8>)> {
    let paths = support::files_below(&folder());
    paths.iter().map(|path| (support::name_of(path), fs::read(path).unwrap())).collect()
}

/// Seconds of CPU that a process has used so far (proc(5), fields 14 and 15).
fn cpu_s(pid: &str) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / TICKS_A_SECOND
}

/// In a process of its own, as the worker is.
fn bare_cost(photos: &[(String, Vec<u8>)]) -> f64 {
    let s3 = support::servers::s3::S3Server::new();
    s3.create_bucket("bare");
    for (name, bytes) in photos {
        s3.put("bare", name, bytes);
    }
    let program = std::env::current_exe().unwrap();
    let output = Command::new(program).args(["--bare", &s3.endpoint()]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let seconds: f64 = said.trim().parse().unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    1000.0 * seconds / (ROUNDS * photos.len()) as f64
}

fn bare(endpoint: &str) {
    let store = object_store::aws::AmazonS3Builder::new()
        .with_endpoint(endpoint)
        .with_allow_http(true)
        .with_region("eu-central-1")
        .with_bucket_name("bare")
        .with_access_key_id("TESTKEY")
        .with_secret_access_key("a-secret-of-tests")
        .build()
        .unwrap();
    let names: Vec<String> = support::files_below(&folder()).iter().map(|path| support::name_of(path)).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for round in 0..ROUNDS {
            for name in &names {
                let bytes = store.get(&path(name)).await.unwrap().bytes().await.unwrap();
                let hashes = [obscura::redact::sha256_hex(&bytes), obscura::redact::sha256_hex(&bytes)];
                assert_eq!(hashes[0], hashes[1]);
                store.put(&path(&format!("{round}/{name}")), bytes.into()).await.unwrap();
            }
        }
    });
    println!("{}", cpu_s("self"));
}

fn worker_cost(
    photos: &[(String, Vec<u8>)],
    variables: &[(&str, &str)],
    rounds: usize,
    set_up: impl Fn(&mut World),
) -> f64 {
    let options = S3Options { checksums: true, ..S3Options::default() };
    let mut world = World::with(Kafka::shared(), 1, options);
    set_up(&mut world);
    let mut worker: Worker = world.start_with(0, &[], variables);
    worker.wait_for("ready");
    let events: Vec<_> = (0..rounds)
        .flat_map(|round| photos.iter().map(move |(name, bytes)| (format!("{round}/{name}"), bytes)))
        .map(|(key, bytes)| (world.put(&key, bytes), key))
        .collect();
    let pid = worker.pid().to_string();
    let before = cpu_s(&pid);
    for (event, key) in &events {
        world.send(key, event);
    }
    world.wait_for_outcomes(events.len());
    world.wait_until_committed();
    let spent = cpu_s(&pid) - before;
    worker.stop();
    1000.0 * spent / events.len() as f64
}

/// Less what starting takes, which is that of a run over nothing.
fn one_shot_cost(variables: &[(&str, &str)], rounds: usize) -> f64 {
    let work = tempfile::tempdir().unwrap();
    let (many, none) = (work.path().join("many"), work.path().join("none"));
    let photos = support::files_below(&folder());
    for (at, photo) in photos.iter().enumerate() {
        for round in 0..rounds {
            let folder = many.join(format!("{round}-{at}"));
            fs::create_dir_all(&folder).unwrap();
            fs::copy(photo, folder.join(support::name_of(photo))).unwrap();
        }
    }
    fs::create_dir(&none).unwrap();
    let cost = |input: &std::path::Path| {
        let before = children_cpu_s();
        let mut command = obscura();
        command.arg("redact").arg(input).arg("--out").arg(work.path().join("out"));
        assert!(command.envs(variables.iter().copied()).output().unwrap().status.success());
        children_cpu_s() - before
    };
    1000.0 * (cost(&many) - cost(&none)) / (rounds * photos.len()) as f64
}

/// Seconds of CPU of all children that have ended (proc(5), fields 16 and 17).
fn children_cpu_s() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    (fields[13].parse::<f64>().unwrap() + fields[14].parse::<f64>().unwrap()) / TICKS_A_SECOND
}
