# Every target works on a fresh clone: what it needs is set up first, in .venv.
PYTHON ?= python3
VENV ?= .venv
ARGS ?=
BIN := $(VENV)/bin
UV := 0.13.8
# Idle threads of torch spin unless told otherwise, and take the cores from other processes.
export OMP_WAIT_POLICY := PASSIVE

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-slow lint lock

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.ready  ## make .venv with everything in requirements.lock (the other targets do it, too)

# The stamp comes last: a set-up that was interrupted is done again.
$(VENV)/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "leeway needs Python 3.11 or later, and $(PYTHON) is `$(PYTHON) --version 2>&1`; try: make PYTHON=python3.12 setup"; exit 2; }
	@echo "Setting up $(VENV): some 250 packages, PyTorch among them. This takes a minute or two."
	@$(PYTHON) -m venv $(VENV)
	@if $(BIN)/python -m pip install --quiet uv==$(UV) && $(BIN)/uv pip install --quiet --python $(BIN)/python -r requirements.lock; then :; \
	else echo "uv could not install everything; pip, which is slower, goes on"; \
	  $(BIN)/python -m pip install --quiet -r requirements.lock; fi
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup  ## live through 60 nights of a digit classifier: about 4 minutes; ARGS="--seed 3 --no-drift"
	@$(BIN)/python flows/demo.py $(ARGS)

test: setup  ## pass the tests
	@$(BIN)/python -m pytest -m "not slow" $(ARGS)

test-slow: setup  ## pass the full-size simulations, too
	@$(BIN)/python -m pytest $(ARGS)

lint: setup  ## ruff, mypy, import contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

lock: setup  ## resolve requirements.lock anew from pyproject.toml
	@$(BIN)/uv pip compile --quiet pyproject.toml --all-extras --group dev --universal --python-version 3.11 \
	  --no-annotate --custom-compile-command "make lock" --upgrade --output-file requirements.lock
