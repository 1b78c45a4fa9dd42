#!/usr/bin/env python3
"""Compare what a profile foretells with what a worker does: `make plan-check DATA=dir`.

1. `obscura bench --json` takes a profile from a part of the photos below DATA.
2. At each of two loads, one below and one above what the profile says a core does, `obscura run` with one core gets the
   rest of the photos at that rate for a while.
3. What it published, what is left waiting, and how busy it was are set beside what follows from the profile.

Exit code 1 if one of them is more than 20 % off. Needs a machine that does nothing else: a pace that changes between 1 and 2 is
what it would measure. Both are repeated within one run, so that the days of a cloud do not matter.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request

LOADS = (0.6, 2.0)
TOLERANCE = 0.20
TICKS = os.sysconf("SC_CLK_TCK")


def metric(page: str, series: str) -> float:
    return float(re.search(rf"^{re.escape(series)} (\S+)$", page, re.MULTILINE)[1])


def cpu_s(pid: int) -> float:
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def run_at(program: str, photos: list[pathlib.Path], rate: float, seconds: float) -> dict[str, float]:
    """Hand photos to a worker of one core, `rate` a second. Numbers are of the time in which photos came."""
    with tempfile.TemporaryDirectory() as folder:
        base = pathlib.Path(folder)
        (base / "in").mkdir()
        (base / "ready").mkdir()
        log = base / "log"
        command = [program, "run", "--source", base / "in", "--out", base / "out", "--threads", "1", "--stable-ms", "50"]
        command += ["--listen", "127.0.0.1:0"]
        with log.open("w") as errors:
            worker = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors)
        try:
            while '"message":"ready"' not in log.read_text():
                if worker.poll() is not None:
                    raise SystemExit(f"the worker ended: {log.read_text()}")
                time.sleep(0.1)
            address = re.search(r'"address":"([^"]+)"', log.read_text())[1]
            before, started, sent = cpu_s(worker.pid), time.monotonic(), 0
            while (passed := time.monotonic() - started) < seconds:
                while sent < passed * rate:
                    source = photos[sent % len(photos)]
                    ready = base / "ready" / f"{sent:06}{source.suffix}"
                    shutil.copyfile(source, ready)
                    # Complete at once, as uploads should come.
                    ready.rename(base / "in" / ready.name)
                    sent += 1
                time.sleep(0.005)
            page = urllib.request.urlopen(f"http://{address}/metrics").read().decode()
            busy = (cpu_s(worker.pid) - before) / (time.monotonic() - started)
            published = metric(page, 'obscura_photos_total{outcome="published"}')
            return {"published": published, "waiting": sent - published, "busy": min(busy, 1.0), "sent": sent}
        finally:
            worker.send_signal(signal.SIGTERM)
            worker.wait()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--program", required=True)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--photos", type=int, default=60, help="for the profile")
    args = parser.parse_args()
    photos = sorted(path for path in args.data.rglob("*") if path.suffix.lower() in {".jpg", ".jpeg"})
    if len(photos) < 10:
        raise SystemExit(f"expected ten JPEGs or more below {args.data}, found {len(photos)}")
    # Every other one, so that both parts are of the same kind.
    profiled, rest = photos[::2][: args.photos], photos[1::2]
    off = 0
    print("| load | | foretold | measured | ratio |\n|---|---|---|---|---|")
    for load in LOADS:
        bench = [args.program, "bench", "--json", "--threads", "1", *profiled]
        profile = json.loads(subprocess.run(bench, check=True, capture_output=True).stdout)
        pace = profile["photos_per_second"]
        rate = load * pace
        measured = run_at(args.program, rest, rate, args.seconds)
        foretold = {"published": min(rate, pace) * args.seconds, "busy": min(rate, pace) * profile["cpu_seconds_per_photo"]}
        if load > 1:
            foretold["waiting"] = (rate - pace) * args.seconds
        for what, expected in foretold.items():
            ratio = measured[what] / expected
            off += abs(ratio - 1) > TOLERANCE
            print(f"| {load} | {what} | {expected:.2f} | {measured[what]:.2f} | {ratio:.2f} |", flush=True)
    if off:
        print(f"expected all within {TOLERANCE:.0%}, found {off} that are not")
    return 1 if off else 0


raise SystemExit(main())
