# The only entry to the project's tooling. A bare `make` lists the targets.
# Everything is made inside the tree: .venv (Python packages), .cache (tools, reports, built programs).

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.ONESHELL:
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

PY := .venv/bin/python
TOOLS := .cache/tools/bin
SDK_VENV := .cache/venv-helm-sdk
# helm and kubectl as the project pins them come before those of the machine.
export PATH := $(CURDIR)/$(TOOLS):$(PATH)

# Folders with Python in them that are there; typed ones without examples/, whose programs belong to their images.
TYPED := $(wildcard src tests e2e corpus bench conformance faults fuzz scripts)
LINTED := $(TYPED) $(wildcard examples)

# What `make fuzz` and `make check` spend on fuzzing.
FUZZ_SECONDS ?= 60
CHECK_FUZZ_SECONDS ?= 20
# When `make faults` begins no more rounds; 0 plays all of them.
FAULTS_SECONDS ?= 0
# Extra arguments for pytest and the benchmark: make test ARGS="-k digest", make bench ARGS="--quick".
ARGS ?=
say = @echo '== $(1)'

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- Surroundings ------------------------------------------------------------------------------------------------

.PHONY: venv
venv: .venv/installed.stamp ## Make .venv with packhorse in it, from the locked requirements

.venv/locked.stamp: requirements/dev.lock
	$(call say,Making .venv from requirements/dev.lock)
	python=$$(scripts/find_python.sh)
	"$$python" -m venv --clear .venv || {
		echo "hint: this Python has no venv module; on Debian: apt-get install python3-venv" >&2
		exit 1
	}
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --requirement requirements/dev.lock
	touch $@

.venv/installed.stamp: .venv/locked.stamp pyproject.toml
	$(call say,Installing packhorse into .venv)
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	$(PY) -m pip check >/dev/null
	touch $@

.PHONY: tools
tools: $(TOOLS)/tools.stamp ## Fetch the pinned helm and kubectl into .cache/tools/bin

$(TOOLS)/tools.stamp: requirements/tools.lock scripts/fetch_tools.py | venv
	$(call say,Fetching helm and kubectl into $(TOOLS))
	$(PY) scripts/fetch_tools.py --lock requirements/tools.lock --into $(TOOLS)
	touch $@

# --- Running it --------------------------------------------------------------------------------------------------

.PHONY: demo
demo: venv tools ## Run the main job end to end with embedded parts: no Docker, no cluster, no root
	$(call say,Running the demo)
	$(PY) scripts/demo.py $(ARGS)

.PHONY: corpus
corpus: venv ## Make the real images that demo, e2e and bench carry: all of them, or what ARGS says
	$(if $(ARGS),,$(PY) -m e2e.needs corpus)
	$(PY) -m corpus $(ARGS)

.PHONY: peers
peers: venv ## Install the programs that Packhorse is measured beside into .cache/peers/bin
	$(call say,Installing peers)
	$(PY) -m bench.peers

.PHONY: bench
bench: venv ## Measure Packhorse and its peers side by side; ARGS=--quick only shows that it runs
	$(call say,Installing peers, and what the images take)
	$(PY) -m e2e.needs
	$(PY) -m bench.peers || echo "Some peers are missing; they take no part."
	$(call say,Measuring)
	$(PY) -m bench $(ARGS)

.PHONY: fuzz
fuzz: venv ## Feed broken input to the readers for FUZZ_SECONDS (60)
	$(call say,Fuzzing for $(FUZZ_SECONDS) s)
	$(PY) -m fuzz --seconds $(FUZZ_SECONDS) $(ARGS)

# --- Tests -------------------------------------------------------------------------------------------------------

.PHONY: test
test: venv tools ## Run the unit, contract and property tests with their coverage floors
	$(call say,Running the tests)
	mkdir -p .cache/coverage
	$(PY) -m pytest --cov --cov-report= $(ARGS)
	$(if $(ARGS),,$(PY) scripts/coverage_floors.py)

.PHONY: test-helm-sdk
test-helm-sdk: $(SDK_VENV)/installed.stamp tools ## Run the tests that need the helm-sdk extra, in an environment of their own
	$(call say,Running the tests of charts with the Helm SDK)
	$(SDK_VENV)/bin/python -m pytest tests/contract/test_chart_renderer.py $(ARGS)

# The extra is 250 MB, so it stays out of .venv, and the other tests show that Packhorse does without it.
$(SDK_VENV)/installed.stamp: requirements/dev.lock requirements/helm-sdk.lock
	$(call say,Making $(SDK_VENV) with the helm-sdk extra)
	"$$(scripts/find_python.sh)" -m venv --clear $(SDK_VENV)
	$(SDK_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps \
		--requirement requirements/dev.lock --requirement requirements/helm-sdk.lock
	$(SDK_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

.PHONY: e2e
e2e: venv tools ## Run everything on a real Kubernetes with no road out (Linux, root)
	$(call say,Installing what e2e needs)
	$(PY) -m e2e.needs
	$(call say,Building Kubernetes (ten minutes the first time; nothing to do when it is there))
	$(PY) -m e2e.cluster.build
	$(call say,Running e2e)
	$(PY) -m pytest e2e $(ARGS)

.PHONY: faults
faults: venv tools ## Run the verbs while network, disk, clock and operator fail (FAULTS_SECONDS=240 for a bound)
	$(call say,Rounds of the verbs with faults)
	$(PY) -m faults --seconds $(FAULTS_SECONDS) $(ARGS)

.PHONY: conformance
conformance: venv ## Run the distribution-spec's own program over every store (OCI_CONFORMANCE=/path/to/program)
	$(call say,Conformance with the OCI distribution specification)
	$(PY) -m conformance $(ARGS)

# --- Gates -------------------------------------------------------------------------------------------------------

.PHONY: check
check: check-static test test-helm-sdk check-fuzz ## Everything a change must pass: static checks, tests, bounded fuzz
	$(call say,All checks passed)

.PHONY: check-static
check-static: check-format check-lint check-types check-imports check-dead-code check-docs check-changelog ## The part of check that runs nothing of the product

.PHONY: check-format
check-format: venv
	$(call say,Format)
	$(PY) -m ruff format --check --diff $(LINTED)

.PHONY: check-lint
check-lint: venv
	$(call say,Lint)
	$(PY) -m ruff check $(LINTED)

.PHONY: check-types
check-types: venv
	$(call say,Types)
	$(PY) -m mypy $(TYPED)

.PHONY: check-imports
check-imports: venv
	$(call say,Import contracts)
	.venv/bin/lint-imports --cache-dir .cache/import_linter

.PHONY: check-dead-code
check-dead-code: venv
	$(call say,Dead code)
	$(PY) scripts/check_dead_code.py

.PHONY: check-docs
check-docs: venv
	$(call say,Links in the documentation)
	$(PY) scripts/check_docs_links.py
	$(call say,Generated documentation is up to date)
	$(PY) scripts/generate_docs.py --check
	$(PY) -m conformance --check-docs
	$(call say,Measurements in the documentation are those of their file)
	$(PY) -m bench report --check

.PHONY: check-changelog
check-changelog: venv
	$(call say,Changelog fragments)
	$(PY) scripts/check_changelog.py

.PHONY: check-fuzz
check-fuzz: venv
	$(call say,Fuzzing for $(CHECK_FUZZ_SECONDS) s)
	$(PY) -m fuzz --seconds $(CHECK_FUZZ_SECONDS)

# --- Upkeep ------------------------------------------------------------------------------------------------------

.PHONY: format
format: venv ## Format the code and repair what the linter can repair
	$(PY) -m ruff check --fix $(LINTED) || true
	$(PY) -m ruff format $(LINTED)

.PHONY: docs
docs: venv ## Write the reference pages that are generated from the code
	$(PY) scripts/generate_docs.py

.PHONY: lock-requirements
lock-requirements: ## Resolve the requirements again into requirements/*.lock (UPGRADE=1 takes newer versions)
	scripts/lock_requirements.sh $(if $(UPGRADE),--upgrade)

.PHONY: clean
clean: ## Remove .venv and everything under .cache
	rm -rf .venv .cache .hypothesis build dist src/packhorse.egg-info
