# Commands of the project; `make help` lists them. `make setup` installs the tools for the tests.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
export PATH := $(CURDIR)/.tools/cargo-lambda/bin:$(PATH):$(CURDIR)/.tools/kind/bin

CARGO ?= cargo
SHELLCHECK := $(shell shellcheck --version >/dev/null 2>&1 && echo yes)
NEXTEST := $(shell $(CARGO) nextest --version >/dev/null 2>&1 && echo yes)

.PHONY: help
help: ## List the commands
	@awk -F ':.*## ' '/^##@ / { printf "\n%s\n", substr($$0, 5) } /^[a-z-]+:.*## / { printf "  make %-12s  %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

##@ Try it

.PHONY: demo
demo: ## Start here: run standalone, send synthetic traffic, write a report; needs no Redis
	@.config/demo.sh

.PHONY: stop
stop: ## Stop the server that make demo started
	@.config/demo.sh stop

.PHONY: run
run: ## Run ingest and analyze in one process on port 8080, with an in-memory store
	$(CARGO) run --package standalone

##@ Develop

.PHONY: setup
setup: ## Install the tools for the tests
	@.config/setup.sh

.PHONY: check
check: ## Check quickly that the code compiles and is formatted
	$(CARGO) fmt --all --check
	$(CARGO) check --workspace --all-targets

# A debug build, since building takes minutes and running a second.
.tools/cargo-deny/bin/cargo-deny:
	$(CARGO) install --quiet --locked --debug --root .tools/cargo-deny cargo-deny@0.20.2

.PHONY: lint
lint: .tools/cargo-deny/bin/cargo-deny ## Check format, scripts, words, module graph, clippy, documentation and dependencies
	$(CARGO) fmt --all --check
ifeq ($(SHELLCHECK),yes)
	shellcheck --external-sources --source-path=SCRIPTDIR .ci/run .config/*.sh docs/images/*.sh infra/checks/*.sh kind/*.sh kind/image/*.sh
else
	@echo 'lint: scripts NOT checked: `shellcheck` is not installed' >&2
endif
	@python3 -B .config/lint/tests.py --quiet
	@python3 -B .config/lint/words.py
	@python3 -B .config/lint/arrows.py
	$(CARGO) clippy --workspace --all-targets -- --deny warnings
	RUSTDOCFLAGS='--deny warnings' $(CARGO) doc --workspace --no-deps --document-private-items --quiet
	$< --config .config/deny.toml check --hide-inclusion-graph bans licenses sources

.PHONY: test
test: setup ## Install the tools, and run all tests
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
	@.config/ui.sh
	.tools/alerts/bin/python -B -m pytest --quiet -p no:cacheprovider --numprocesses 4 functions/standalone/tests/alerts
	.tools/senders/bin/python -B -m pytest --quiet -p no:cacheprovider functions/standalone/tests/senders

.PHONY: chaos
chaos: setup ## Inject faults for a few minutes, and check that no acknowledged sample is lost
	@.config/chaos.sh

.PHONY: clean
clean: stop ## Remove builds, installed tools and reports
	$(CARGO) clean
	rm -rf .tools reports

##@ Measure

.PHONY: bench
bench: ## Run the microbenchmarks of parsers, detectors, the store and the router
	$(CARGO) bench --workspace --bench '*'

.PHONY: load
load: ## Measure speed and size against their targets; about ten minutes
	$(CARGO) build --release --package ingest --package analyze --package standalone --package evaluator
	$(CARGO) build --release --package server --example one_script --example no_store
	@.config/load.py --splice docs/performance.md --constants evaluator/load/capacity/measured.json $(LOAD)

.PHONY: capacity
capacity: ## Estimate resources for 1, 10 and 100 million samples an hour, from the results of make load
	$(CARGO) run --quiet --release --package evaluator -- capacity

.PHONY: profile
profile: ## Profile CPU and heap of ingest under load, for go tool pprof
	@.config/profile.sh

.PHONY: record
record: ## Measure detection quality, and write the results into docs/quality.md and the records
	@.config/record.sh

##@ Containers and Kubernetes

.PHONY: image
image: ## Build the container images dev.local/tidemark-*, each with one static binary
	@kind/image/build.sh

.PHONY: image-test
image-test: ## Build the images twice, compare them, and run them with the restrictions of a cluster
	@kind/image/test.sh

.PHONY: kind-up
kind-up: image ## Start a local Kubernetes with Knative, Redis, Prometheus, Alertmanager and Grafana
	@kind/up.sh

.PHONY: kind-down
kind-down: ## Remove the local Kubernetes
	@kind/down.sh

##@ AWS

ARCHITECTURE ?= x86_64
LAMBDA := target/lambda/$(ARCHITECTURE)

.PHONY: watch
watch: ## Run the functions on the Lambda emulator of cargo-lambda, with the Redis at REDIS_URL
	REDIS_URL=$${REDIS_URL:-redis://127.0.0.1:6379} $(CARGO) lambda watch

.PHONY: lambda-build
lambda-build: setup ## Build the packages for AWS Lambda (ARCHITECTURE=arm64 for Graviton)
	$(CARGO) lambda build --release --output-format zip --skip-target-check --lambda-dir $(LAMBDA) \
		$(if $(filter arm64,$(ARCHITECTURE)),--arm64)

.PHONY: infra-test
infra-test: ## Run all checks of the Terraform configuration: tests, mutation tests, checkov
	@infra/checks/test.sh all

.PHONY: infra-apply
infra-apply: lambda-build ## Apply the complete Terraform example to a mock of AWS, and run the packages there
	@infra/checks/apply.sh packages target/lambda

.PHONY: cold-start
cold-start: lambda-build ## Measure the cold start of the packages, and write it into infra/README.md
	$(CARGO) build --release --package server --example empty
	@python3 infra/checks/cold_start.py $(LAMBDA) $${CARGO_TARGET_DIR:-target}/release/examples/empty --write

.PHONY: cost
cost: ## Estimate the monthly cost on AWS, and write it into infra/README.md
	@cd infra && python3 checks/cost.py && python3 checks/cost.py --write
