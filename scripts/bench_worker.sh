#!/usr/bin/env bash
# `make bench-worker`, or `make bench-worker PHOTOS=dir`: the worker's CPU on a real broker and store.
set -euo pipefail
cd "$(dirname "$0")/.."
photos=${1:-}
if [ -z "$photos" ]; then
    photos=.setup/bench
    .setup/venv/bin/python scripts/make_demo_photos.py --out "$photos" --large
fi
OBSCURA_BENCH_PHOTOS=$(cd "$photos" && pwd)
export OBSCURA_BENCH_PHOTOS
cargo bench --quiet --locked --features failpoints --bench worker
