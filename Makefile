# Tillgate. `make up` runs it, `make test` tests it; nothing else has to be installed.
PY ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
STATE_DIR ?= $(CURDIR)/.state

.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
.PHONY: fuzz-api race help setup up test lint types check bench schema reset demo-real faults screens format migrations

help: ## Show this help
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): requirements.lock
	$(PY) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check uv
	$(BIN)/python -m uv pip install -q --python $(BIN)/python --system-certs -r requirements.lock || $(BIN)/python -m pip install -q -r requirements.lock
	$(BIN)/python -m uv pip install -q --python $(BIN)/python --system-certs --no-deps -e . -e ./contracts || $(BIN)/python -m pip install -q --no-deps -e . -e ./contracts
	@touch $@

setup: $(READY) ## Make .venv with everything locked in requirements.lock

up: $(READY) ## Start Tillgate with its own database and a demo retailer
	@exec $(BIN)/python -m portal.up

test: $(READY) ## Run the tests on a throw-away database
	$(BIN)/python -m pytest -q -n 2 --dist loadgroup

lint: $(READY) ## Style, formatting and the import contracts of the house
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(READY) ## Static types
	SECRET_KEY=types $(BIN)/mypy contracts/tillgate_contracts kernel catalog governance runtime portal

schema: $(READY) ## Rewrite the OpenAPI snapshot after a deliberate change
	$(BIN)/python manage.py spectacular --file docs/reference/openapi.yaml --validate --fail-on-warn

check: lint types ## What CI runs: lint, types, contracts, migrations, OpenAPI snapshot, all tests, the long sweeps too
	$(BIN)/python -m portal.checks
	$(BIN)/python -m pytest -q -n 2 --dist loadgroup -m ""

bench: $(READY) ## Measure against peers and limits (minutes; see docs/benchmarks.md)
	$(BIN)/python -m bench

demo-real: $(READY) ## Run the demo on real retail data: make demo-real DATA=../shared/data
	@$(BIN)/python -m portal.demo_real $(DATA)

faults: $(READY) ## The proof: simulation and real processes under faults (about 45 minutes; ARGS="--minutes 5")
	$(BIN)/python -m tests.faults $(ARGS)

race: $(READY) ## The model-based race test of decisions, 100,000 steps
	TILLGATE_RACE_STEPS=100000 $(BIN)/python -m pytest tests/governance/test_races.py -n0 -s -q

fuzz-api: $(READY) ## Try the API against its own schema, 25 cases per operation: make fuzz-api EXAMPLES=100
	SCHEMATHESIS_EXAMPLES=$(or $(EXAMPLES),25) $(BIN)/python -m pytest tests/catalog/test_schema.py -n0 -q -s -m ""

screens: $(READY) ## Screenshots of every page, wide, narrow and dark, into .screens/
	$(BIN)/python -m tests.browser.screens

reset: ## Throw away the private database, its data and the sandbox's journals
	@$(PY) -m portal.reset

format: $(READY) ## Format the code
	$(BIN)/ruff check --fix -q . ; $(BIN)/ruff format .

migrations: $(READY) ## Write missing migrations
	$(BIN)/python manage.py makemigrations
