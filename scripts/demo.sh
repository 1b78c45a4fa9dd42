#!/usr/bin/env bash
# Redact real photos into demo/out: `make demo`, or `make demo PHOTOS=dir`.
set -euo pipefail
cd "$(dirname "$0")/.."
photos=$1
out=$2

if [ -z "$photos" ]; then
    scripts/setup.sh --pictures
    photos=.setup/demo
    .setup/venv/bin/python scripts/make_demo_photos.py --out "$photos"
else
    scripts/setup.sh
fi
cargo build --locked --release

echo
echo "redacting the photos in $photos"
code=0
sheet=$(dirname "$out")/contact-sheet.html
mkdir -p "$(dirname "$out")"
target/release/obscura redact "$photos" --out "$out" --receipts --contact-sheet "$sheet" || code=$?
[ "$code" -le 1 ] || exit "$code"
echo
echo "look at:"
echo "  $sheet"
find "$out" -type f ! -name '*.receipt.json' | sort | sed 's/^/  /'
echo "and at the receipts beside them (what was found, what was changed, how long it took)"
# On a desktop the page opens by itself.
if [ -t 1 ] && [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ] && command -v xdg-open >/dev/null; then
    xdg-open "$sheet" >/dev/null 2>&1 || true
fi
