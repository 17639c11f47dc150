# Every target works on a fresh clone: what it needs is set up first, in .venv.
PYTHON ?= python3
VENV ?= .venv
ARGS ?=
BIN := $(VENV)/bin
# What installs; pip itself does where uv cannot.
UV := uv==0.13.8
# uv reads no settings of pip: where this machine's name an index of its own, uv is told. Expanded by the shell.
INDEX = UV_DEFAULT_INDEX="$${UV_DEFAULT_INDEX:-$${PIP_INDEX_URL:-$$($(BIN)/python -m pip config list | grep ^global.index-url | cut -d\' -f2)}}"
# Idle threads of torch spin unless told otherwise, and take the cores from other processes.
export OMP_WAIT_POLICY := PASSIVE
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# With it each process would compile PyTorch, MLflow and Prefect anew, which takes 10 seconds.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-slow lint lock

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

setup: $(VENV)/.ready  ## make .venv with everything in requirements.lock (the other targets do it, too)

# .unfinished stands from the first step to the last: where a set-up was interrupted, the next one starts afresh.
$(VENV)/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "leeway needs Python 3.11 or later, and $(PYTHON) is $$($(PYTHON) --version 2>&1); try: make PYTHON=python3.12 setup" >&2; exit 2; }
	@echo "Setting up $(VENV): some 300 packages, PyTorch among them. This takes a minute or two."
	@$(PYTHON) -m venv $$([ ! -e $(VENV)/.unfinished ] || echo --clear) $(VENV)
	@touch $(VENV)/.unfinished
	@if $(BIN)/python -m pip install --quiet $(UV) && $(INDEX) $(BIN)/uv pip install --quiet --python $(BIN)/python -r requirements.lock; then :; \
	else echo "uv could not install it all; pip goes on, which takes longer" >&2; \
	  $(BIN)/python -m pip install --quiet -r requirements.lock; fi
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@rm $(VENV)/.unfinished && touch $@

demo: setup  ## live through 60 nights of a digit classifier: about 3 minutes; ARGS="--seed 3 --no-drift"
	@$(BIN)/python flows/demo.py $(ARGS)

test: setup  ## pass the tests
	@$(BIN)/python -m pytest -m "not slow" $(ARGS)

test-slow: setup  ## pass the full-size simulations, too
	@$(BIN)/python -m pytest $(ARGS)

# Ruff's cache does not notice a module that moved: then imports are sorted otherwise on a fresh clone.
lint: setup  ## ruff, mypy, import contracts
	@$(BIN)/ruff check --no-cache .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

# In a file beside it first, so that a failing resolution leaves the lock as it is.
lock: setup  ## resolve requirements.lock anew from pyproject.toml
	@$(BIN)/python -m pip install --quiet $(UV)
	@echo "# Names and versions of everything, for every platform, resolved from pyproject.toml by: make lock" > requirements.lock.new
	@$(INDEX) $(BIN)/uv pip compile --quiet pyproject.toml --all-extras --group dev --universal --python-version 3.11 \
	  --no-annotate --no-header >> requirements.lock.new || { rm requirements.lock.new; exit 1; }
	@mv requirements.lock.new requirements.lock
