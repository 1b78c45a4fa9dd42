#!/usr/bin/env python3
"""Time Obscura and deface on the same photos, in turn, as whole processes. `make bench` runs this.

CPU seconds and peak memory are the operating system's own accounting of the finished processes (wait4). Both programs
are held to the same cores. deface runs at full resolution, which is its default, and finds faces only.
"""

import argparse
import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import time


def measure(command: list[str], cores: int) -> tuple[float, float, float]:
    """CPU seconds, wall seconds and peak memory in MB of one run on `cores` cores."""
    started = time.monotonic()
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: os.sched_setaffinity(0, range(cores)),
    )
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - started
    if os.waitstatus_to_exitcode(status) != 0:
        raise SystemExit(f"failed: {' '.join(command)}")
    return usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=pathlib.Path, required=True)
    parser.add_argument("--program", required=True)
    parser.add_argument("--deface", required=True)
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        photos = pathlib.Path(folder) / "photos"
        shutil.copytree(args.photos, photos)
        obscura = [args.program, "redact", str(photos), "--out", f"{folder}/out"]
        # deface writes beside its inputs, so it gets a folder of its own and the files by name.
        theirs = pathlib.Path(folder) / "deface"
        shutil.copytree(args.photos, theirs)
        files = sorted(path for path in theirs.iterdir() if path.is_file())
        deface = [args.deface, *map(str, files)]
        print(f"{len(files)} photos, {args.runs} runs of each program in turn, medians\n")
        print("| program | cores | CPU s a photo | photos/s | peak MB |")
        print("|---|---|---|---|---|")
        for cores in (1, 2):
            commands = {"obscura": [*obscura, "--threads", str(cores)], "deface 1.5.0": deface}
            rounds = [{name: measure(command, cores) for name, command in commands.items()} for _ in range(args.runs)]
            medians = [[statistics.median(column) for column in zip(*(run[name] for run in rounds))] for name in commands]
            for name, (cpu, wall, memory) in zip(commands, medians):
                print(f"| {name} | {cores} | {cpu / len(files):.2f} | {len(files) / wall:.2f} | {memory:.0f} |")
            ratios = [ours / peer for ours, peer in zip(*medians)]
            print(f"| ratio | {cores} | {ratios[0]:.2f} | {1 / ratios[1]:.2f} | {ratios[2]:.2f} |")


if __name__ == "__main__":
    main()
