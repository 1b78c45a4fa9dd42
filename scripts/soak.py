#!/usr/bin/env python3
"""Run the worker over many photos and watch it: `make soak DATA=dir`, or with COUNT=500 for another number.

The photos of DATA (any folder; all files below that are photos) are copied under new names, all of them equally often,
until there are enough. Then

1. `obscura redact` does each once, for its CPU seconds a photo;
2. `obscura run --once` does them all: CPU seconds a photo beside those of 1, and resident memory every second;
3. `obscura run` gets SIGTERM under full load, and has to end within its deadline;
4. what is left is done by a second start: every photo once.

Exit code 1 if the worker needs more than 1/0.95 of the CPU seconds, its memory grows after warm-up, it does not end in
time, or a photo is missing.
"""

import argparse
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

DRAIN_S = 25
# Resident memory in the last quarter may exceed that of the second quarter by this share.
MAX_GROWTH = 0.10
MIN_EFFICIENCY = 0.95


def resident_mib(pid: int) -> float:
    fields = pathlib.Path(f"/proc/{pid}/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def run(command: list[str], watch: bool = False) -> tuple[float, float, list[float], int]:
    """CPU seconds, wall seconds, resident MiB every second, exit code."""
    started = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    samples = []
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            code = os.waitstatus_to_exitcode(status)
            return usage.ru_utime + usage.ru_stime, time.monotonic() - started, samples, code
        if watch:
            samples.append(resident_mib(process.pid))
        time.sleep(1 if watch else 0.05)


def fill(folder: pathlib.Path, sources: list[pathlib.Path], count: int) -> None:
    folder.mkdir()
    for index in range(count):
        source = sources[index % len(sources)]
        shutil.copyfile(source, folder / f"{index:06}{source.suffix}")


def results(folder: pathlib.Path) -> int:
    if not folder.exists():
        return 0
    names = [path.name for path in folder.iterdir() if path.is_file()]
    return sum(not name.endswith(".receipt.json") and not name.startswith(".obscura-tmp-") for name in names)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--program", required=True)
    parser.add_argument("--photos", type=int, default=2000)
    args = parser.parse_args()
    sources = sorted(path for path in args.data.rglob("*") if path.suffix.lower() in {".jpg", ".jpeg", ".png"})
    if not sources:
        raise SystemExit(f"expected photos below {args.data}, found none")
    failures = []
    with tempfile.TemporaryDirectory() as folder:
        base = pathlib.Path(folder)
        part = len(sources)
        args.photos = part * -(-args.photos // part)
        fill(base / "part", sources, part)
        fill(base / "in", sources, args.photos)
        common = ["--receipts", "--threads", "2"]
        worker = [args.program, "run", "--source", str(base / "in"), "--listen", "", *common]

        cpu, wall, _, _ = run([args.program, "redact", str(base / "part"), "--out", str(base / "once"), *common])
        print(f"redact: {part} photos, {cpu / part:.3f} CPU s a photo, {part / wall:.2f} photos/s", flush=True)
        one_shot = cpu / part

        cpu, wall, memory, code = run([*worker, "--once", "--out", str(base / "out")], watch=True)
        done, refused = results(base / "out"), results(base / "out.quarantine")
        efficiency = one_shot / (cpu / args.photos)
        print(f"run:    {args.photos} photos, {cpu / args.photos:.3f} CPU s a photo, {args.photos / wall:.2f} photos/s")
        print(f"        {done} published, {refused} in quarantine, exit code {code}, efficiency {efficiency:.3f}")
        quarter = max(1, len(memory) // 4)
        early, late = max(memory[quarter : 2 * quarter]), max(memory[-quarter:])
        print(f"        peak MiB by quarter: {[round(max(memory[i * quarter : (i + 1) * quarter] or [0])) for i in range(4)]}", flush=True)
        if efficiency < MIN_EFFICIENCY:
            failures.append(f"efficiency {efficiency:.3f} < {MIN_EFFICIENCY}")
        if late > early * (1 + MAX_GROWTH):
            failures.append(f"memory grew from {early:.0f} to {late:.0f} MiB")
        if done + refused != args.photos:
            failures.append(f"{args.photos - done - refused} photos are missing")

        worker[worker.index("--source") + 1] = str(base / "part")
        process = subprocess.Popen(
            [*worker, "--json", "--out", str(base / "out2")], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        while results(base / "out2") < 20:
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        started = time.monotonic()
        summary = json.loads(process.communicate()[0])["summary"]
        drain = time.monotonic() - started
        print(f"drain:  {drain:.2f} s of {DRAIN_S} s under full load, exit code {process.returncode}, {summary['photos']}")
        if process.returncode != 0 or drain > DRAIN_S:
            failures.append("the worker did not drain")
        run([*worker, "--once", "--out", str(base / "out2")])
        if results(base / "out2") + results(base / "out2.quarantine") != part:
            failures.append("the second start did not do the rest")
    for failure in failures:
        print(f"FAILED: {failure}")
    return 1 if failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
