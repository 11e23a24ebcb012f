# Two commands on a fresh machine: `make demo` and `make test`. `make` alone lists the rest.
#
# MODELPACK_DSN=…           an existing server instead of the private one (the benchmarks have one of their own)
# MODELPACK_SERVER_WHEELS=… the folder of the server's wheels, as that server sees it
# EVENTS=…                  make demo: a CSV of real events instead of simulated customers
# PYTEST_ARGS=…             make test, test-long: passed to pytest
# BENCH_ARGS=…              make bench: passed to the benchmarks
# WORDS=…                 make revision: what it does, for its name and its first line
# MATRIX=…               make matrix: which majors, and --quick
# PART=… SEED=… LIMIT=… AGAIN=1   make mutants: sql, generated or python; which come first; how many; those that lived

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
# Two targets at once would start, stop and remove the same server.
.NOTPARALLEL:
.PHONY: help bootstrap demo test test-long up down psql check format bench bench-check bench-online bench-record bench-rivals docs oldest dist revision release-schema soak fuzz zoo matrix mutants mutants-map clean

# scikit-learn asks for the physical cores of the machine, and warns with a traceback where there is no /sys to read.
export LOKY_MAX_CPU_COUNT ?= 1
export MODELPACK_SERVER_WHEELS ?= $(CURDIR)/.modelpack/server-wheels

# Processes that package and commands are started by the hundred, and each worker rewrites the assertions of all tests: where
# PYTHONDONTWRITEBYTECODE is set, each would compile anew what it imports.
unexport PYTHONDONTWRITEBYTECODE
compiled = .venv/bin/python -m compileall -q -j 0 modelpack modelpack_alembic plpython dev tests

# The DSN of the server that is meant, started first where it is ours. A failure ends the recipe.
start = dsn=$${MODELPACK_DSN:-}; [[ -n $$dsn ]] || dsn=$$(.venv/bin/python -m dev.cluster start)
# The tests have a server of their own: what they write need not outlive a machine that loses its power. Each test makes and drops a
# database of hundreds of files, which some file systems are slow at: so it is in memory, where there is room.
room = $(shell df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 && $$4 > 8388608 { print "yes" }')
in_memory = /dev/shm/modelpack-tests-$(shell echo '$(CURDIR)' | cksum | cut -d ' ' -f 1)
tests = $(or $(wildcard $(in_memory)),$(if $(room),$(in_memory),.modelpack/tests))
start_tests = dsn=$${MODELPACK_DSN:-}; [[ -n $$dsn ]] || dsn=$$(.venv/bin/python -m dev.cluster --folder $(tests) \
  --set fsync=off --set full_page_writes=off --set max_wal_size=1GB start)
# What turns a model into a version and stores it, makes training sets, and is called in migrations.
publishing = tests/unit/packager tests/unit/declaration tests/unit/compile tests/unit/test_help.py \
  tests/integration/test_install.py tests/integration/test_alembic.py tests/integration/test_registry.py \
  tests/integration/test_curation.py tests/integration/test_gate.py tests/integration/test_training.py \
  tests/acceptance/test_publish.py tests/acceptance/test_cli.py
# What stops and removes things must work without .venv too, and on a machine where nothing was made yet.
python = $$([[ -x .venv/bin/python ]] && echo .venv/bin/python || echo python3)
servers = for folder in .modelpack/cluster $(tests); do [[ ! -d $$folder ]] || $(python) -m dev.cluster --folder $$folder

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

bootstrap: ## install what is missing: OS packages, .venv, the server's wheels
	@dev/bootstrap

demo: bootstrap ## the story: events by plain SQL, scores in place (EVENTS=file.csv replays a real log)
	@$(start); MODELPACK_DSN="$$dsn" .venv/bin/modelpack demo $(if $(EVENTS),--events '$(EVENTS)')

test: ## all tests, against a real server (PYTEST_ARGS=…)
	@dev/bootstrap --tests
	@$(compiled)
	@$(start_tests); MODELPACK_TEST_DSN="$$dsn" .venv/bin/pytest -n 3 --dist worksteal $(PYTEST_ARGS)

test-long: ## the long forms of some tests: minutes each (PYTEST_ARGS=…)
	@dev/bootstrap --tests
	@$(compiled)
	@$(start_tests); MODELPACK_TEST_DSN="$$dsn" .venv/bin/pytest -n 2 --dist worksteal -m long $(PYTEST_ARGS)

up: bootstrap ## start the server with modelpack installed; the last line is its DSN
	@$(start); \
	.venv/bin/modelpack install --dsn "$$dsn" --server-wheels "$$MODELPACK_SERVER_WHEELS"; \
	echo "$$dsn"

down: ## stop the private servers; their data stay
	@$(servers) stop; done

psql: bootstrap ## open psql on the server
	@$(start); psql "$$dsn"

check: bootstrap ## ruff, formatting, mypy --strict, who imports whom
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy --strict
	.venv/bin/mypy --strict -p dev
	.venv/bin/mypy --strict -p benchmarks
	.venv/bin/lint-imports --no-logo --no-cache

format: bootstrap ## let ruff mend what it can
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

bench: bootstrap bench-rivals ## the benchmarks and their budgets (BENCH_ARGS="--quick", "--write", "--json FILE")
	.venv/bin/python -m benchmarks $(BENCH_ARGS)

bench-check: bootstrap ## the quick benchmarks; fails when a ratio is worse than recorded
	.venv/bin/python -m benchmarks --quick --check $(BENCH_ARGS)

bench-online: bootstrap ## a declaration comes, changes and goes on a million profiles and ten million events in full use (PROFILES=…)
	@MODELPACK_ONLINE_PROFILES=$(or $(PROFILES),1000000) .venv/bin/pytest -s -n 0 tests/faults/test_online.py -k nobody_waits

bench-record: bootstrap ## the quick benchmarks; records the ratios that bench-check expects
	.venv/bin/python -m benchmarks --quick --record $(BENCH_ARGS)

# Without them the suite runs too, and says which cases it leaves out. orbital asks for another onnx than modelpack
# does, so it has an environment of its own; it unpickles estimators, so scikit-learn is the same.
bench-rivals: bootstrap ## what the benchmarks compare with: a web service's packages, orbital, matplotlib
	@.venv/bin/python -m pip install -q --disable-pip-version-check -c dev/constraints.txt -e '.[dev,bench]' || true
	@[[ -f .modelpack/orbital/ready ]] || { \
	  .venv/bin/python -m venv --clear .modelpack/orbital && \
	  .modelpack/orbital/bin/python -m pip install -q --disable-pip-version-check "$$(sed -n 's/^orbital = \["\(.*\)"\]$$/\1/p' pyproject.toml)" \
	    $$(.venv/bin/python -m pip freeze | grep -E '^(scikit-learn|pandas)==') && \
	  touch .modelpack/orbital/ready; } || rm -rf .modelpack/orbital

docs: bootstrap ## write the generated parts of docs/
	@$(start); MODELPACK_DSN="$$dsn" .venv/bin/python -m docs

revision: bootstrap ## a revision that names what differs from the last release of the schema (WORDS="…")
	@.venv/bin/python -m dev.schema revision --words '$(if $(WORDS),$(WORDS),changes)'

release-schema: bootstrap ## freeze what the newest revision installs: only when a release is made
	@.venv/bin/python -m dev.schema release

fuzz: bootstrap ## random declarations, statements and hostile texts, for long (EXAMPLES=200)
	@$(start_tests); MODELPACK_FUZZ=$${EXAMPLES:-200} MODELPACK_TEST_DSN="$$dsn" .venv/bin/pytest tests/integration/test_stateful.py tests/integration/test_hostile_texts.py $(PYTEST_ARGS)

# Warnings are errors on the newest versions alone: the oldest have their own.
oldest: ## what publishes, on the oldest versions that the package takes (PYTEST_ARGS=…)
	@dev/bootstrap --oldest
	@$(start_tests); MODELPACK_TEST_DSN="$$dsn" .modelpack/oldest/bin/python -m pytest -n 2 --dist worksteal -W default \
	  $(if $(PYTEST_ARGS),$(PYTEST_ARGS),$(publishing))

dist: bootstrap ## the wheel and the source distribution, built and checked, into dist/
	@rm -rf dist
	.venv/bin/python -m build --no-isolation .
	.venv/bin/python -m twine check --strict dist/*

zoo: ## every estimator that can be converted, through the parity gate; writes docs/estimators.md
	@dev/bootstrap --tests
	.venv/bin/python -m tests.unit.packager.zoo docs/estimators.md

matrix: ## the tests on PostgreSQL 14 to 18, and make oldest; writes docs/compatibility.md (MATRIX="14 18 --quick": neither)
	@dev/bootstrap --tests
	@.venv/bin/python -m dev.matrix $(if $(MATRIX),$(MATRIX),--write)
	@$(if $(MATRIX),,$(MAKE) --no-print-directory oldest)

soak: bootstrap ## ten minutes of mixed traffic and faults on a server of its own (MINUTES=…)
	@.venv/bin/python -m tests.faults.soak

mutants: ## put small faults in, one by one: do the tests mind? (PART=sql|generated|python SEED=1 LIMIT=20; AGAIN=1: those that lived, with more tests)
	@dev/bootstrap --tests
	@$(start_tests); MODELPACK_TEST_DSN="$$dsn" .venv/bin/python -m tests.mutants \
	  $(if $(PART),--part $(PART)) $(if $(SEED),--seed $(SEED)) $(if $(LIMIT),--limit $(LIMIT)) $(if $(AGAIN),--again --longest 600)

mutants-map: ## which tests come by which functions and lines, so that `make mutants` runs those alone (once, as long as make test)
	@dev/bootstrap --tests
	@$(start_tests); psql "$$dsn" -qc "alter system set track_functions = 'all'" -c "select pg_reload_conf()" >/dev/null; \
	rm -f .modelpack/calls.jsonl .modelpack/lines.jsonl; \
	MODELPACK_TEST_DSN="$$dsn" .venv/bin/pytest -n 2 --dist worksteal -p tests.mutants.calls -p tests.mutants.lines tests/unit tests/integration tests/faults

clean: ## stop the private servers; remove them, their data and .venv
	@$(servers) destroy; done
	rm -rf .venv .modelpack
