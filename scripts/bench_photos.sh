# Sourced by the benches: the photos of the first argument, or those that are drawn for want of others.
photos=${1:-}
if [ -z "$photos" ]; then
    photos=.setup/bench
    .setup/venv/bin/python scripts/make_demo_photos.py --out "$photos" --large
fi
OBSCURA_BENCH_PHOTOS=$(cd "$photos" && pwd)
export OBSCURA_BENCH_PHOTOS
