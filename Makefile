# make demo   runs the workflow on an example athlete, against the built-in simulator, and shows
#             the program here and as a page
# make test   lint, types and tests
# make fuzz   a search for inputs that break the readers, FUZZ_SECONDS each; Python 3.11 or newer
# make bench  the figures of docs/performance.md
# make clean  removes what the others made
# Each sets up what it needs in .venv; PYTHON=... chooses another Python, 3.10 or newer.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := examples/athlete_initial.json
FUZZ_SECONDS ?= 60

.PHONY: demo test lint types tests fuzz bench clean

demo: $(VENV)/demo
	@echo "The simulated workflow makes a program for $(DEMO):"
	@$(BIN)/edn360-chatkit -v run $(DEMO) --simulate -o $(VENV)/program.json
	@$(BIN)/edn360-chatkit show $(VENV)/program.json --lang en
	@$(BIN)/edn360-chatkit show $(VENV)/program.json --lang en --html $(VENV)/program.html
	@echo "The same as a page for a browser or a printer: $(CURDIR)/$(VENV)/program.html"

test: lint types tests

lint: $(VENV)/dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(VENV)/dev
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python

tests: $(VENV)/dev
	$(BIN)/pytest --numprocesses=3 --dist=loadfile --cov --cov-report=term

fuzz: $(VENV)/fuzz
	@for target in $$($(BIN)/python -m tests.fuzz); do \
		echo "$$target: $(FUZZ_SECONDS) s" && \
		$(BIN)/python -m tests.fuzz $$target -max_total_time=$(FUZZ_SECONDS) -verbosity=0 \
			-print_final_stats=1 -artifact_prefix=$(VENV)/$$target- || exit 1; \
	done

bench: $(VENV)/dev
	$(BIN)/python benchmarks/run.py

clean:
	rm -rf $(VENV) build dist .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache

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

$(VENV)/dev: $(VENV)/demo pyproject.toml
	$(BIN)/python -m pip install --quiet --editable ".[cli,simulator]" --group dev
	@touch $@

$(VENV)/fuzz: $(VENV)/dev pyproject.toml
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Fuzzing needs Python 3.11 or newer: make clean, make fuzz PYTHON=..."; exit 1; }
	$(BIN)/python -m pip install --quiet --group fuzz
	@touch $@
