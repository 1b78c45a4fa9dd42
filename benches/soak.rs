//! The worker at full speed for ten minutes, against Kafka and a store on this machine: throughput, latency from upload to
//! publish, memory, descriptors and threads over time. `make soak DATA=dir`; OBSCURA_SOAK_S for another length.

#[path = "../tests/support/mod.rs"]
mod support;
#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../tests/stream/world.rs"]
mod world;

use std::{
    collections::HashMap,
    fs,
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant, SystemTime},
};

use support::worker::Worker;
use world::World;

/// Uploads that are not published yet: enough that the worker never waits, few enough that latency is not all queue.
const IN_FLIGHT: usize = 12;
const PARTITIONS: i32 = 8;
/// Resident memory may grow by this much a minute after warm-up.
const MAX_SLOPE_MIB_A_MINUTE: f64 = 1.0;
const SAMPLE_EVERY: Duration = Duration::from_secs(1);

/// What the kernel says of the worker.
#[derive(Clone, Copy)]
struct Sample {
    at_s: f64,
    resident_mib: f64,
    descriptors: usize,
    threads: usize,
}

fn main() -> ExitCode {
    let length = Duration::from_secs(
        std::env::var("OBSCURA_SOAK_S").map_or(600, |seconds| seconds.parse().expect("OBSCURA_SOAK_S is a number")),
    );
    let folder: PathBuf = std::env::var_os("OBSCURA_BENCH_PHOTOS").expect("`make soak DATA=dir` names it").into();
    let photos: Vec<Vec<u8>> = support::files_below(&folder)
        .iter()
        .map(|path| fs::read(path).unwrap())
        .filter(|bytes| bytes.starts_with(&[0xff, 0xd8]))
        .collect();
    assert!(!photos.is_empty(), "expected JPEGs below {}, found none", folder.display());

    let world = World::new(PARTITIONS);
    let mut worker = world.start(0);
    worker.wait_for("ready");
    let address = worker.address();
    let mut uploaded: HashMap<String, SystemTime> = HashMap::new();
    let mut samples: Vec<Sample> = Vec::new();
    let started = Instant::now();
    while started.elapsed() < length {
        assert!(!worker.has_ended(), "the worker ended\n{}", world.logs());
        let wanted = ended(address) + IN_FLIGHT;
        let mut records = Vec::new();
        while uploaded.len() < wanted {
            let number = uploaded.len();
            let key = format!("soak/{number:08}.jpg");
            uploaded.insert(key.clone(), SystemTime::now());
            let event = world.put(&key, &photos[number % photos.len()]);
            records.push((key.into_bytes(), event.to_string().into_bytes()));
        }
        if !records.is_empty() {
            world.client.send_all(&world.uploads, &records);
        }
        if samples.last().is_none_or(|last| started.elapsed().as_secs_f64() - last.at_s >= SAMPLE_EVERY.as_secs_f64()) {
            samples.push(sample(worker.pid(), started.elapsed()));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let at_full_speed = ended(address);
    let seconds = started.elapsed().as_secs_f64();
    world.wait_until_committed();
    worker.stop();

    let mut latencies = latencies(&world, &uploaded);
    let dead = world.dead_letters().len();
    report(at_full_speed, seconds, &mut latencies, &samples);
    let slope = slope_mib_a_minute(&samples);
    let lost = uploaded.len() - latencies.len() - dead;
    println!(
        "{} uploads, {dead} dead letters, {lost} lost; memory after warm-up {slope:+.2} MiB a minute",
        uploaded.len()
    );
    if lost > 0 || slope > MAX_SLOPE_MIB_A_MINUTE {
        eprintln!("expected none lost and less than {MAX_SLOPE_MIB_A_MINUTE} MiB a minute");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Photos whose way has ended, as the worker tells it: asking the broker would cost more than the worker's work.
fn ended(address: SocketAddr) -> usize {
    let page = Worker::get(address, "/metrics");
    let counts = page.lines().filter_map(|line| line.strip_prefix("obscura_photos_total{")?.split_once("} "));
    counts.map(|(_, count)| count.parse::<usize>().unwrap()).sum()
}

/// Seconds from the upload to the first outcome event, of every photo that was published.
fn latencies(world: &World, uploaded: &HashMap<String, SystemTime>) -> Vec<f64> {
    let mut first: HashMap<String, f64> = HashMap::new();
    for record in world.client.read_all(&world.outcomes) {
        let key = record.json()["data"]["source"]["key"].as_str().unwrap().to_owned();
        let told = SystemTime::UNIX_EPOCH + Duration::from_millis(record.timestamp_ms.unwrap() as u64);
        let seconds = told.duration_since(uploaded[&key]).unwrap_or_default().as_secs_f64();
        first.entry(key).and_modify(|before| *before = before.min(seconds)).or_insert(seconds);
    }
    first.into_values().collect()
}

fn sample(pid: u32, at: Duration) -> Sample {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let field = |name: &str| -> f64 {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    };
    Sample {
        at_s: at.as_secs_f64(),
        resident_mib: field("VmRSS:") / 1024.0,
        descriptors: fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count(),
        threads: field("Threads:") as usize,
    }
}

fn report(photos: usize, seconds: f64, latencies: &mut [f64], samples: &[Sample]) {
    latencies.sort_by(f64::total_cmp);
    let percentile = |share: f64| {
        latencies.get((latencies.len() as f64 * share) as usize).or(latencies.last()).copied().unwrap_or(0.0)
    };
    println!("{photos} photos in {seconds:.0} s: {:.2} photos/s", photos as f64 / seconds);
    println!(
        "from upload to publish, with {IN_FLIGHT} in flight: median {:.2} s, 95 % {:.2} s, 99 % {:.2} s, longest {:.2} s",
        percentile(0.5),
        percentile(0.95),
        percentile(0.99),
        percentile(1.0)
    );
    println!("| minute | resident MiB, least | most | descriptors, most | threads, most |\n|---|---|---|---|---|");
    let minutes = samples.last().map_or(0, |last| (last.at_s / 60.0) as usize);
    for minute in 0..=minutes {
        let of: Vec<&Sample> = samples.iter().filter(|sample| (sample.at_s / 60.0) as usize == minute).collect();
        let memory = || of.iter().map(|sample| sample.resident_mib);
        println!(
            "| {minute} | {:.0} | {:.0} | {} | {} |",
            memory().fold(f64::INFINITY, f64::min),
            memory().fold(0.0, f64::max),
            of.iter().map(|sample| sample.descriptors).max().unwrap_or(0),
            of.iter().map(|sample| sample.threads).max().unwrap_or(0)
        );
    }
}

/// Of the line through all samples after the first fifth, by least squares.
fn slope_mib_a_minute(samples: &[Sample]) -> f64 {
    let warm = &samples[samples.len() / 5..];
    let mean = |of: fn(&Sample) -> f64| warm.iter().map(of).sum::<f64>() / warm.len().max(1) as f64;
    let (at, memory) = (mean(|sample| sample.at_s), mean(|sample| sample.resident_mib));
    let both: f64 = warm.iter().map(|sample| (sample.at_s - at) * (sample.resident_mib - memory)).sum();
    let square: f64 = warm.iter().map(|sample| (sample.at_s - at).powi(2)).sum();
    if square > 0.0 { 60.0 * both / square } else { 0.0 }
}
