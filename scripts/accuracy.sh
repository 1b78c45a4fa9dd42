#!/usr/bin/env bash
# Redact the evaluation sets and compare the receipts with their ground truth: `make accuracy DATA=dir`.
# DATA holds faces_street, plates_dashcam_valid (COCO: annotations.json beside images/), photos_12mp and jpeg_variants.
set -euo pipefail
cd "$(dirname "$0")/.."
data=${1:?usage: scripts/accuracy.sh DATA}
out=target/accuracy
rm -rf "$out" "$out.quarantine"
code=0
target/release/obscura redact "$data/photos_12mp" "$data/jpeg_variants" "$data/faces_street/images" \
    "$data/plates_dashcam_valid/images" --out "$out" --receipts 2> "$out.log" || code=$?
[ "$code" -le 1 ] || { cat "$out.log"; exit "$code"; }
python3 scripts/coverage.py --dataset "$data/plates_dashcam_valid" --out "$out/plates_dashcam_valid/images" \
    --class plate --min-coverage 0.90 --max-false 3 --max-area 2.5
python3 scripts/coverage.py --dataset "$data/faces_street" --out "$out/faces_street/images" \
    --class face --min-height 16 --min-coverage 0.88 --max-false 3 --max-area 2.5
