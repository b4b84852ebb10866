# make demo    a dollhouse and Dobby, with nothing to configure; Ctrl-C ends both
# make test    the whole suite        make check   format, lint, types
# make bench   every figure, one table make crash   every kill point, every power cut (long)

PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test check fix bench crash

demo: .venv/demo
	$(BIN)/dobby demo

# What fails runs once more, by itself: twice is red; once is a race, told by name, to be mended.
test: .venv/dev
	$(BIN)/pytest --cache-clear || { [ $$? -eq 1 ] && $(BIN)/pytest -v --last-failed --last-failed-no-failures none; }

check: .venv/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy dobby
	for skill in skills/*/; do $(BIN)/mypy $$skill || exit 1; done

fix: .venv/dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/python docs/generate.py

bench: .venv/dev
	$(BIN)/python -m benchmarks

crash: .venv/dev
	$(BIN)/python -m tests.crash.sweep

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Dobby needs Python 3.11 or newer; name one with: make PYTHON=python3.12 …"; exit 1; }
	@$(PYTHON) -m venv .venv || \
	  { rm -rf .venv; echo "Python's venv is missing. On Debian and Ubuntu: sudo apt install python3-venv"; exit 1; }

.venv/demo: .venv/bin/python pyproject.toml
	$(BIN)/pip install -q -e '.[dollhouse,eyes]'
	@touch $@

.venv/dev: .venv/bin/python pyproject.toml
	$(BIN)/pip install -q -e '.[dev]'
	@touch $@
