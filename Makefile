# Tillgate. `make up` runs it, `make test` tests it; nothing else has to be installed.
PY ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
STATE_DIR ?= $(CURDIR)/.state
PYTEST := $(BIN)/python -m pytest -q
UV := $(BIN)/uv
INTO := --python $(BIN)/python --system-certs
COMPILE := $(UV) pip compile -q --system-certs --universal --python-version 3.11 --generate-hashes --no-header
PACKAGES := -e ./contracts -e ./cli

.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
.PHONY: bench bench-peers bench-quiet check demo-real drawings faults format fuzz-api help lint lock migrations race reset schema screens setup test types up wheels

help: ## Show this help
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ Run
up: $(READY) ## Start Tillgate with its own database and a demo retailer
	@exec $(BIN)/python -m portal.up

demo-real: $(READY) ## Run the demo on real retail data: make demo-real DATA=../shared/data
	@$(BIN)/python -m portal.demo_real $(DATA)

reset: $(READY) ## Throw away the private database, its data and the sandbox's journals
	@$(BIN)/python -m portal.reset

##@ Test
test: $(READY) ## Run the everyday tests on a throw-away database; some of them: make test T=tests/kernel
	$(PYTEST) $(if $(T),-n0 $(T),-n 2 --dist loadfile) $(ARGS)

check: lint types ## What CI runs: lint, types, migrations, OpenAPI snapshot, all tests (after make test: TESTED=yes)
	$(BIN)/python -m portal.checks
	$(PYTEST) -n 2 --dist loadfile -m "$(if $(TESTED),thorough)"

lint: $(READY) ## Style, formatting and the import contracts of the house
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(READY) ## Static types
	SECRET_KEY=types $(BIN)/mypy contracts/tillgate_contracts cli/tillgate kernel catalog governance runtime portal

wheels: $(READY) ## Build the three wheels into dist/ and use each in an empty environment
	$(BIN)/python -m tests.wheels

fuzz-api: $(READY) ## Try the API against its own schema, 25 cases per operation: make fuzz-api EXAMPLES=100
	SCHEMATHESIS_EXAMPLES=$(or $(EXAMPLES),25) $(PYTEST) tests/catalog/test_schema.py -n0 -s -m ""

race: $(READY) ## The model-based race test of decisions, 100,000 steps
	TILLGATE_RACE_STEPS=100000 $(PYTEST) tests/governance/test_races.py -n0 -s

##@ Measure
bench: $(READY) ## Measure against peers and limits (minutes; see docs/benchmarks.md)
	$(BIN)/python -m bench

bench-quiet: $(READY) ## P1 to P4 and P10 with peers, rows at the end, a quarter of an hour: PEERS=../peers ARGS=--tiny
	$(BIN)/python -m bench.quiet $(if $(PEERS),--peers $(PEERS)) $(ARGS)

bench-peers: $(READY) ## Environments for the peers of bench-quiet, the OData server and the OpenID provider of the tests, outside the checkout: make bench-peers PEERS=../peers
	$(if $(PEERS),,$(error where to? make bench-peers PEERS=../peers))
	@for peer in dlt sling; do test -x $(PEERS)/$$peer/bin/python || $(PY) -m venv --without-pip $(PEERS)/$$peer; done
	@$(UV) pip install -q --python $(PEERS)/dlt/bin/python --system-certs "dlt[postgres]==1.31.0"
	@$(UV) pip install -q --python $(PEERS)/sling/bin/python --system-certs "sling-linux-amd64==1.4.11"
	@mkdir -p $(PEERS)/odata && cp tests/runtime/connectors/odata_peer/package*.json $(PEERS)/odata/
	@mkdir -p $(PEERS)/oidc && cp tests/governance/oidc_peer/package*.json $(PEERS)/oidc/
	@if command -v npm >/dev/null; then for peer in odata oidc; do npm ci --prefix $(PEERS)/$$peer --ignore-scripts --no-audit --no-fund --silent || exit 1; done; else echo "no npm: the OData server and the OpenID provider of the tests are left out"; fi

faults: $(READY) ## Simulation and real processes under faults (about 45 minutes): make faults ARGS="--minutes 5"
	$(BIN)/python -m tests.faults $(ARGS)

screens: $(READY) ## Screenshots of every page, wide, narrow and dark, into .screens/
	$(BIN)/python -m tests.browser.screens

##@ Develop
setup: $(READY) ## Make .venv with everything in requirements-dev.lock

format: $(READY) ## Format the code
	$(BIN)/ruff check --fix -q . ; $(BIN)/ruff format .

migrations: $(READY) ## Write missing migrations
	$(BIN)/python manage.py makemigrations

drawings: $(READY) ## Make the drawings of tables and message states again (docs/reference)
	@SECRET_KEY=drawings $(BIN)/python manage.py drawings

schema: $(READY) ## Rewrite the OpenAPI snapshot after a deliberate change
	$(BIN)/python manage.py spectacular --file docs/reference/openapi.yaml --validate --fail-on-warn

lock: $(READY) ## Rewrite the locks from pyproject.toml; newer versions: make lock ARGS=--upgrade
	printf 'setuptools\nuv\n' | $(COMPILE) --no-annotate $(ARGS) - -o requirements-setup.lock
	$(COMPILE) $(ARGS) pyproject.toml contracts/pyproject.toml -o requirements.lock
	$(COMPILE) $(ARGS) pyproject.toml contracts/pyproject.toml --all-extras -c requirements.lock -o requirements-dev.lock

$(READY): requirements-setup.lock requirements.lock requirements-dev.lock pyproject.toml contracts/pyproject.toml cli/pyproject.toml
	@echo "Making $(VENV): Python packages with the versions and hashes of requirements-dev.lock (about half a minute)"
	@$(PY) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-setup.lock
	@$(UV) pip install -q $(INTO) --require-hashes -r requirements-dev.lock \
	  || $(BIN)/python -m pip install -q --require-hashes -r requirements-dev.lock
	@$(UV) pip install -q $(INTO) --no-deps --no-build-isolation $(PACKAGES) \
	  || $(BIN)/python -m pip install -q --no-deps --no-build-isolation $(PACKAGES)
	@touch $@
