# The two commands of the README are `make demo` and `make test`; `make help` lists the rest.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
EXTRAS := embed,serve-tiny,xtb,dft,mlip,phonon,ingest,imaging
READY  := $(VENV)/.ready
TESTING := $(VENV)/.ready-dev
PIP    := $(BIN)/python -m pip --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help demo test check fix docs bench clean

help: ## list the commands
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

demo: $(READY) ## set up, then run a molecular discovery campaign to its report
	$(BIN)/novum run examples/wide_gap_druglike.yaml --control random

test: $(TESTING) ## set up, then run every test
	$(BIN)/python -m pytest -n 2 --dist loadfile

check: $(TESTING) ## style, types, import floors and the fast tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q -n 2 --doctest-modules -m "not slow and not sandbox" \
	  src/novum tests/unit/core tests/unit/workflows tests/unit/tools tests/unit/memory

fix: $(TESTING) ## mend style where it can be done by machine
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(TESTING) ## build the documentation into site/
	$(BIN)/mkdocs build --strict

bench: $(TESTING) ## run the benchmarks
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/overhead.py
	$(BIN)/python benchmarks/ledger.py
	$(BIN)/python benchmarks/kb.py --quick
	$(BIN)/python benchmarks/sandbox.py
	$(BIN)/python benchmarks/network.py
	$(BIN)/python benchmarks/gateway.py
	$(BIN)/python benchmarks/discovery_smoke.py
	$(BIN)/python benchmarks/materials.py
	$(BIN)/python benchmarks/imaging.py --quick
	$(BIN)/python benchmarks/memory.py --only pool --only parameters

clean: ## remove what was built, but no workspace
	rm -rf $(VENV) build dist site .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(BIN)/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if (3, 11) <= v < (3, 14) else f"novum needs Python 3.11 to 3.13, and {sys.executable} is {v.major}.{v.minor}; try: make PYTHON=python3.12 …")'
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "Python's venv is missing: apt-get install python3-venv" >&2; exit 1; }

# torch comes first and alone, so that nothing else chooses a build of it.
$(READY): $(BIN)/python pyproject.toml constraints.txt
	$(PIP) install --quiet --constraint constraints.txt torch
	$(PIP) install --quiet --constraint constraints.txt --editable '.[$(EXTRAS)]'
	@touch $@

$(TESTING): $(READY)
	$(PIP) install --quiet --constraint constraints.txt --editable '.[$(EXTRAS),dev,docs]'
	@touch $@
