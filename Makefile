# One command each. Everything runs from .venv, which `make install` builds from constraints.txt.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SEEDS ?= 300

.PHONY: lock help install run demo test check long bench sim wheel clean
help:
	@echo "make run     set up, start the house, make one demo payment, stay up until Ctrl-C"
	@echo "make test    set up and run the test suite"
	@echo "make demo    one checkout through an ephemeral house, every hop decoded"
	@echo "make check   format, lint, types, import directions, tidiness"
	@echo "make long    seeds, process kills, wheel in a clean environment"
	@echo "make bench   the figures of bench/README.md, measured on this machine"

$(BIN)/.installed: pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "python3 (3.11 or newer) is needed"; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; set PYTHON=python3.11"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable . --group dev
	@touch $@

install: $(BIN)/.installed

run: install
	@$(BIN)/cardrails up --demo

demo: install
	@$(BIN)/cardrails demo

test: install
	$(BIN)/python -m pytest

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest tests/test_tidy.py

sim: install
	$(BIN)/python -m tests.sim --seeds $(SEEDS)

long: install
	$(BIN)/python -m pytest -m long
	$(BIN)/python -m tests.sim --seeds 20000 --jobs 2

bench: install
	$(BIN)/python -m bench

wheel: install
	$(BIN)/python -m build --wheel

lock: install
	$(BIN)/pip freeze --exclude-editable > constraints.txt

clean:
	rm -rf $(VENV) build dist .cardrails
