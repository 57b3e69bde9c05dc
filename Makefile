# The verbs of the project; `make help` lists them.
#
# Tools that the tests need are put into .tools (Python) and into the system (Debian), by `make setup`.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
export PATH := $(CURDIR)/.tools/cargo-lambda/bin:$(PATH):$(CURDIR)/.tools/kind/bin

CARGO ?= cargo
SHELLCHECK := $(shell shellcheck --version >/dev/null 2>&1 && echo yes)
NEXTEST := $(shell $(CARGO) nextest --version >/dev/null 2>&1 && echo yes)

.PHONY: help
help: ## List the verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## Judge a day of synthetic traffic on this machine, write the report, leave a server running
	@.config/demo.sh

.PHONY: stop
stop: ## Stop the server that `make demo` left running
	@.config/demo.sh stop

.PHONY: run
run: ## Run both functions in one process on port 8080, without Redis
	$(CARGO) run --package standalone

.PHONY: watch
watch: ## Run the two functions on the Lambda emulator of cargo-lambda, over the Redis at REDIS_URL
	REDIS_URL=$${REDIS_URL:-redis://127.0.0.1:6379} $(CARGO) lambda watch

.PHONY: image
image: ## Make the container images dev.local/tidemark-*, a static binary each
	@kind/image/build.sh

.PHONY: image-test
image-test: ## Make the images twice, compare them, and run them as strictly as a cluster does
	@kind/image/test.sh

.PHONY: kind-up
kind-up: image ## Everything on a local Kubernetes: Knative, Redis, Prometheus, Alertmanager, Grafana
	@kind/up.sh

.PHONY: kind-down
kind-down: ## Remove it
	@kind/down.sh

.PHONY: setup
setup: ## Install what the tests need
	@.config/setup.sh

.PHONY: check
check: ## The quick loop: everything compiles, the code is formatted
	$(CARGO) fmt --all --check
	$(CARGO) check --workspace --all-targets

# Built without optimization: it runs for a second, and is built in minutes as it is.
.tools/cargo-deny/bin/cargo-deny:
	$(CARGO) install --quiet --locked --debug --root .tools/cargo-deny cargo-deny@0.20.2

.PHONY: lint
lint: .tools/cargo-deny/bin/cargo-deny ## Format, clippy, documentation and dependencies, warnings denied
	$(CARGO) fmt --all --check
ifeq ($(SHELLCHECK),yes)
	shellcheck --external-sources --source-path=SCRIPTDIR .ci/run .config/*.sh infra/checks/*.sh kind/*.sh kind/image/*.sh
else
	@echo 'lint: scripts NOT checked: `shellcheck` is wanted' >&2
endif
	$(CARGO) clippy --workspace --all-targets -- --deny warnings
	RUSTDOCFLAGS='--deny warnings' $(CARGO) doc --workspace --no-deps --document-private-items --quiet
	$< --config .config/deny.toml check --hide-inclusion-graph bans licenses sources

.PHONY: test
test: setup ## Install what the tests need, run all of them
	$(CARGO) build --workspace
ifeq ($(NEXTEST),yes)
	$(CARGO) nextest run --workspace
else
	$(CARGO) test --workspace --lib --bins --tests --examples
endif
	$(CARGO) test --quiet --workspace --bench '*'
	$(CARGO) test --workspace --doc
	@.config/schema.sh
	@infra/checks/test.sh
	.tools/kind/bin/python -B -m pytest --quiet -p no:cacheprovider kind/tests
	.tools/kind/bin/python -B -m pytest --quiet -p no:cacheprovider docs/tests

.PHONY: chaos
chaos: setup ## Break everything on purpose for a few minutes; nothing acknowledged may be lost
	@.config/chaos.sh

.PHONY: load
load: ## Measure every figure promised of speed and size beside its reference; about ten minutes
	$(CARGO) build --release --package ingest --package analyze --package standalone --package evaluator
	$(CARGO) build --release --package server --example one_script --example no_store
	@.config/load.py --splice docs/performance.md --constants evaluator/load/capacity/measured.json $(LOAD)

.PHONY: profile
profile: ## Profile `ingest` under load into reports: CPU and heap, for `go tool pprof`
	@.config/profile.sh

.PHONY: bench
bench: ## Measure parsing, judging, memories, the store and the router, one by one
	$(CARGO) bench --workspace --bench '*'

.PHONY: capacity
capacity: ## Reckon what 1, 10 and 100 million samples an hour need, from what `make load` measured
	$(CARGO) run --quiet --release --package evaluator -- capacity

.PHONY: record
record: ## Measure detection quality anew, and write the results into docs and records
	@.config/record.sh

ARCHITECTURE ?= x86_64
LAMBDA := target/lambda/$(ARCHITECTURE)

.PHONY: lambda-build
lambda-build: setup ## Make the packages for AWS Lambda (ARCHITECTURE=arm64 for Graviton)
	$(CARGO) lambda build --release --output-format zip --skip-target-check --lambda-dir $(LAMBDA) \
		$(if $(filter arm64,$(ARCHITECTURE)),--arm64)

.PHONY: infra-test
infra-test: ## Check the Terraform of `infra` in full: its tests, every broken promise, checkov
	@infra/checks/test.sh all

.PHONY: infra-apply
infra-apply: lambda-build ## Apply the complete example of `infra` to a stand-in for AWS, and use its table and queue
	@infra/checks/apply.sh packages target/lambda

.PHONY: cold-start
cold-start: lambda-build ## Measure how fast the packages start, and write it into the README of `infra`
	$(CARGO) build --release --package server --example empty
	@python3 infra/checks/cold_start.py $(LAMBDA) $${CARGO_TARGET_DIR:-target}/release/examples/empty --write

.PHONY: cost
cost: ## Reckon what a month on AWS costs, and write it into the README of `infra`
	@cd infra && python3 checks/cost.py && python3 checks/cost.py --write

.PHONY: clean
clean: stop ## Remove what was built, installed and reported
	$(CARGO) clean
	rm -rf .tools reports
