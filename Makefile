# Each target sets up everything it needs, given Python (3.11 or newer) and a C++ compiler.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: run test lint figures clean

# The install is repeated when the metadata changes.
$(VENV)/installed: setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .[test]
	touch $@

run: $(VENV)/installed
	$(BIN)/python -m experiments.memory_chain

test: $(VENV)/installed
	$(BIN)/python -m pytest

# From the datasets of docs/reproduction/; needs no compiler.
figures: $(VENV)/installed
	$(BIN)/python -m analysis.reproduction

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

clean:
	rm -rf $(VENV) results
