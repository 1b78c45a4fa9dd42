#!/usr/bin/env bash
# Build the program and lay out what an image adds to its base: `docker/build.sh OUT [--gpu]`.
# Runs in the build stage of the Dockerfiles and, the same, on a machine (`make image-root`).
set -euo pipefail
cd "$(dirname "$0")/.."
out=$1
variant=${2:-}

if [ -n "$variant" ]; then scripts/setup.sh --gpu; else scripts/setup.sh; fi
cargo build --locked --release
docker/root.sh target/release/obscura "$out" "$variant"
