# `make help` lists the targets. Everything runs in .venv, which each target creates if needed; `make clean` removes it.

SHELL := /bin/bash
VENV ?= .venv
BIN := $(VENV)/bin
CONFIG ?= conf/op.yaml
FUZZ_EXAMPLES ?= 20000
NPM := tests/browser/npm
# Folders of tests that need servers, databases, browsers or npm; `make fast` leaves them out. It skips the few tests elsewhere that
# need a database if that is not installed, in CI too, where these tests would otherwise fail.
SLOW_TESTS := browser certification examples flows store
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# The extras of setup.py that an environment has installed, one stamp file for each set.
EXTRAS_demo := examples
EXTRAS_cluster := postgresql,redis
EXTRAS_test := test
EXTRAS_dev := test,dev

.NOTPARALLEL:
.PHONY: help demo cluster test check lint fast audit prose format run docs coverage-of-clauses defects bench bench-notices bench-http growth round-trips crash outage crash-told hostile told fuzz matrix test-needs clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-20s%s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/installed-demo  ## run the OP (http://localhost:8080) and five RPs (:8081 to :8085), until Ctrl-C
	@$(BIN)/python examples/demo.py

cluster: $(VENV)/installed-cluster  ## run two OPs behind nginx: http://localhost:8090, until Ctrl-C (CLUSTER_ARGS="--store redis")
	@$(BIN)/python examples/cluster/cluster.py $(CLUSTER_ARGS)

test: test-needs check  ## install what the tests need, browsers included, and run every check

check: lint audit $(NPM)/node_modules/.package-lock.json  ## run lint, audit, and all tests with branch coverage (PYTEST_ARGS="-k end_session")
	$(BIN)/pytest --cov -n 3 --dist loadfile $(PYTEST_ARGS)

lint: $(VENV)/installed-dev  ## check format, lint, spelling and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/codespell
	$(BIN)/mypy

fast: $(VENV)/installed-test  ## run the tests that need only Python: no database, browser, nginx or npm (PYTEST_ARGS as for check)
	CI= $(BIN)/pytest -n 3 --dist loadfile $(SLOW_TESTS:%=--ignore=tests/%) $(PYTEST_ARGS)

audit: $(VENV)/installed-dev  ## list installed packages with known vulnerabilities; one that has a fix is an error
	$(BIN)/python tools/audit.py

prose:  ## count the words in docstrings that plain technical English avoids
	@python3 tools/prose.py oic_session_ext

format: $(VENV)/installed-dev  ## format the code and fix what ruff can fix
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

run: $(VENV)/installed-demo  ## run the OP that CONFIG=conf/op.yaml describes
	@$(BIN)/oic-session-ext serve $(CONFIG)

docs: $(VENV)/installed-demo  ## write docs/configuration.md anew from the settings, docs/clauses.md and docs/defects.md from the tests
	$(BIN)/python -m oic_session_ext.server.config.reference > docs/configuration.md
	$(BIN)/python -m tests.clause_coverage > docs/clauses.md
	$(BIN)/python -m tests.defect_table > docs/defects.md

coverage-of-clauses: $(VENV)/installed-dev  ## print what the specifications ask, and the test that shows each or why none does
	@$(BIN)/python -m tests.clause_coverage

defects: $(VENV)/installed-dev  ## print what pyoidc does wrong as it comes, and the tests that show it on pyoidc and not on ours
	@$(BIN)/python -m tests.defect_table

bench: $(VENV)/installed-dev  ## measure the OP: make bench DRIVE=path/to/drive.py [BENCH_ARGS="--peers peers.json --n 200"]
	@$(BIN)/python -m bench.run $(if $(DRIVE),$(DRIVE),$(error say which driver: make bench DRIVE=path/to/drive.py)) $(BENCH_ARGS)

bench-notices: $(VENV)/installed-dev  ## measure logout with ten back-channel RPs: make bench-notices DRIVE=path/to/drive.py [BENCH_ARGS="--node folder"]
	@$(BIN)/python -m bench.logout_notices $(if $(DRIVE),$(DRIVE),$(error say which driver: make bench-notices DRIVE=path/to/drive.py)) $(BENCH_ARGS)

bench-http: $(VENV)/installed-dev  ## compare HTTP servers under slow and idle clients: make bench-http [BENCH_ARGS="--servers bundled granian"]
	@$(BIN)/python -m bench.http_layer $(BENCH_ARGS)

growth: $(VENV)/installed-dev test-needs  ## measure stores of 1,000 to 1,000,000 sessions: make growth [GROWTH_ARGS="--engine sqlite"]
	@$(BIN)/python -m bench.growth $(GROWTH_ARGS)

round-trips: $(VENV)/installed-dev test-needs  ## print how often each flow asks its store, on each engine
	@$(BIN)/python -m tests.flows.machines.round_trips

crash: $(VENV)/installed-dev test-needs  ## kill the server at random points of logouts: make crash [CRASH_ARGS="--logouts 1000 --seed 1"]
	@$(BIN)/python -m tests.flows.machines.crash $(CRASH_ARGS)

outage: $(VENV)/installed-dev test-needs  ## end PostgreSQL and Redis under load: make outage [OUTAGE_ARGS="--outages 20"]
	@$(BIN)/python -m tests.flows.machines.outage $(OUTAGE_ARGS)

crash-told: $(VENV)/installed-dev test-needs  ## ... and count what the RPs were told afterwards: make crash-told [CRASH_ARGS="--servers 2 --seed 1"]
	@$(BIN)/python -m tests.flows.machines.told_crash $(CRASH_ARGS)

fuzz: $(VENV)/installed-dev  ## try the parsers with far more than the tests do: make fuzz [FUZZ_EXAMPLES=20000 FUZZ_ARGS="-k cookie"]
	FUZZ_EXAMPLES=$(FUZZ_EXAMPLES) $(BIN)/pytest -m fuzz $(FUZZ_ARGS) tests/parsers tests/examples

hostile: $(VENV)/installed-dev  ## send hostile requests to a running OP: make hostile [HOSTILE_ARGS="--requests 100000 --seed 1"]
	@$(BIN)/python -m tests.flows.machines.hostile $(HOSTILE_ARGS)

told: $(VENV)/installed-dev  ## log out from 20 RPs, 5 of them faulty, and print how long the user waits: make told [TOLD_ARGS="--logouts 20"]
	@$(BIN)/python -m tests.flows.machines.faulty_rps $(TOLD_ARGS)

matrix: $(VENV)/installed-dev test-needs $(NPM)/node_modules/.package-lock.json  ## measure what RPs see in which browser, write it to docs/browsers.md
	@$(BIN)/python -m tests.browser.matrix docs/browsers.md $(MATRIX_ARGS)

test-needs:  ## install the browsers, databases and programs that the tests need (Debian and Ubuntu, as root or with sudo)
	@tools/install_test_needs.sh

clean:  ## remove the virtual environment and the files that the tools wrote
	rm -rf $(VENV) $(NPM)/node_modules build dist *.egg-info .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache

$(VENV)/installed-%: setup.py pyproject.toml tools/make_venv.sh
	@tools/make_venv.sh $(VENV)
	@echo "Installing into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --editable '.[$(EXTRAS_$*)]'
	@touch $@

$(NPM)/node_modules/.package-lock.json: $(NPM)/package.json $(NPM)/package-lock.json $(NPM)/.npmrc tools/install_npm_packages.sh
	@tools/install_npm_packages.sh $(NPM)
