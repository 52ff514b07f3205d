# FRAS: set-up, tests and daily work. `make` alone lists the targets. Needs python3 (3.11 or newer) and make.
VENV ?= .venv
BIN := $(VENV)/bin
RESULTS := .pytest_cache
# Tests wait for servers and other processes half of their time.
WORKERS := $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) + 1)))
export VENV PYTHON VERBOSE

.DEFAULT_GOAL := help
.PHONY: help install dev run service test check node node-12 node-13 postgres sql smoke bench lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-9s%s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))
	@echo 'Also: PYTHON=python3.12 chooses the Python, ARGS="..." goes to pytest or the benchmarks, VERBOSE=1 shows all of pip.'

install: ## set FRAS up in .venv
	@scripts/install run

run: install ## set FRAS up and run the hub on hub.yaml
	@$(BIN)/fras run $(ARGS)

dev: ## set FRAS up with what tests and checks need
	@scripts/install dev
	@scripts/services

service: ## as root: install FRAS as a systemd service, or upgrade it (docs/operations.md)
	@scripts/service install

# What `node` and `smoke` run on other versions does not run here besides, where there are Pythons for those.
APART = $(if $(shell unset PYTHON; scripts/find-python 3.11),--ignore=tests/node) $(if $(shell unset PYTHON; scripts/find-python 3.13),-m "not smoke")
test: dev ## set up, check, run every test, and a smoke run on a second Python
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --junitxml=$(RESULTS)/tests.xml $(or $(ARGS),$(APART))
	@$(MAKE) --no-print-directory -j4 --output-sync=target node smoke sql check

check: dev ## lint, format and types (ruff, mypy --strict); changes nothing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict

ON_POSTGRES ?= tests/hub tests/browser tests/config/test_check.py tests/plugins/storage/s3/test_hub.py \
	tests/plugins/storage/s3/test_start.py tests/test_node_with_hub.py tests/test_seed_bugs.py
postgres: dev ## the hub's tests, commands and panel and all, on PostgreSQL; PGVECTOR=1: whose databases compare faces
	@echo "On PostgreSQL: $(ON_POSTGRES)"
	@FRAS_TEST_DATABASE=postgresql FRAS_TEST_PGVECTOR=$(PGVECTOR) $(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile $(ON_POSTGRES)

# Tests of a server, of a file, and of both at once are the same on either.
SAME := collation contention copying engine postgres role silence tls vectors
SQL := $(filter-out $(SAME:%=tests/hub/db/test_%.py),$(wildcard tests/hub/db/test_*.py)) tests/hub/test_inbox.py tests/hub/test_people.py
sql: dev ## the tests nearest to SQL on PostgreSQL, half a minute of them
	@echo "On PostgreSQL: what is nearest to SQL"
	@FRAS_TEST_DATABASE=postgresql $(BIN)/python -m pytest -q --junitxml=$(RESULTS)/sql.xml $(SQL)

node: node-12 node-13 ## the node's tests on the versions that Raspberry Pi OS 12 and 13 have
node-12 node-13: node-%: dev
	@scripts/node-tests $* $(RESULTS)/node-$*.xml

smoke: dev ## the tests marked smoke on a second Python, when there is one
	@scripts/smoke $(RESULTS)/smoke.xml

bench: dev ## benchmarks: ratios as text and JSON lines
	@$(BIN)/python -m benchmarks $(ARGS)

lock: ## compile requirements/*.txt anew (UPGRADE=1 takes newer versions)
	@scripts/lock $(if $(UPGRADE),--upgrade)

clean: ## remove .venv and caches; data/ stays
	rm -rf .venv .venv-* .mypy_cache .ruff_cache .pytest_cache .hypothesis dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
