# make demo: everything on this machine, UI on port 3000.   make test: the whole suite.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
PORT ?= 3000
BIN = $(VENV)/bin
INSTALL = $(BIN)/python -m pip install --disable-pip-version-check -q -c constraints.txt -e

# Another environment, with the newest Dagster that setup.py allows; and the tests of what we lean on in Dagster
NEWEST = $(VENV)-newest
OF_DAGSTER = $(addprefix mushroom_assets_tests/,instance automation checks test_definitions.py test_partitions.py)

.PHONY: help demo check test test-newest test-storage soak soak-processes histories image-test compose-test watch-test lint validate bench train migration migration-named lock clean

help:
	@echo "make demo             the farm on this machine, UI on http://127.0.0.1:$(PORT)"
	@echo "                      TORCH=cpu or TORCH=cuda: which PyTorch; by default CUDA's where there is a card"
	@echo "make check            lint, types and the quick tests; before every commit"
	@echo "make test             lint, types, definitions, wheel, all tests; a quarter of an hour"
	@echo "make lint             lint and types alone"
	@echo "make validate         do the definitions load?"
	@echo "make test-newest      the tests of what we lean on in Dagster, with its newest version; ten minutes"
	@echo "make test-storage     Dagster's own storage tests on our storage and on its own; ten minutes"
	@echo "make soak N=200       so many schedules of faults on the real work; a second or two each"
	@echo "make soak-processes N=20  the same on the processes of a running farm; a minute or two each"
	@echo "make histories N=500  random histories of a farm end at one clean pass; five seconds each"
	@echo "make image-test       the container image is built and started (root, Debian's buildah and podman); five minutes"
	@echo "make compose-test     deploy/compose.yaml is started, loses its database, is deployed and rolled back; ten minutes"
	@echo "make watch-test       alerts fire and end on a real farm (Debian's prometheus, prometheus-alertmanager); seven minutes"
	@echo "make bench            figures of this machine"
	@echo "make train            the packaged model anew, and the numbers of its card; half an hour"
	@echo 'make migration m="…"  a new migration: what the declared tables have and the last one has not'
	@echo "make lock             constraints.txt anew, as setup.py asks; pins that still fit stay"
	@echo '                      UPGRADE="-P dagster" renews one package, UPGRADE=-U all'
	@echo "make clean            remove the virtual environment and the demo farm"

$(VENV)/pip.ok:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
		|| { echo "Python 3.11 or newer is needed: install it, or call make with PYTHON=/path/to/python"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/demo.ok: $(VENV)/pip.ok setup.py constraints.txt
	@$(INSTALL) . --progress-bar on $$($(PYTHON) tools/torch_index.py $(TORCH)) \
		|| { echo "The install failed. Without network, set PIP_FIND_LINKS to a folder of wheels and PIP_NO_INDEX=1."; exit 1; }
	@touch $@

# The extras by the targets that need them. Types are checked in all tests.
$(VENV)/test.ok: $(VENV)/demo.ok
	@$(INSTALL) '.[test,browser,s3,celery,kubernetes]'
	@touch $@

$(VENV)/bench.ok: $(VENV)/test.ok
	@$(INSTALL) '.[bench]'
	@touch $@

$(VENV)/image.ok: $(VENV)/demo.ok
	@$(INSTALL) '.[image]'
	@touch $@

$(VENV)/lock.ok: $(VENV)/demo.ok
	@$(INSTALL) '.[lock]'
	@touch $@

demo: $(VENV)/demo.ok
	@exec $(BIN)/mushroom up --port $(PORT)

check: lint
	$(BIN)/python -m pytest -q -n 2 --dist loadfile -m "not long"

test: lint validate
	$(BIN)/python -m pytest -n 3 --dist loadfile  # they wait for servers half of their time

test-newest:  # the other packages as in constraints.txt
	$(PYTHON) -m venv --clear $(NEWEST)
	sed '/^dagster/d' constraints.txt > $(NEWEST)/constraints.txt
	$(NEWEST)/bin/python -m pip install --disable-pip-version-check -q -c $(NEWEST)/constraints.txt -e '.[test]'
	$(NEWEST)/bin/python -m pip freeze | grep '^dagster'
	$(NEWEST)/bin/python -m pytest -W error:Dagster:FutureWarning $(OF_DAGSTER)

test-storage: $(VENV)/test.ok
	$(BIN)/python tools/storage_tests/run.py $(VENV)/storage-tests

N ?= 200
SEED ?= 0
soak: $(VENV)/test.ok
	$(BIN)/python -m mushroom_assets_tests.faults.soak $(N) --seed $(SEED)

soak-processes: $(VENV)/test.ok
	$(BIN)/python -m mushroom_assets_tests.faults.soak_processes $(N) --seed $(SEED)

histories: $(VENV)/test.ok
	$(BIN)/python -W ignore -m mushroom_assets_tests.assets.histories $(N) --seed $(SEED)

lint: $(VENV)/test.ok
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

validate: $(VENV)/test.ok  # with a Dagster home of its own: dagster.yaml here asks for a database
	mkdir -p $(VENV)/dagster && touch $(VENV)/dagster/dagster.yaml
	DAGSTER_HOME=$(abspath $(VENV))/dagster $(BIN)/dagster definitions validate -w workspace.yaml

image-test: $(VENV)/image.ok
	HADOLINT=$(BIN)/hadolint tools/image/test.sh

compose-test: $(VENV)/image.ok
	PATH=$(abspath $(BIN)):$$PATH tools/compose/test.sh

watch-test: $(VENV)/test.ok
	$(BIN)/python -m pytest tools/watch

bench: $(VENV)/bench.ok
	$(BIN)/python benchmarks/bench_assets.py
	$(BIN)/python benchmarks/bench_backfill.py --json $(VENV)/bench_backfill.json
	$(BIN)/python benchmarks/bench_clip.py
	$(BIN)/python benchmarks/bench_search.py
	$(BIN)/python benchmarks/bench_relabel.py
	$(BIN)/python benchmarks/bench_run.py
	$(BIN)/python benchmarks/bench_workers.py
	$(BIN)/python benchmarks/bench_dagster.py events
	$(BIN)/python benchmarks/bench_dagster.py tick
	$(BIN)/python benchmarks/bench_following.py log
	$(BIN)/python -m benchmarks.bench_page --seconds 60
	test ! -x /usr/bin/chromium || $(BIN)/python -m benchmarks.bench_ui

train: $(VENV)/test.ok
	$(BIN)/python -m training.train --out mushroom_assets/inference/models --cache $(VENV)/renders

migration-named:
	@test -n "$(strip $(m))" || { echo 'Say what changes: make migration m="quantiles of the environment"'; exit 1; }

# Of the migrations only the new one is touched. The last check finds a column type that is not imported.
migration: migration-named $(VENV)/test.ok
	@file=$$($(BIN)/python -m tools.migration "$(m)") \
		&& $(BIN)/ruff check --quiet --select I --fix "$$file" \
		&& $(BIN)/ruff format --quiet "$$file" \
		&& $(BIN)/ruff check --quiet --select F "$$file" \
		&& echo "$$file: read it, and try it with \`make check\`"

# The comments stay. What torch brings for a GPU is left out: torch pins it by itself, and its CPU build has none of it.
lock: $(VENV)/lock.ok
	cp constraints.txt $(VENV)/lock.txt
	$(BIN)/uv pip compile setup.py --all-extras --python-version 3.11 --python-platform linux $(UPGRADE) \
		--quiet --no-header --no-annotate --output-file $(VENV)/lock.txt
	{ grep '^#' constraints.txt; grep -vE '^(cuda|nvidia|triton|setuptools)' $(VENV)/lock.txt; } > $(VENV)/constraints.txt
	mv $(VENV)/constraints.txt constraints.txt

clean:
	rm -rf $(VENV) $(NEWEST) .mushroom build dist *.egg-info
