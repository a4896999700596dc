# Two commands do the main things: `make demo` and `make test`. Both make .venv first.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
PROTOS := $(shell find proto -name '*.proto')

.PHONY: install demo test check proto proto-check lint clean

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt server/models/pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ./server/models -e '.[server,dev]'
	@touch $@

demo: install
	$(BIN)/python seeds/demo.py

test: install
	$(BIN)/python -m pytest

# Everything a change must pass besides the tests.
check: install proto-check lint

lint:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Regenerate the committed stubs from the contract.
proto: install
	$(BIN)/python scripts/generate_stubs.py

# The contract lints, and the committed stubs are what it generates.
proto-check: install
	$(BIN)/python scripts/generate_stubs.py --check

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
