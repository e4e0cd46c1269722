# make demo     runs the workflow on an example athlete, against the built-in simulator, and shows
#               the program here and as a page
# make test     lint, types, unit and contract tests: after each change, some three minutes
# make soak     what takes longer: runs by the thousand through a network that breaks them
# make browser  a program's page in Chromium
# make foreign  installs ChatKit servers of other people, for tests of `make soak`: adk-chatkit, and
#               a server for Node where npm is there
# make engines  installs Dask and Celery, for tests of `make soak`; they need redis-server as well
# make fuzz     a search for inputs that break the readers, by hypothesis at random and by atheris,
#               FUZZ_SECONDS a target; atheris needs Python 3.11 or newer
# make bench    the figures of docs/performance.md; writes its table of clients
# make format   formats the code, and fixes what ruff can fix
# make clean    removes what the others made
# Each sets up what it needs in .venv; PYTHON=... chooses another Python, 3.10 or newer.
# PYTEST_ARGS=... is added to the options of pytest.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WHEEL := $(VENV)/wheel
DEMO := examples/athlete_initial.json
FUZZ_SECONDS ?= 60
NODE_SERVER := chatkit-node-backend-sdk@1.1.2
PYTEST_ARGS ?=

# Byte code and rewritten asserts are kept: five processes would compile each test file anew.
unexport PYTHONDONTWRITEBYTECODE
# A newer pip is no warning of ours.
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# More workers than cores, since many tests wait most of their time.
PYTEST := $(BIN)/pytest --numprocesses=4 --dist=worksteal
# Checks run side by side. GNU make 4 and newer keep their outputs apart.
SIDE_BY_SIDE := --jobs=2 $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)

.PHONY: demo test checks tests lint types mypy pyright verifytypes
.PHONY: soak browser foreign engines fuzz bench format clean

demo: $(VENV)/demo
	@echo "The simulated workflow makes a program for $(DEMO):"
	@$(BIN)/edn360-chatkit -v run $(DEMO) --simulate -o $(VENV)/program.json
	@$(BIN)/edn360-chatkit show $(VENV)/program.json --lang en
	@$(BIN)/edn360-chatkit show $(VENV)/program.json --lang en --html $(VENV)/program.html
	@echo "The same as a page for a browser or a printer: $(CURDIR)/$(VENV)/program.html"

# The tests come last: their closing line is the last one that is printed.
test: $(VENV)/dev
	@$(MAKE) --no-print-directory checks
	@$(MAKE) --no-print-directory tests

checks: $(VENV)/dev $(WHEEL)/ready
	@$(MAKE) --no-print-directory $(SIDE_BY_SIDE) mypy pyright lint verifytypes

tests: $(VENV)/dev
	$(PYTEST) $(PYTEST_ARGS)

lint: $(VENV)/dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports --no-cache

types: mypy pyright verifytypes

mypy: $(VENV)/dev
	$(BIN)/mypy

pyright: $(VENV)/dev
	$(BIN)/pyright --pythonpath $(BIN)/python

# The types that a user without the extras sees. --verifytypes reads the `python` of PATH alone.
verifytypes: $(VENV)/dev $(WHEEL)/ready
	$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir $(WHEEL)/dist .
	$(WHEEL)/bin/python -m pip install --quiet --no-deps --force-reinstall $(WHEEL)/dist/*.whl
	cd $(WHEEL) && PATH="$(CURDIR)/$(WHEEL)/bin:$$PATH" \
		$(CURDIR)/$(BIN)/pyright --verifytypes edn360_chatkit --ignoreexternal > verifytypes.txt || \
		{ grep -v ' No error' verifytypes.txt; exit 1; }
	@grep 'completeness score' $(WHEEL)/verifytypes.txt

# Three workers, since one of them waits 75 s behind nginx. A cell of the soak takes half a core, and
# more than two at once would starve its servers.
soak: $(VENV)/dev
	$(BIN)/pytest -m "slow and not soak" --numprocesses=3 --dist=worksteal $(PYTEST_ARGS)
	$(BIN)/pytest -m soak --numprocesses=2 --dist=worksteal $(PYTEST_ARGS)

browser: $(VENV)/dev
	$(BIN)/pytest -m browser $(PYTEST_ARGS)

# Whatever can't be installed is left out, and its tests are skipped.
foreign: $(VENV)/dev
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' && \
		$(BIN)/python -m venv $(VENV)/adk && \
		$(VENV)/adk/bin/python -m pip install --quiet --upgrade "pip>=25.1" && \
		$(VENV)/adk/bin/python -m pip install --quiet --group foreign || \
		{ rm -rf $(VENV)/adk; echo "adk-chatkit can't be installed; it needs Python 3.11."; }
	@npm install --silent --no-audit --no-fund --prefix $(VENV)/node $(NODE_SERVER) || \
		echo "$(NODE_SERVER) can't be installed; it needs Node and npm."

engines: $(VENV)/dev
	$(BIN)/python -m pip install --quiet --group engines

fuzz: $(VENV)/fuzz
	$(PYTEST) -m "hypothesis and not slow" --hypothesis-profile=fuzz $(PYTEST_ARGS)
	@$(BIN)/python -c 'import atheris' 2>/dev/null || \
		{ echo "atheris is not installed (it needs Python 3.11, Linux or macOS): no more to do"; exit 0; }; \
	for target in $$($(BIN)/python -m tests.fuzz); do \
		echo "$$target: $(FUZZ_SECONDS) s" && \
		$(BIN)/python -m tests.fuzz $$target -max_total_time=$(FUZZ_SECONDS) -verbosity=0 \
			-print_final_stats=1 -artifact_prefix=$(VENV)/$$target- || exit 1; \
	done

bench: $(VENV)/dev
	$(BIN)/python -m pip install --quiet --group bench
	$(BIN)/python benchmarks/run.py

format: $(VENV)/dev
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean:
	rm -rf $(VENV) build dist .coverage .hypothesis .mypy_cache .nox .pytest_cache .ruff_cache

# pip 25.1 is the first that reads dependency groups.
$(VENV)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "Python 3.10 or newer is needed: make PYTHON=/path/to/python3.x"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	@touch $@

$(VENV)/demo: $(VENV)/pip pyproject.toml
	$(BIN)/python -m pip install --quiet --editable ".[cli,simulator]"
	@touch $@

$(VENV)/dev: $(VENV)/pip pyproject.toml
	$(BIN)/python -m pip install --quiet --editable ".[cli,simulator]" --group dev
	@touch $@

# The dependencies of the package and nothing else, for verifytypes.
$(WHEEL)/ready: $(VENV)/pip pyproject.toml
	$(BIN)/python -m venv $(WHEEL)
	$(WHEEL)/bin/python -m pip install --quiet .
	@touch $@

$(VENV)/fuzz: $(VENV)/dev pyproject.toml
	$(BIN)/python -m pip install --quiet --group fuzz
	@touch $@
