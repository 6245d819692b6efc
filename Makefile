# Every target does its own set-up in .venv, and does it again only when pyproject.toml changes.
# PYTHON names the interpreter that makes the environment; without it the first suitable one is taken.
.DEFAULT_GOAL := help
.PHONY: help demo test test-slow test-servers fuzz test-lowest test-frameworks lint docs dist bench compare digest clean
.DELETE_ON_ERROR:

VENV := .venv
LOWEST := .venv-lowest
FRAMEWORKS := .venv-frameworks
BIN := $(VENV)/bin
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
# Tests run in as many processes as there are cores: threads of the libraries beside them only wait and spin.
THREADS = OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS=1
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

demo: $(VENV)/installed ## make a small CT study and take it through the whole round trip (about a minute)
	$(BIN)/dicomarray demo demo-output --overwrite

test: $(VENV)/installed-test ## the usual test suite
	$(THREADS) $(BIN)/python -m pytest -n logical --dist worksteal tests/unit tests/integration $(PYTEST_ARGS)

test-slow: $(VENV)/installed-test $(VENV)/installed-viewer ## what takes its time: every block of the docs, the viewer in Chromium, real templates, the fuzzer, killed runs
	$(THREADS) $(BIN)/python -m pytest -n logical --dist worksteal tests/slow $(PYTEST_ARGS)

test-servers: $(VENV)/installed-test ## push, pull and listen against Orthanc and DCMTK; scripts/install-system-packages has them
	$(THREADS) $(BIN)/python -m pytest -n logical --dist worksteal tests/servers $(PYTEST_ARGS)

test-lowest: $(LOWEST)/installed ## the core of the suite with the lowest versions of pyproject.toml, in Python 3.11
	$(THREADS) $(LOWEST)/bin/python -m pytest -n logical --dist worksteal tests/unit $(PYTEST_ARGS)

test-frameworks: $(FRAMEWORKS)/installed ## the adapters of PyTorch, MONAI and TorchIO, in an environment of their own
	$(THREADS) $(FRAMEWORKS)/bin/python -m pytest tests/frameworks $(PYTEST_ARGS)

fuzz: $(VENV)/installed-test ## damage sound files and read them, for half an hour or more; FUZZ_ARGS='--runs 1000000'
	PYTHONPATH=tests:benchmarks $(BIN)/python -m fuzzing $(FUZZ_ARGS)

lint: $(VENV)/installed-lint ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --platform win32 --cache-dir .mypy_cache/win32
	$(BIN)/mypy --platform darwin --cache-dir .mypy_cache/darwin
	$(BIN)/lint-imports

docs: $(VENV)/installed-docs ## the site, in build/site; a broken link, anchor or name is an error
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python scripts/make_site.py

dist: $(VENV)/installed-dist ## a wheel and an sdist in dist/, the same bytes for the same commit; each is installed alone and makes the demo
	scripts/make-dist $(BIN)/python

bench: $(VENV)/installed-test $(VENV)/installed-bench ## time everything against other tools; writes docs/benchmarks.md
	$(BIN)/python benchmarks/bench.py

digest: $(VENV)/installed-test $(VENV)/installed-digest ## hash what is made of every series at hand; DIGEST_ARGS='--against OLD'
	$(BIN)/python benchmarks/digest.py --output digest.jsonl $(DIGEST_ARGS)

compare: $(VENV)/installed-compare ## read the same series with other readers too; writes docs/comparison.md
	$(BIN)/python benchmarks/compare.py

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "dicomarray needs Python 3.11 or later on the PATH, or make PYTHON=/path/to/python" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml | $(VENV)/bin/python
	$(INSTALL) -e .
	@touch $@

$(VENV)/installed-%: pyproject.toml | $(VENV)/installed
	$(INSTALL) -e '.[$*]'
	@touch $@

$(LOWEST)/installed: pyproject.toml scripts/lowest-versions
	@test -n "$(PYTHON)" || { echo "dicomarray needs Python 3.11 or later on the PATH, or make PYTHON=/path/to/python" >&2; exit 1; }
	$(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/python scripts/lowest-versions > $(LOWEST)/constraints.txt
	$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check -c $(LOWEST)/constraints.txt -e '.[test]'
	@touch $@

# The frameworks are large; the upper bound of torch is the version that the adapters are tested with.
$(FRAMEWORKS)/installed: pyproject.toml
	@test -n "$(PYTHON)" || { echo "dicomarray needs Python 3.11 or later on the PATH, or make PYTHON=/path/to/python" >&2; exit 1; }
	$(PYTHON) -m venv $(FRAMEWORKS)
	$(FRAMEWORKS)/bin/python -m pip install --quiet --disable-pip-version-check -e '.[frameworks]' 'torch>=2.6,<=2.13.0'
	@touch $@

clean: ## remove the environment and all that was made
	rm -rf build dist $(VENV) $(LOWEST) $(FRAMEWORKS) digest.jsonl demo-output .pytest_cache .mypy_cache .ruff_cache
