#!/usr/bin/env bash
# Fuzz one target for some seconds, from the test pictures on: scripts/fuzz.sh open_gif 60
set -euo pipefail
cd "$(dirname "$0")/.."

target=$1 seconds=$2
corpus=fuzz/corpus/$target
mkdir -p "$corpus"
case "$target" in
    event) cp tests/events/examples/* "$corpus/" ;;
    *_jpeg | receipt | envelope | audit) python3 scripts/fuzz_seeds.py "$target" "$corpus" ;;
    config) cp src/config/default.toml "$corpus/" ;;
    open_*) find .setup/fixtures/"${target#open_}" .setup/fixtures/mutants -type f -size -64k -exec cp -t "$corpus" {} + ;;
    *) echo "error: unknown target $target; expected one of: $(cd fuzz/fuzz_targets && echo *.rs | sed 's/\.rs//g')" >&2; exit 2 ;;
esac
# C code is built with the sanitizer too, and the configure script of librdkafka has to link some of it.
export LDFLAGS="${LDFLAGS:-} -fsanitize=address"
# The sanitizers need flags of the nightly compiler, which the stable one takes on this word.
RUSTC_BOOTSTRAP=1 cargo fuzz run "$target" -- -max_total_time="$seconds" -rss_limit_mb=2048 -timeout=20 -max_len=65536
echo "What the corpus reaches:"
RUSTC_BOOTSTRAP=1 cargo fuzz run "$target" -- -runs=0 -print_coverage=1 2>&1 | python3 scripts/fuzz_reached.py
