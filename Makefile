# Two commands for newcomers: `make demo` and `make test`. Both set up what is missing.
.PHONY: help setup build demo test check check-ops rules fmt docs bench bench-worker accuracy judge soak fuzz advisories \
    plan-check irreversibility release image-root images pin-images compose clean

PHOTOS ?=
DATA ?=
COUNT ?= 2000
TARGET ?= open_jpeg
SECONDS ?= 60
DEMO_OUT := demo/out
IMAGE_ARGS := --build-arg VERSION="$$(git describe --always --dirty)" --build-arg REVISION="$$(git rev-parse HEAD)"

help:        ## Show this list
	@grep -E '^[a-z-]+: .*##|^[a-z-]+:  *##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup:       ## Fetch the ONNX Runtime library (pinned version and hash)
	@scripts/setup.sh

build: setup ## Build the release program
	cargo build --locked --release

demo:        ## Redact real photos into demo/out; PHOTOS=dir for your own
	@scripts/demo.sh "$(PHOTOS)" "$(DEMO_OUT)"

test:        ## Set up and run every test
	@scripts/setup.sh --tests
	cargo test --locked --all-features

check:       ## Formatting, lints, licences, unused dependencies, docs, manifests, images, rules, dashboards
	@scripts/setup.sh --check
	cargo fmt --all --check
	cargo clippy --locked --all-targets --all-features -- -D warnings
	cargo deny --log-level error check licenses bans sources
	cargo machete
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --quiet
	.setup/ops/bin/python scripts/check_ops

check-ops:   ## Only manifests, images, rules and dashboards
	@scripts/setup.sh --check
	.setup/ops/bin/python scripts/check_ops

rules:       ## Write what follows from k8s/components/monitoring/rules.yaml anew
	@scripts/setup.sh --check
	.setup/ops/bin/python scripts/check_ops --write

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

irreversibility: build ## Text and face recognisers and trained attackers against what was redacted: DATA=dir with the evaluation sets
	@scripts/setup.sh --irreversibility
	@.setup/irreversibility/bin/python -m unittest discover --start-directory scripts/irreversibility
	@.setup/irreversibility/bin/python scripts/irreversibility --data "$(DATA)" --program target/release/obscura

plan-check: build ## Compare what a profile foretells with what a worker does: DATA=dir with photos
	@python3 scripts/plan_check.py --data "$(DATA)" --program target/release/obscura

soak: build  ## The long tests of the worker; DATA=dir with photos also efficiency, drain, ten minutes at full speed, COUNT=2000
	@scripts/setup.sh --tests
	OBSCURA_SOAK=1 cargo test --locked --all-features --test stream -- --test-threads 1
	@[ -z "$(DATA)" ] || python3 scripts/soak.py --data "$(DATA)" --program target/release/obscura --photos "$(COUNT)"
	@[ -z "$(DATA)" ] || OBSCURA_BENCH_PHOTOS="$(abspath $(DATA))" cargo bench --quiet --locked --features failpoints --bench soak

fuzz:        ## Fuzz one parser: TARGET=open_gif SECONDS=60
	@scripts/setup.sh --tests --fuzz
	@scripts/fuzz.sh "$(TARGET)" "$(SECONDS)"

advisories:  ## Known vulnerabilities (needs an open network)
	cargo deny check advisories

release:     ## Archive, bill of materials, licences and checksums of this commit's version, in dist/
	@scripts/release.sh

image-root:  ## Lay out what the CPU image adds to its base, in .setup/image, and print the sizes
	@docker/build.sh .setup/image

images:      ## Build both images; needs Docker
	docker build --file docker/cpu.Dockerfile --tag obscura:local $(IMAGE_ARGS) .
	docker build --file docker/gpu.Dockerfile --tag obscura-gpu:local $(IMAGE_ARGS) .

pin-images:  ## Put today's digests behind the names of base images; needs an open network
	@docker/pin.sh

compose:     ## A whole system with dashboards on this machine, fed with photos (PHOTOS=dir for your own); needs Docker
	@scripts/setup.sh --pictures
	@[ -n "$(PHOTOS)" ] || .setup/venv/bin/python scripts/make_demo_photos.py --out .setup/demo
	PHOTOS="$(if $(PHOTOS),$(abspath $(PHOTOS)),$(CURDIR)/.setup/demo)" docker compose --file docker/compose.yaml up --build

clean:       ## Remove build products and fetched files
	cargo clean
	rm -rf .setup dist $(DEMO_OUT) $(DEMO_OUT).quarantine demo/contact-sheet.html
