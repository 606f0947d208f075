# make demo: install and run the main job on real data.   make test: the fast tests.   make check: all that CI checks.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
WORKERS ?= 2
PAGES := README.md $(wildcard docs/*.md docs/*/*.md)

.PHONY: demo test test-slow check format lint types layers docs bench bench-discrete clean

$(READY): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || python3 -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[dev]'
	touch $@

demo: $(READY)
	$(BIN)/tacit demo --force

test: $(READY)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

test-slow: $(READY)
	$(BIN)/python -m pytest -m slow

check: format lint types layers docs test

format: $(READY)
	$(BIN)/ruff format --no-cache --check .

lint: $(READY)
	$(BIN)/ruff check --no-cache .

types: $(READY)
	$(BIN)/mypy

layers: $(READY)
	$(BIN)/lint-imports

docs: $(READY)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --doctest-modules --doctest-glob='*.md' src/tacit $(PAGES)

bench: $(READY)
	$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[dev,bench]'
	$(BIN)/python -m benchmarks

bench-discrete: $(READY)
	$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[dev,bench]'
	$(BIN)/python -m benchmarks discrete

clean:
	rm -rf $(VENV) build dist src/*.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
