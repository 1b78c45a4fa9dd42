#!/usr/bin/env bash
# `make bench-worker`, or `make bench-worker PHOTOS=dir`: the worker's CPU on a real broker and store.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/bench_photos.sh
cargo bench --quiet --locked --features failpoints --bench worker
