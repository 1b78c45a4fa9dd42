# Two commands for newcomers: `make demo` and `make test`. Both set up what is missing.
.PHONY: help setup build demo test check fmt docs bench bench-worker accuracy judge soak fuzz advisories clean

PHOTOS ?=
DATA ?=
COUNT ?= 2000
TARGET ?= open_jpeg
SECONDS ?= 60
DEMO_OUT := demo/out

help:        ## Show this list
	@grep -E '^[a-z]+: .*##|^[a-z]+:  *##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup:       ## Fetch the ONNX Runtime library (pinned version and hash)
	@scripts/setup.sh

build: setup ## Build the release program
	cargo build --locked --release

demo:        ## Redact real photos into demo/out; PHOTOS=dir for your own
	@scripts/demo.sh "$(PHOTOS)" "$(DEMO_OUT)"

test:        ## Set up and run every test
	@scripts/setup.sh --tests
	cargo test --locked --all-features

check:       ## Formatting, lints, licences, unused dependencies, docs
	@scripts/setup.sh --check
	cargo fmt --all --check
	cargo clippy --locked --all-targets --all-features -- -D warnings
	cargo deny --log-level error check licenses bans sources
	cargo machete
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --quiet

fmt:         ## Format the code
	cargo fmt --all

docs:        ## Write docs/configuration.md anew from the keys that the program knows
	OBSCURA_UPDATE_DOCS=1 cargo test --locked --all-features --test behaviour -- --exact reference::the_configuration_page_is_up_to_date

bench: build ## Speed and memory beside deface and other codecs; PHOTOS=dir for your own
	@scripts/bench.sh $(PHOTOS)

bench-worker: ## CPU of the worker on a real broker and store; PHOTOS=dir for your own
	@scripts/setup.sh --tests --bench
	@scripts/bench_worker.sh $(PHOTOS)

accuracy: build ## Coverage on labelled photos: DATA=dir with the evaluation sets
	@scripts/accuracy.sh "$(DATA)"

judge:       ## Ask libjpeg about spliced JPEGs: DATA=dir with photos of your own, 100 random plans each
	@scripts/setup.sh --tests
	OBSCURA_JUDGE_DATA="$(DATA)" cargo test --locked --release --test behaviour libjpeg -- --nocapture

soak: build  ## The long tests of the worker; DATA=dir with photos also its efficiency, memory and drain, COUNT=2000
	@scripts/setup.sh --tests
	OBSCURA_SOAK=1 cargo test --locked --all-features --test stream -- --test-threads 1
	@[ -z "$(DATA)" ] || python3 scripts/soak.py --data "$(DATA)" --program target/release/obscura --photos "$(COUNT)"

fuzz:        ## Fuzz one parser: TARGET=open_gif SECONDS=60
	@scripts/setup.sh --tests --fuzz
	@scripts/fuzz.sh "$(TARGET)" "$(SECONDS)"

advisories:  ## Known vulnerabilities (needs an open network)
	cargo deny check advisories

clean:       ## Remove build products and fetched files
	cargo clean
	rm -rf .setup $(DEMO_OUT) $(DEMO_OUT).quarantine demo/contact-sheet.html
