# Everything runs in .venv, which is made on first use. PYTHON=python3.12 chooses another interpreter.

PYTHON ?= $(shell for name in python3.13 python3.12 python3.11 python3; do \
	command -v $$name >/dev/null 2>&1 && \
	$$name -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && \
	{ echo $$name; break; }; done)
BIN := .venv/bin
# One more than there are cores: some tests wait for a server that they started.
WORKERS := $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
PACKAGING := pyproject.toml setup.cfg
# Each of the processes that tests start would compile what it imports.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo ui test check clean help

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-7s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv/installed ## a shop's day: warehouse, segments, lists kept equal to them; ends by itself
	@$(BIN)/audience-assets demo

ui: .venv/installed ## the demo's lists in Dagster, and the vendors' sandboxes, until Ctrl-C
	@$(BIN)/audience-assets ui

test: .venv/installed-test ## the whole suite on every core, on SQLite, DuckDB and Postgres servers of its own
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --maxprocesses 8 --dist worksteal

check: .venv/installed-test ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean: ## forget the environment and the demo
	rm -rf .venv .demo

# Debian's python3 comes without ensurepip; python3's own pip can then fill the environment.
.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed and none was found." >&2; exit 1; }
	@echo "Making an environment in .venv with $(PYTHON)."
	@$(PYTHON) -m venv .venv 2>/dev/null || { rm -rf .venv && $(PYTHON) -m venv --without-pip .venv && \
		$(PYTHON) -m pip --python .venv/bin/python install --quiet pip; } || \
		{ rm -rf .venv; echo "No environment could be made: install python3-venv or python3-pip." >&2; exit 1; }

.venv/installed: .venv/bin/python $(PACKAGING)
	@echo "Installing what is needed; a minute or two the first time."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

.venv/installed-test: .venv/bin/python $(PACKAGING)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,dev]'
	@touch $@ .venv/installed
