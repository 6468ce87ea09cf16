# Every command of this project. `make` alone lists them.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DISTRIBUTED := $(VENV)/.distributed
PIP := $(BIN)/python -m pip --disable-pip-version-check
WORKERS ?= 2
MINUTES ?= 60
SEED ?= 8
WAITS ?= 200
WORKING ?= 50
ONLY ?=
CHAOS ?=

.DEFAULT_GOAL := help
.PHONY: help install demo airflow test test-fast test-e2e test-distributed test-compat chaos lint audit format bench soak if-run lock wheel env clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' Makefile

install: $(STAMP) ## make .venv with the pinned dependencies and this package, editable

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed, and $(PYTHON) is $$($(PYTHON) --version 2>&1)." \
	       "Say which one to use: make install PYTHON=python3.12" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet -c constraints.txt hatchling
	$(PIP) install --quiet --no-build-isolation -c constraints.txt -e '.[dev]'
	@touch $(STAMP)

demo: install ## run the training example on a real Airflow that starts and stops by itself, about three minutes
	$(BIN)/airflow carbon demo

airflow: install ## leave a real Airflow running with the examples; Ctrl-C stops it
	$(BIN)/airflow carbon demo --stay

test: install ## all tests, the end-to-end ones on a real Airflow too
	$(BIN)/python -m pytest -n $(WORKERS)

test-fast: install ## the tests that need no Airflow
	$(BIN)/python -m pytest -n $(WORKERS) -m 'not airflow and not e2e and not browser and not distributed'

test-e2e: install ## the end-to-end tests alone
	$(BIN)/python -m pytest -m e2e tests/e2e

test-distributed: $(DISTRIBUTED) ## the tests on the distributed engine: PostgreSQL, Redis, Celery; installs servers that are absent
	tools/postgres.sh install
	tools/redis.sh install
	$(BIN)/python -m pytest -m distributed tests/distributed

# Each round has WAITS tasks that wait and WORKING tasks that work. ONLY is a pattern of faults; CHAOS more options.
chaos: $(DISTRIBUTED) ## break the distributed engine on purpose for MINUTES (60), and print what came of it; SEED (8) draws it
	tools/postgres.sh install
	tools/redis.sh install
	PYTHONPATH=tests $(BIN)/python -m distributed.chaos --minutes $(MINUTES) --seed $(SEED) --waits $(WAITS) \
	  --working $(WORKING) --only '$(ONLY)' $(CHAOS)

# Apart from `install`: Celery and what it brings are loaded by every airflow command, and the other tests need none of it.
$(DISTRIBUTED): $(STAMP)
	$(PIP) install --quiet --no-build-isolation -c constraints.txt -e '.[dev,distributed]'
	@touch $@

test-compat: install ## the tests on other versions of Airflow and Python; E2E=1 takes all of them
	$(PIP) install --quiet uv
	WORKERS=$(WORKERS) $(BIN)/python tools/compat.py $(ONLY)

lint: install ## ruff, mypy --strict, and the floors of the house
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy --strict
	$(BIN)/lint-imports

audit: install ## look for known vulnerabilities, and for licences that are not on the list
	$(BIN)/python tools/licences.py
	$(BIN)/python tools/audit.py

format: install ## let ruff put the code in order
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: install ## print every figure that the README states
	for file in $$(grep -l "^def main" benchmarks/*.py); do echo "== $$file" && $(BIN)/python "$$file" || exit 1; done

soak: install ## the long measurements: an hour of decisions, then waits on a real Airflow, as many as it can hold
	$(BIN)/python benchmarks/soak.py 3600
	$(BIN)/python benchmarks/mapped.py 500
	$(BIN)/python benchmarks/mapped.py 2000 carbon

if-run: install ## install Impact Framework into .if, to compare manifests with it; needs Node.js
	$(BIN)/python tools/impact_framework.py

lock: install ## pin anew what pyproject.toml asks for; remove constraints.txt first to take all the newest
	$(PIP) install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra dev --extra distributed --no-annotate --no-header \
	  --no-emit-index-url --no-emit-find-links --output-file constraints.txt pyproject.toml

wheel: install ## build the wheel into dist/
	rm -rf dist
	$(BIN)/python -m build --wheel --no-isolation

env: ## write .env with fresh secrets for docker compose
	@test ! -e .env || { echo ".env is there already; remove it to make new secrets" >&2; exit 1; }
	@umask 077 && $(PYTHON) -c "$$FILL_SECRETS" < .env.example > .env && echo "wrote .env"

# A Fernet key has a form of its own; the others are 64 characters that need no quoting in a URL.
define FILL_SECRETS
import base64, re, secrets, sys

def secret(line):
    key = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    return line[0] + (key if "FERNET" in line[1] else secrets.token_hex(32))

sys.stdout.write(re.sub(r"(?m)^(\w+)=$$", secret, sys.stdin.read()))
endef
export FILL_SECRETS

clean: ## remove the environment and everything that was built
	rm -rf $(VENV) .audit .compat .if dist build .airflow .demo .artefacts .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
