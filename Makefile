# A machine with Python 3.11 and make needs nothing else. Nothing here asks a question or needs an account.
PYTHON ?= python3.11
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help venv demo docs test

help:  ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile

venv: .venv/.installed  ## create or update .venv (again only when pyproject.toml or constraints.txt change)

# .unfinished lies in .venv while it is being written: if it is still there, the last set-up was cut short and pip may
# take a half-written package for an installed one, so start over. `.venv/*` does not match the marker, which stays.
.venv/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed; '$(PYTHON)' is missing or older. Try: make venv PYTHON=/path/to/python3.11" >&2; \
	  exit 1; }
	@if test -e .venv/.unfinished; then echo "The last set-up did not finish: starting over."; rm -rf .venv/*; fi
	@mkdir -p .venv && touch .venv/.unfinished
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --no-input --editable '.[dev,docs]' --constraint constraints.txt
	@rm .venv/.unfinished && touch $@

demo: venv  ## see it work in a minute, without a download or an account
	$(BIN)/python -m rrnet_lightning.cli.demo

docs: venv  ## build the documentation into site/, without a warning
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

test: docs  ## style, types, the site and tests: everything CI runs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal
