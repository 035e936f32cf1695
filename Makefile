# One place for every command; `make help` lists them. PYTHON names the interpreter that builds .venv (3.11 or newer).
PYTHON ?= $(firstword $(foreach p,python3.13 python3.12 python3.11 python3,$(if $(shell $(p) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo ok),$(p))))
VENV   := .venv
BIN    := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help run test check format unit docs lock bench clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

run: $(VENV)/.run ## set everything up and run Uptake with the demo's data (Ctrl-C stops it)
	@$(BIN)/uptake up --demo

test: $(VENV)/.dev ## set everything up and pass every check and test
	@$(MAKE) --no-print-directory check
	@$(BIN)/pytest -n 2 --dist loadgroup

check: $(VENV)/.dev ## format, lint, types and contracts, without the tests
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(VENV)/.dev ## rewrite the code in the house format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

unit: $(VENV)/.dev ## the tests without I/O, in seconds
	@$(BIN)/pytest tests/unit

bench: $(VENV)/.dev ## measure, side by side, and write bench/RESULTS.md
	@$(BIN)/python -m bench

docs: $(VENV)/.dev ## build the documentation as a site, in build/site, and refuse a broken link
	@$(BIN)/sphinx-build -c docs/site -E -W --keep-going -q . build/site
	@echo "Open build/site/index.html"

lock: $(VENV)/.dev ## resolve the dependencies again (needs uv)
	@sh scripts/lock.sh

clean: ## remove what the other targets made (the data directory .uptake stays)
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Uptake needs Python 3.11 or newer: install it, or name it: make PYTHON=/path/to/python3.11 ..."; exit 2; }
	@$(PYTHON) -m venv $(VENV) || { echo "Python's venv module is missing (on Debian: apt install python3-venv)"; exit 2; }

$(VENV)/.run: requirements.lock pyproject.toml | $(VENV)/bin/python
	@test -e $(VENV)/.dev || { echo "Installing the pinned dependencies into .venv (about 30 s the first time) ..."; \
	  $(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements.lock; }
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements-dev.lock pyproject.toml | $(VENV)/bin/python
	@echo "Installing the pinned dependencies and test tools into .venv (about a minute the first time) ..."
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/.run
