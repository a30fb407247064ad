# Two commands matter: `make demo` shows the lab at work, `make test` proves it. Both install what they need, below this folder.
# Needed beforehand: Python 3.12 or 3.11, make, and a network or mirrors for pip and npm.

SHELL := /bin/sh
BIN   := .venv/bin
PAGES := frontend/dist/index.html

# A machine with an odd HOME still gets its caches somewhere it may write.
ifeq ($(strip $(HOME)),)
unexport HOME
export UV_CACHE_DIR     := $(CURDIR)/.venv/cache/uv
export npm_config_cache := $(CURDIR)/.venv/cache/npm
endif

# Node comes as a wheel. Its npm knows neither the system's npmrc nor its certificates unless told.
export PATH := $(CURDIR)/$(BIN):$(PATH)
ifneq ($(wildcard /etc/npmrc),)
export npm_config_globalconfig ?= /etc/npmrc
endif
CERTIFICATES := $(firstword $(NODE_EXTRA_CA_CERTS) $(SSL_CERT_FILE) $(PIP_CERT))
ifneq ($(CERTIFICATES),)
export NODE_EXTRA_CA_CERTS := $(CERTIFICATES)
endif
export npm_config_fund  := false
export npm_config_audit := false
export npm_config_update_notifier := false
# Compiled anew at every start, torch and Lightning cost a worker 13 s of a core instead of 5.
unexport PYTHONDONTWRITEBYTECODE
# The tests compare numbers and share two cores with what they start.
TESTING := OMP_NUM_THREADS=1
BROWSER := tests/e2e
# Tests that use torch, whose import takes as long as many of the others.
SCIENCE := tests/simclr tests/benchmarks tests/backend/vision \
	$(patsubst %,tests/backend/api/test_%.py,alike augmentations encoders studies)

.PHONY: help setup pages demo up test test-python test-browser check check-science check-lab check-python check-frontend \
	soak bench fix api-types lock clean
.DEFAULT_GOAL := help

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' Makefile | awk -F'|' '{ printf "  make %-10s %s\n", $$1, $$2 }'
	@echo "  TORCH=cpu with any of them installs the CPU build of torch, where your package index has it"

demo: setup pages ## See it work: pretrain without labels, compare, search; then look around in the browser
	@exec $(BIN)/simclr-lab demo

up: setup pages ## Start the lab and print its link
	@exec $(BIN)/simclr-lab up

# The longest first, and more at a time than there are cores, as much of it is waiting; it takes some 8 GiB of memory.
test: setup pages ## Prove it all: linters, types, units, real processes, a browser
	@$(MAKE) --no-print-directory -j3 --output-sync=target test-python test-browser check-frontend check-python

check: setup pages ## The quick half of it: for every change
	@$(MAKE) --no-print-directory -j3 --output-sync=target check-science check-frontend check-lab check-python

check-science: setup
	@$(TESTING) $(BIN)/python -m pytest -q -m "not slow" $(SCIENCE)

check-lab: setup
	@$(TESTING) $(BIN)/python -m pytest -q -m "not slow" $(patsubst %,--ignore=%,$(SCIENCE) $(BROWSER))

test-python: setup
	@$(TESTING) $(BIN)/python -m pytest -q -n 3 --dist worksteal --ignore=$(BROWSER)

test-browser: setup pages
	@chromium=$$($(BIN)/python tests/e2e/chromium.py) && \
	$(TESTING) SIMCLR_LAB_TEST_CHROMIUM="$$chromium" $(BIN)/python -m pytest -q $(BROWSER)

check-python: setup
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo 2>/dev/null || $(BIN)/lint-imports

check-frontend: setup frontend/node_modules/.package-lock.json
	@cd frontend && npm run --silent check
	@cd frontend && npm run --silent lint
	@cd frontend && npm run --silent test
	@cd frontend && npm run --silent api-types:check

FAULTS ?= 300
SEED   ?= 1
soak: setup ## Do harm to a lab at work, 300 times at random, and check that no job minds (FAULTS=60 SEED=2)
	@$(TESTING) $(BIN)/python -m tests.faults.soak --faults $(FAULTS) --seed $(SEED)

bench: setup ## Measure speed against lightly, torchvision and kornia, in the same run
	@$(BIN)/python backend/lab/install.py bench
	@PYTHONPATH=.venv/bench $(BIN)/python -m benchmarks

fix: setup frontend/node_modules/.package-lock.json ## Format, and repair what the linters can
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format --quiet .
	@cd frontend && npm run --silent fix

api-types: setup frontend/node_modules/.package-lock.json ## Write openapi.json and the TypeScript types after the API has changed
	@$(BIN)/python -m backend.openapi
	@cd frontend && npm run --silent api-types

lock: setup ## Renew requirements.lock after pyproject.toml has changed
	@$(BIN)/python backend/lab/install.py lock

clean: ## Remove everything that was installed or built here; data folders stay
	rm -rf .venv frontend/node_modules frontend/dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

setup:
	@python=$$(sh backend/lab/python.sh) && "$$python" backend/lab/install.py

pages: $(PAGES)

frontend/node_modules/.package-lock.json: frontend/package.json frontend/package-lock.json | setup
	@cd frontend && npm ci --no-progress
	@touch $@

$(PAGES): frontend/node_modules/.package-lock.json frontend/index.html frontend/vite.config.ts $(shell find frontend/src frontend/public -type f 2>/dev/null)
	@cd frontend && npm run --silent build
	@touch $@
