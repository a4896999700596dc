# Two commands do the main things: `make demo` and `make test`. Both make .venv first.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
PROTOS := $(shell find proto -name '*.proto')

.PHONY: install demo test eval bench check proto proto-check client client-check docs docs-check compat lint clean

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt server/models/pyproject.toml
	@echo "installing into $(VENV); this takes some minutes"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ./server/models \
		-e '.[server,http,otel,parquet,dev]'
	@touch $@

demo: install
	$(BIN)/python seeds/demo.py

test: install
	$(BIN)/python -m pytest

# How right it is. DATA: a folder with nli/dev/*.jsonl.gz (pairs), record/ (statements, claims_dev) and attribution/dev,
# each as docs/evaluation.md says; without it the small examples of seeds/ are measured. LIMIT: items of each file.
EVAL := $(BIN)/onrecord eval $(if $(LIMIT),--limit $(LIMIT))
PAIRS := $(wildcard $(DATA)/nli/dev/*.jsonl $(DATA)/nli/dev/*.jsonl.gz)
CLAIMS := $(firstword $(wildcard $(DATA)/record/claims_dev.jsonl $(DATA)/record/claims_dev.jsonl.gz))
STATEMENTS := $(firstword $(wildcard $(DATA)/record/statements.jsonl $(DATA)/record/statements.jsonl.gz))
ANNOTATED := $(firstword $(wildcard $(DATA)/attribution/dev.jsonl $(DATA)/attribution/dev.jsonl.gz))

eval: install
	@mkdir -p build/eval
ifeq ($(DATA),)
	@echo "Examples only. make eval DATA=FOLDER measures FOLDER/nli/dev/*.jsonl.gz, FOLDER/record/, FOLDER/attribution/."
	$(EVAL) seeds/eval/pairs.jsonl --html build/eval/pairs.html
	$(EVAL) --claims seeds/eval/claims.jsonl --statements seeds/eval/statements.jsonl
	$(EVAL) --claims seeds/claims.jsonl --statements seeds/article.txt --ablation --html build/eval/claims.html
	$(EVAL) --documents seeds/eval/documents.jsonl --html build/eval/documents.html
else
	$(if $(PAIRS)$(CLAIMS)$(ANNOTATED),,$(error $(DATA) holds no nli/dev/*.jsonl.gz, no record/ and no attribution/))
	$(if $(PAIRS),$(EVAL) $(PAIRS) --html build/eval/pairs.html)
	$(if $(and $(CLAIMS),$(STATEMENTS)),$(EVAL) --claims $(CLAIMS) --statements $(STATEMENTS) --ablation \
		--html build/eval/claims.html)
	$(if $(ANNOTATED),$(EVAL) --documents $(ANNOTATED) --html build/eval/documents.html)
endif

# How fast it is, and what load does to it: reports and a table in build/bench/. SECONDS: of each row. DATA: a folder with
# record/ (statements, claims_dev) to measure with; without it the article of seeds/. Leave the machine alone meanwhile.
bench: install
	$(BIN)/python tests/bench/standard.py --out build/bench $(if $(SECONDS),--seconds $(SECONDS)) \
		$(if $(CLAIMS),--claims $(CLAIMS)) $(if $(STATEMENTS),--statements $(STATEMENTS))

# Everything a change must pass besides the tests.
check: install proto-check client-check docs-check lint

lint:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Regenerate the committed stubs, and the HTTP door's description, from the contract.
proto: install
	$(BIN)/python scripts/generate_stubs.py
	$(BIN)/python scripts/generate_openapi.py

# The contract lints, the committed stubs and description are what it generates, and callers of the last release are
# understood.
proto-check: install
	$(BIN)/python scripts/generate_stubs.py --check
	$(BIN)/python scripts/generate_openapi.py --check
	$(BIN)/python scripts/check_breaking.py

# Regenerate the waiting client from the one that awaits.
client: install
	$(BIN)/python scripts/generate_client.py

client-check: install
	$(BIN)/python scripts/generate_client.py --check

# Regenerate the pages of docs/ that are made from the code, the commands and the contract.
docs: install
	$(BIN)/python scripts/generate_docs.py

docs-check: install
	$(BIN)/python scripts/generate_docs.py --check

# The client's tests against a server, on the oldest and the newest libraries that it may be installed with. Minutes, and
# a package index.
compat: install
	$(BIN)/python scripts/compat.py

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
