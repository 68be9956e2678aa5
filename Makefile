# make demo: everything on this machine, UI on port 3000.   make test: the whole suite.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
PORT ?= 3000
BIN = $(VENV)/bin

# Another environment, with the newest Dagster that setup.py allows; and the tests of what we lean on in Dagster
NEWEST = $(VENV)-newest
OF_DAGSTER = $(addprefix mushroom_assets_tests/,instance automation checks test_definitions.py test_partitions.py)

.PHONY: demo test test-newest test-storage lint validate wheel-check bench train clean help

help:
	@echo "make demo    the farm on this machine, UI on http://127.0.0.1:$(PORT)"
	@echo "make test    lint, types, definitions, wheel, tests"
	@echo "make test-newest   the tests of what we lean on in Dagster, with its newest version; ten minutes"
	@echo "make test-storage  Dagster's own storage tests on our storage and on its own; ten minutes"
	@echo "make bench   figures of this machine"
	@echo "make train   the packaged model anew, and the numbers of its card; ten minutes"
	@echo "make clean   remove the virtual environment and the demo farm"

$(VENV)/pip.ok:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
		|| { echo "Python 3.11 or newer is needed: install it, or call make with PYTHON=/path/to/python"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/demo.ok: $(VENV)/pip.ok setup.py constraints.txt
	@$(BIN)/python -m pip install --disable-pip-version-check --progress-bar on -q -c constraints.txt -e . \
		|| { echo "The install failed. Without network, set PIP_FIND_LINKS to a folder of wheels and PIP_NO_INDEX=1."; exit 1; }
	@touch $@

$(VENV)/test.ok: $(VENV)/demo.ok
	@$(BIN)/python -m pip install --disable-pip-version-check -q -c constraints.txt -e '.[test]'
	@touch $@

demo: $(VENV)/demo.ok
	@exec $(BIN)/mushroom up --port $(PORT)

test: lint validate
	$(BIN)/python -m pytest -n 2 --dist loadgroup  # they wait for servers a lot: ten minutes instead of sixteen

test-newest:  # the other packages as in constraints.txt
	$(PYTHON) -m venv --clear $(NEWEST)
	sed '/^dagster/d' constraints.txt > $(NEWEST)/constraints.txt
	$(NEWEST)/bin/python -m pip install --disable-pip-version-check -q -c $(NEWEST)/constraints.txt -e '.[test]'
	$(NEWEST)/bin/python -m pip freeze | grep '^dagster'
	$(NEWEST)/bin/python -m pytest -W error:Dagster:FutureWarning $(OF_DAGSTER)

test-storage: $(VENV)/test.ok
	$(BIN)/python tools/storage_tests/run.py $(VENV)/storage-tests

lint: $(VENV)/test.ok
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

validate: $(VENV)/test.ok  # with a Dagster home of its own: dagster.yaml here asks for a database
	mkdir -p $(VENV)/dagster && touch $(VENV)/dagster/dagster.yaml
	DAGSTER_HOME=$(abspath $(VENV))/dagster $(BIN)/dagster definitions validate -w workspace.yaml

bench: $(VENV)/test.ok
	$(BIN)/python benchmarks/bench_assets.py
	$(BIN)/python benchmarks/bench_backfill.py --json $(VENV)/bench_backfill.json
	$(BIN)/python benchmarks/bench_clip.py
	$(BIN)/python benchmarks/bench_search.py
	$(BIN)/python benchmarks/bench_relabel.py
	$(BIN)/python benchmarks/bench_run.py
	$(BIN)/python benchmarks/bench_dagster.py events
	$(BIN)/python benchmarks/bench_dagster.py tick
	test ! -x /usr/bin/chromium || $(BIN)/python -m benchmarks.bench_ui

train: $(VENV)/test.ok
	$(BIN)/python -m training.train --out mushroom_assets/inference/models --cache $(VENV)/renders

clean:
	rm -rf $(VENV) $(NEWEST) .mushroom build dist *.egg-info
