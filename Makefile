# Each target sets up everything it needs, given Python (3.11 or newer) and a C++ compiler.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: run test test-long docs wheel lint figures clean

# The install is repeated when the metadata changes.
$(VENV)/installed: setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .[test]
	touch $@

run: $(VENV)/installed
	$(BIN)/python -m experiments.memory_chain

test: $(VENV)/installed
	$(BIN)/python -m pytest

# Agents that learn for minutes, whole commands and many random cases; before a release.
test-long: $(VENV)/installed
	$(BIN)/python -m pytest -m long

# Pages into docs/_build/html, warnings being errors; then every code block of them is run.
docs: $(VENV)/documented
	$(BIN)/python -m sphinx -j auto -W --keep-going -b html -c docs/make docs docs/_build/html
	$(BIN)/python -m pytest docs/make

$(VENV)/documented: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation -e .[docs]
	touch $@

# Into dist/; with what the virtual environment has, so that nothing is fetched but `build` itself.
wheel: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'build>=1.2,<2'
	$(BIN)/python -m build --wheel --no-isolation

# From the datasets of docs/reproduction/; needs no compiler.
figures: $(VENV)/installed
	$(BIN)/python -m analysis.reproduction

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

clean:
	rm -rf $(VENV) results docs/_build docs/generated build dist
