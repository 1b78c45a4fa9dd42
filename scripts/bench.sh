#!/usr/bin/env bash
# Speed and memory beside deface 1.5.0, on the same photos in the same run: `make bench`, or `make bench PHOTOS=dir`.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh --pictures
photos=${1:-}
if [ -z "$photos" ]; then
    photos=.setup/bench
    .setup/venv/bin/python scripts/make_demo_photos.py --out "$photos" --large
fi
if [ ! -x .setup/deface/bin/deface ]; then
    echo "setup: installing deface 1.5.0, the peer"
    python3 -m venv .setup/deface
    .setup/deface/bin/python -m pip install --quiet --disable-pip-version-check deface==1.5.0 onnxruntime==1.31.1
fi
exec python3 scripts/bench.py --photos "$photos" --program target/release/obscura --deface .setup/deface/bin/deface
