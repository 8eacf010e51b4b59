# Every target does its own set-up; all it needs is Python >= 3.11 and make.
PYTHON ?= python3
BIN := .venv/bin

# pytest keeps its temporary folders: give it one that goes with it.
IN_OWN_TMP := TMPDIR=$$(mktemp -d) && export TMPDIR && trap 'rm -rf "$$TMPDIR"' EXIT INT TERM &&
# Compiled once, and not by each of a hundred processes.
unexport PYTHONDONTWRITEBYTECODE
empty :=
space := $(empty) $(empty)

.DEFAULT_GOAL := help
.PHONY: help demo check test lint prove pictures engine bench up smoke lock clean

help: ## Show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST)

demo: .venv/installed ## Deploy to a local AWS and watch real events flow
	@$(BIN)/python -m tools demo

check: lint ## While editing: format, lint, types, and the tests of function/, infra/ and docs
	@$(IN_OWN_TMP) HYPOTHESIS_PROFILE=check $(BIN)/pytest --numprocesses auto \
		tests/function tests/infra tests/test_docs.py

test: lint ## Format check, lint, strict types, and all tests
	@echo 'Not in here: make engine (the real Pulumi engine), make prove (the long proofs)' >&2
	@$(IN_OWN_TMP) $(BIN)/pytest --numprocesses 4 --dist worksteal # half of them wait for queues

lint: .venv/installed
	@$(BIN)/ruff format --check --quiet . || \
		{ echo 'error: some files are not formatted: run $(BIN)/ruff format .' >&2; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary

prove: .venv/installed ## The long proofs; exit status 1 on any loss or divergence
	@$(IN_OWN_TMP) if npm install --silent --prefix "$$TMPDIR" dynalite@4.0.0 >&2; then \
		export DYNALITE="$$TMPDIR/node_modules/.bin/dynalite"; \
		else echo 'npm did not install dynalite: the orders are proved without it' >&2; fi; \
		HYPOTHESIS_PROFILE=prove $(BIN)/pytest --numprocesses auto tests/function
	@$(BIN)/python -m tests.prove --everything
	@$(BIN)/python -m tests.prove.outage > /dev/null
	@$(BIN)/python -m tests.prove.leaks
	@$(BIN)/python -m tests.prove.linear

bench: .venv/bench ## Measure the handler against its peers
	@$(IN_OWN_TMP) $(BIN)/python -m tools.bench.handler --json > "$$TMPDIR/handler.json" && \
		$(BIN)/python -m docs.pictures --handler "$$TMPDIR/handler.json"

pictures: .venv/bench ## Draw the pictures of README and docs
	@$(IN_OWN_TMP) $(BIN)/python -m tests.prove.outage > "$$TMPDIR/outage.json" && \
		$(BIN)/python -m docs.pictures --outage "$$TMPDIR/outage.json"

engine: .venv/installed ## The program under the real Pulumi engine, on the local AWS; a quarter of an hour
	@$(BIN)/python -m tests.engine

up: .venv/installed ## Deploy a stack with the real Pulumi CLI: make up STACK=local|dev|prod [ARGS=--yes]
	@test -f 'Pulumi.$(STACK).yaml' || { echo 'error: name a stack: make up' \
		'STACK=$(subst $(space),|,$(patsubst Pulumi.%.yaml,%,$(wildcard Pulumi.*.yaml)))' >&2; exit 2; }
	@command -v pulumi >/dev/null || { echo 'error: the Pulumi CLI is not installed:' \
		'https://www.pulumi.com/docs/install/; without it, $(BIN)/python -m tools up' \
		'--stack $(STACK) deploys to the local AWS' >&2; exit 1; }
ifeq ($(STACK),local)
	@$(BIN)/python -c 'import socket; socket.create_connection(("127.0.0.1", 4566), 1)' 2>/dev/null || \
		{ echo 'error: nothing listens on port 4566: in another terminal, start' \
		'$(BIN)/python -m tools emulator' >&2; exit 1; }
endif
	@pulumi stack select --create '$(STACK)'
	@pulumi up --stack '$(STACK)' $(if $(filter local,$(STACK)),--refresh) $(ARGS)

smoke: .venv/installed ## Check a deployed stack with canaries: make smoke STACK=local|dev|prod
	@test -f 'Pulumi.$(STACK).yaml' || { echo 'error: name a stack: make smoke' \
		'STACK=$(subst $(space),|,$(patsubst Pulumi.%.yaml,%,$(wildcard Pulumi.*.yaml)))' >&2; exit 2; }
	@$(BIN)/python -m tools smoke --stack '$(STACK)'

lock: .venv/installed ## Pin every package with its hashes, after a change of requirements*.txt
	@export UV_CUSTOM_COMPILE_COMMAND='make lock' && compile="$(BIN)/uv pip compile --quiet \
		--universal --python-version 3.11 --generate-hashes --no-annotate" && \
		$$compile --output-file requirements-dev.lock requirements-dev.txt && \
		$$compile --constraints requirements-dev.lock --output-file requirements.lock requirements.txt

clean: ## Remove what the other targets made
	@rm -rf .venv .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -prune -exec rm -rf {} +

.venv/installed: requirements-dev.lock
	@command -v '$(PYTHON)' >/dev/null || \
		{ echo 'error: $(PYTHON) is not installed; install Python 3.11 or newer' >&2; exit 1; }
	@'$(PYTHON)' -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo 'error: this needs' \
		"Python 3.11 or newer, and $(PYTHON) is $$('$(PYTHON)' -V 2>&1);" \
		'name another: make PYTHON=python3.13 ...' >&2; exit 1; }
	@test -w . || { echo 'error: .venv is set up in this folder, which you may not write to;' \
		'work in a copy of your own' >&2; exit 1; }
	@echo 'Setting up .venv (once)' >&2
	@'$(PYTHON)' -m venv .venv || { echo 'error: Python could not make a virtual environment;' \
		'on Debian and Ubuntu: apt install python3-venv' >&2; exit 1; }
	@$(BIN)/pip install --quiet --disable-pip-version-check \
		--require-hashes --requirement requirements-dev.lock
	@touch $@

.venv/bench: .venv/installed tools/bench/requirements.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --requirement tools/bench/requirements.txt
	@touch $@
