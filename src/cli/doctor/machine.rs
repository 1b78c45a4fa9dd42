//! What the machine or the container allows, read from where Linux tells it.

use std::{fs, path::Path};

use obscura::config::Config;

use super::Finding;

/// Enough for every photo, connection and watched folder of a worker.
const MIN_OPEN_FILES: u64 = 1024;
const MIB: u64 = 1 << 20;

pub(super) fn limits(config: &Config) -> Vec<Finding> {
    let mut findings = vec![cores(config), memory(config), open_files()];
    findings.extend(config.worker.source_dir.as_deref().map(watches));
    findings
}

fn cores(config: &Config) -> Finding {
    let available = std::thread::available_parallelism().map_or(1, usize::from);
    let used = config.worker_count();
    if used <= available {
        Finding::ok("cores", format!("{used} of {available} are used"))
    } else {
        let detail = format!("{used} are to be used, {available} are there");
        Finding::warning("cores", detail, "more threads than cores slow each other down; set `budget.threads` to 0")
    }
}

fn memory(config: &Config) -> Finding {
    const CHECK: &str = "memory";
    let needed = config.expected_memory();
    let (typical, worst) = (needed.typical_bytes / MIB, needed.worst_bytes / MIB);
    let Some((allowed, whose)) = memory_limit() else {
        return Finding::warning(CHECK, "the limit could not be read", format!("allow {worst} MiB"));
    };
    let allowed = allowed / MIB;
    if allowed >= worst {
        Finding::ok(CHECK, format!("{whose} allows {allowed} MiB; at most {worst} MiB are expected"))
    } else if allowed >= typical {
        let detail =
            format!("{whose} allows {allowed} MiB; {typical} MiB are usual, {worst} MiB with every limit used up");
        Finding::warning(
            CHECK,
            detail,
            "allow more, or lower `limits.max_megapixels`, `budget.decoded_mib` or `budget.threads`",
        )
    } else {
        let detail = format!("{whose} allows {allowed} MiB; {typical} MiB are usual");
        Finding::failed(CHECK, detail, "allow more, or lower `budget.threads`")
    }
}

/// The smaller of the container's limit and the machine's memory, in bytes.
fn memory_limit() -> Option<(u64, &'static str)> {
    let container = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]
        .iter()
        .find_map(|path| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok());
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
    });
    match (container, machine) {
        (Some(container), Some(machine)) if container < machine => Some((container, "the container")),
        (_, Some(machine)) => Some((machine, "the machine")),
        (Some(container), None) => Some((container, "the container")),
        (None, None) => None,
    }
}

fn open_files() -> Finding {
    const CHECK: &str = "open files";
    let limit = fs::read_to_string("/proc/self/limits").ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("Max open files"))?;
        let soft = line.split_whitespace().next()?;
        if soft == "unlimited" { Some(u64::MAX) } else { soft.parse().ok() }
    });
    match limit {
        Some(limit) if limit >= MIN_OPEN_FILES => Finding::ok(CHECK, format!("at most {limit}")),
        Some(limit) => {
            Finding::warning(CHECK, format!("at most {limit}"), format!("raise it to {MIN_OPEN_FILES}: `ulimit -n`"))
        }
        None => Finding::warning(CHECK, "the limit could not be read", format!("allow {MIN_OPEN_FILES}")),
    }
}

/// Each folder below the source takes one watch of the user's.
fn watches(source: &Path) -> Finding {
    const CHECK: &str = "watched folders";
    let folders =
        walkdir::WalkDir::new(source).into_iter().flatten().filter(|found| found.file_type().is_dir()).count() as u64;
    let limit: Option<u64> =
        fs::read_to_string("/proc/sys/fs/inotify/max_user_watches").ok().and_then(|text| text.trim().parse().ok());
    match limit {
        Some(limit) if folders <= limit / 2 => Finding::ok(CHECK, format!("{folders} folders, {limit} watches")),
        Some(limit) => {
            let detail = format!("{folders} folders, {limit} watches for all programs of this user");
            Finding::warning(CHECK, detail, "raise `fs.inotify.max_user_watches` with sysctl")
        }
        None => Finding::warning(CHECK, "the limit of watches could not be read", "changes are found by looking again"),
    }
}
