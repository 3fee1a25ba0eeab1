SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV ?= .venv
PY := $(VENV)/bin/python
UV ?= uv
# Where CPU builds of torch are, if the package index pip is set up with has none.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
TORCH_VERSION := 2.13.0
# Lets the resolver find a CPU build of torch; `--find-links FOLDER` where one is at hand.
LOCK_FLAGS ?= --torch-backend cpu
ARGS ?=
RECIPE ?= default
DATA ?= $(FINANCELLM_SHARED_DATA)
BUILD_LOG := $(VENV)/build.log
# Tools of their own environment, at the versions that CI uses: they look at the locks and need nothing of ours.
AUDIT_VENV := $(VENV)-audit
AUDIT_TOOLS := pip-audit==2.10.1 cyclonedx-bom==7.5.0

# Bytecode is compiled on first import instead: installing takes a third less time.
PIP := $(PY) -m pip --disable-pip-version-check install --quiet --quiet --no-compile --no-deps
# The name holds a hash of what was installed, so a changed lock is installed again and an equal one never.
stamp = $(VENV)/.installed-$(1)-$(shell cat .lock/$(1).txt pyproject.toml worker/engine/native/csrc/* | sha256sum | cut -c1-16)
SERVE_STAMP := $(call stamp,serve)
DEV_STAMP := $(call stamp,dev)

.PHONY: help run test lint model train bench bench-service bench-peers chaos lock audit clean

help: ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

run: $(SERVE_STAMP) ## start Redis, a worker and the api, answer a sample bulk, keep serving (ARGS=--once to end after it)
	@exec $(VENV)/bin/financellm up --sample $(ARGS)

test: lint model ## run everything: lint, types, import contracts, unit, integration and acceptance tests
	@$(PY) -m pytest -p tests.support.layer_counts $(ARGS)

lint: $(DEV_STAMP) ## ruff, mypy and the import contracts
	@$(VENV)/bin/ruff check --quiet .
	@$(VENV)/bin/ruff format --check --quiet .
	@$(VENV)/bin/mypy --no-error-summary
	@$(VENV)/bin/lint-imports --no-logo >/dev/null || $(VENV)/bin/lint-imports --no-logo
	@echo "ruff, mypy and import contracts: no complaint"

model: $(DEV_STAMP) ## prepare the model that tests and benches use
	@$(VENV)/bin/financellm model prepare

train: $(DEV_STAMP) ## curate, train, merge, pack, evaluate: RECIPE=default|smoke DATA=FOLDER (docs/training.md names its files)
	@test -n "$(DATA)" || { echo "make train needs DATA=FOLDER or FINANCELLM_SHARED_DATA: the data files that docs/training.md names." >&2; exit 1; }
	@$(PY) -m training.pipeline --recipe $(RECIPE) --data-dir $(DATA) $(ARGS)

bench: model ## measure everything, then write docs/performance.md: ARGS="--only engines,scaling --peers --data FOLDER"
	@$(PY) -m tests.bench $(ARGS)

bench-service: model ## measure the service; the last line is one JSON object
	@$(PY) -m tests.bench.service $(ARGS)

bench-peers: model ## install the engines that python -m tests.bench.engines compares with, and make their models
	@TORCH_INDEX="$(TORCH_INDEX)" $(PY) -m tests.bench.peers $(ARGS)

chaos: model ## break the running service in every way we know and check its promises: ARGS="--jobs N --minutes M --faults A,B"
	@$(PY) -m tests.chaos $(ARGS)

lock: ## resolve the dependencies of pyproject.toml again (needs uv)
	@command -v $(UV) >/dev/null || { echo "make lock needs uv: pip install uv" >&2; exit 1; }
	@resolve() { $(UV) pip compile --quiet --python-version 3.11 --python-platform x86_64-manylinux_2_28 \
	    --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links --no-emit-package torch \
	    $(LOCK_FLAGS) "$$@"; }; \
	compile() { resolve pyproject.toml "$$@"; }; \
	peer() { resolve ".lock/peers/$$1.in" "$${@:2}" -o ".lock/peers/$$1.txt"; }; \
	compile --extra worker --extra training --extra export --extra s3 --extra redis-server --extra dev -o .lock/dev.txt; \
	compile -c .lock/dev.txt --extra s3 --no-emit-package hf-xet -o .lock/api.txt; \
	compile -c .lock/dev.txt --extra s3 --extra worker -o .lock/worker.txt; \
	compile -c .lock/dev.txt --extra worker --extra export --extra redis-server -o .lock/serve.txt; \
	compile -c .lock/dev.txt --extra worker --extra transformers -o .lock/reference.txt; \
	peer vllm --override .lock/peers/vllm.override; \
	peer onnxruntime; peer openvino; peer openvino-export; peer llamacpp; peer llamacpp-source --no-deps

audit: ## look up known vulnerabilities of the locked packages, and write bills of materials into dist
	@$(PYTHON) -m venv $(AUDIT_VENV)
	@$(AUDIT_VENV)/bin/python -m pip --disable-pip-version-check install --quiet $(AUDIT_TOOLS) || { \
	    echo "NOT AUDITED: the tools $(AUDIT_TOOLS) could not be installed; is there a network?" >&2; exit 0; }; \
	export PATH="$(abspath $(AUDIT_VENV))/bin:$$PATH"; .ci/sbom dist; AUDIT_OFFLINE=allowed .ci/audit

clean: ## remove the environment and caches; models and Redis data in .financellm stay
	@rm -rf $(VENV) $(AUDIT_VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist
	@find api common training worker tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || { \
	    echo "FinanceLLM needs Python 3.11, 3.12 or 3.13; $(PYTHON) is $$($(PYTHON) --version). Use make PYTHON=python3.11." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
	    rm -rf $(VENV); echo "No virtual environment could be made. On Debian: apt-get install python3-venv." >&2; exit 1; }

$(SERVE_STAMP): | $(PY)
	$(call install,serve)

$(DEV_STAMP): | $(PY)
	$(call install,dev)
	@touch $(SERVE_STAMP)

define install
	@rm -f $(VENV)/.installed-*
	@echo "Installing the packages pinned in .lock/$(1).txt into $(VENV): about a minute, once."
	@$(PIP) --require-hashes --requirement .lock/$(1).txt
	@rm -rf build  # CMake remembers a compiler that failed
	@$(PY) -m pip --disable-pip-version-check install --verbose --no-deps --editable . >$(BUILD_LOG) 2>&1 || { cat $(BUILD_LOG) >&2; exit 1; }
	@$(if $(filter dev,$(1)),$(call install_torch),$(NATIVE_IS_BUILT) || { $(call explain_build); $(call install_reference); })
	@touch $@
endef

NATIVE_IS_BUILT = $(PY) -c "import worker.engine.native._native" 2>/dev/null
install_torch = $(PIP) "torch==$(TORCH_VERSION)+cpu" 2>/dev/null || $(PIP) --index-url $(TORCH_INDEX) "torch==$(TORCH_VERSION)"
explain_build = echo "The native engine was not built, so the slower transformers engine will serve. $(BUILD_LOG) says:"; \
    { grep -iE 'error|no such file|not found' $(BUILD_LOG) || tail -n 5 $(BUILD_LOG); } | head -n 5
install_reference = $(PIP) --require-hashes --requirement .lock/reference.txt; $(call install_torch)
