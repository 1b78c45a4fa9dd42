#!/usr/bin/env bash
# `make bench`, or `make bench PHOTOS=dir`, on the same photos in the same run:
# whole processes beside deface 1.5.0, the JPEG splice beside turbojpeg, the JPEG codec beside turbojpeg and the image crate, and every stage by itself.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh --bench
. scripts/bench_photos.sh

cargo build --quiet --locked --release --manifest-path benches/image_peer/Cargo.toml --target-dir target/image_peer
cargo build --quiet --locked --release --package obscura-benches --benches
python3 scripts/bench.py --photos "$photos" --program target/release/obscura --deface .setup/deface/bin/deface
echo
cargo bench --quiet --locked --package obscura-benches --bench splice
echo
cargo bench --quiet --locked --package obscura-benches --bench codecs
echo
cargo bench --quiet --locked --package obscura-benches --bench stages
