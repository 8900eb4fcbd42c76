# Flowstate: `make run` serves, `make test` proves. `make help` lists the rest.
.DEFAULT_GOAL := help
SHELL := /bin/bash

# Imports that a target does not declare are errors; warnings are too (Package.swift).
SWIFT_FLAGS ?= --explicit-target-dependency-import-check error
# The Swift runtime goes into the binaries: they need no toolchain where they run. The run-time checks of exclusive
# access, a twentieth of a call, stay in what the tests run.
RELEASE_FLAGS := -c release --static-swift-stdlib -Xswiftc -enforce-exclusivity=unchecked $(SWIFT_FLAGS)
BUILD_DIR ?= .build
RELEASE := $(BUILD_DIR)/release
DEBUG := $(BUILD_DIR)/debug
PREFIX ?= /usr/local
VENV := .venv
# These keep every thread of Swift's pool for a minute; tests that wait for others would wait for them as well.
COMPUTING_TESTS := '^(JSONTests|FlowModelTests|FlowStoreTests|WireMessagesTests)\.'
# What swift-format looks after: all but generated files.
SOURCES = $$(git ls-files '*.swift' | grep -v -e /Generated/ -e GRPC/Messages/)

.PHONY: help
help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 20

.PHONY: run
run: packages build ## Build a release and serve on 127.0.0.1:7420 (ARGS="--port 0 …")
	$(RELEASE)/flowstate serve $(ARGS)

.PHONY: build
build: toolchain ## Build the release executables
	swift build $(RELEASE_FLAGS) --scratch-path $(BUILD_DIR)

.PHONY: test
test: deps lint ## Build, and run every test
	swift build --build-tests $(SWIFT_FLAGS) --scratch-path $(BUILD_DIR)
	swift test --skip-build --scratch-path $(BUILD_DIR) --filter $(COMPUTING_TESTS)
	swift test --skip-build --scratch-path $(BUILD_DIR) --skip $(COMPUTING_TESTS)
	$(MAKE) test-end-to-end
	$(MAKE) test-hostile
	$(MAKE) docker-check
	$(MAKE) bench-smoke

# The rooms that do no I/O: no PostgreSQL, no sockets.
UNIT_TESTS := '^(JSONTests|FlowModelTests|FlowAccessTests|HTTP2Tests|ResourcesTests|WireMessagesTests|FlowArchiveTests|FlowTransferTests|flowstateTests|FlowstateBenchTests)\.'

.PHONY: test-unit
test-unit: toolchain ## Build, and run the tests of what does no I/O
	swift build --build-tests $(SWIFT_FLAGS) --scratch-path $(BUILD_DIR)
	swift test --skip-build --scratch-path $(BUILD_DIR) --filter $(UNIT_TESTS)

.PHONY: test-end-to-end
test-end-to-end: ## The tests with stock gRPC clients, against the debug build, three files at a time
	FLOWSTATE_BIN=$(DEBUG)/flowstate FLOWSTATE_BENCH_BIN=$(DEBUG)/flowstate-bench $(INTEROP) \
	  $(VENV)/bin/python -m pytest -q -n 3 --dist loadfile -m "not toolchain" \
	  Tests/python --ignore=Tests/python/hostile --ignore=Tests/python/long

INTEROP := FLOWSTATE_INTEROP_BIN=$(DEBUG)/interop-server FLOWSTATE_INTEROP_CLIENT_BIN=$(DEBUG)/interop-client

.PHONY: test-interop
test-interop: deps ## gRPC's interoperability cases, both ways (all but other toolchains are a part of test-end-to-end)
	swift build --product interop-server $(SWIFT_FLAGS) --scratch-path $(BUILD_DIR)
	swift build --product interop-client $(SWIFT_FLAGS) --scratch-path $(BUILD_DIR)
	$(INTEROP) $(VENV)/bin/python -m pytest -q Tests/python/interop

# Figures of a debug build say nothing here: these run against the release.
.PHONY: test-hostile
test-hostile: deps build ## Attacks beside a client that does no harm, random runs of 10 s (FLOWSTATE_LONG_SECONDS=30: latencies too)
	FLOWSTATE_BIN=$(RELEASE)/flowstate $(VENV)/bin/python -m pytest -q Tests/python/hostile
	FLOWSTATE_BIN=$(RELEASE)/flowstate FLOWSTATE_LONG_SECONDS=10 $(VENV)/bin/python -m pytest -q Tests/python/long

# A language whose toolchain is missing is skipped; `bash docker/packages.sh clients` installs all of them.
.PHONY: test-clients
test-clients: deps build ## The examples of docs/clients and gRPC's cases, each built and run with its language's own tools
	swift build --product interop-server $(SWIFT_FLAGS) --scratch-path $(BUILD_DIR)
	FLOWSTATE_BIN=$(RELEASE)/flowstate $(INTEROP) \
	  $(VENV)/bin/python -m pytest -q Tests/python/clients Tests/python/interop/test_stock_clients.py

.PHONY: fuzz
fuzz: deps build ## The random runs, each for FLOWSTATE_LONG_SECONDS (600); FLOWSTATE_SEED=… repeats one
	FLOWSTATE_BIN=$(RELEASE)/flowstate FLOWSTATE_LONG_SECONDS=$${FLOWSTATE_LONG_SECONDS:-600} \
	  $(VENV)/bin/python -m pytest -q Tests/python/long

.PHONY: docker-check
docker-check: build ## Every step of the Dockerfile, without Docker
	bash docker/check.sh

.PHONY: bench
bench: bench-packages build ## Measure everything beside its peers (Benchmarks/RESULTS.md; ARGS="--quick …")
	bash Benchmarks/compare.sh --binaries $(RELEASE) $(ARGS)

.PHONY: bench-working-sets
bench-working-sets: bench-packages build ## … 1,000 to 1,000,000 flows in use, three sizes of states (ARGS="--flows … --sizes …")
	python3 Benchmarks/working_sets.py --binaries $(RELEASE) $(ARGS)

.PHONY: bench-scale
bench-scale: bench-packages build ## … with 10,000,000 flows, with 1,000 versions a flow (ARGS="--flows …")
	python3 Benchmarks/scale.py --binaries $(RELEASE) $(ARGS)

.PHONY: bench-soak
bench-soak: bench-packages build ## … memory in five minutes of saturation
	python3 Benchmarks/soak.py --binaries $(RELEASE) $(ARGS)

.PHONY: bench-cleanup
bench-cleanup: bench-packages build ## … saves while 1,000,000 versions are removed
	python3 Benchmarks/cleanup.py --binaries $(RELEASE) $(ARGS)

.PHONY: bench-smoke
bench-smoke: packages build ## Some seconds of load: every p99 must be below 50 ms
	python3 Benchmarks/smoke.py --binaries $(RELEASE)

.PHONY: bench-packages
bench-packages: packages
	@bash docker/packages.sh bench

.PHONY: paths
paths: packages build ## How many source files a save and a load run through (docs/internals/paths.md)
	swift build --product flowstate -Xswiftc -profile-generate -Xswiftc -profile-coverage-mapping --scratch-path .build-paths
	python3 Benchmarks/paths.py --binary .build-paths/debug/flowstate --bench $(RELEASE)/flowstate-bench $(ARGS)

.PHONY: sanitize
sanitize: deps ## AddressSanitizer over a run of 10,000 mixed calls
	bash Tests/sanitize.sh

.PHONY: docs
docs: toolchain ## The reference of the Swift client, with DocC, in .build/docs
	swift build --target FlowStateClient $(SWIFT_FLAGS) --scratch-path $(BUILD_DIR)
	bash docs/reference.sh $(DEBUG) $(BUILD_DIR)/docs

.PHONY: proto
proto: deps ## Generate the C and Swift messages from proto/
	bash proto/generate.sh

.PHONY: format
format: toolchain ## Format the Swift files
	swift format -i $(SOURCES)

.PHONY: lint
lint: toolchain ## Check the format of the Swift files
	swift format lint --strict $(SOURCES)

.PHONY: install
install: ## Copy the release to DESTDIR and PREFIX (/usr/local)
	install -D -t $(DESTDIR)$(PREFIX)/bin $(RELEASE)/flowstate $(RELEASE)/flowstate-bench

.PHONY: clean
clean: ## Remove what was built
	rm -rf $(BUILD_DIR) $(VENV)

# ── What the machine needs ──────────────────────────────────────────────────────────────────────────

.PHONY: deps
deps: packages $(VENV)/ready ## Install what is missing to build and test

.PHONY: packages
packages: toolchain ## Debian or Ubuntu packages to build and run; skipped when present
	@bash docker/packages.sh build

.PHONY: runtime-packages
runtime-packages: ## Packages to run a release that was built elsewhere
	@bash docker/packages.sh runtime

.PHONY: toolchain
toolchain:
	@command -v swift >/dev/null || { echo "flowstate needs a Swift toolchain, 6.2 or later: https://www.swift.org/install" >&2; exit 1; }
	@swift --version 2>/dev/null | grep -qE 'Swift version (6\.([2-9]|[1-9][0-9])|[7-9])' || \
	  { echo "flowstate needs Swift 6.2 or later; found: $$(swift --version 2>/dev/null | head -1)" >&2; exit 1; }

$(VENV)/ready: Tests/python/requirements.txt
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r $<
	touch $@
