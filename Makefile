# `make help` lists the targets. Everything goes into .venv, but for what `make test` asks apt for.
PYTHON ?= $(shell for python in python3.11 python3.12 python3; do $$python -c "" 2>/dev/null && command -v $$python && break; done)
BIN := .venv/bin
PINS := pyproject.toml ops/constraints.txt
PYTEST := $(BIN)/pytest --durations=10
EVERYTHING := '.[local,media,avro,protobuf,tracing,s3,http,history,parquet,speech,bench,train,docs,dev]'
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet --constraint ops/constraints.txt

.DEFAULT_GOAL := help
.PHONY: help demo serve test ci tests test-code test-models test-servers test-more-servers test-chaos lint wheel docs docs-serve bench constraints packages clean
.DELETE_ON_ERROR:

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv/.installed-local  ## install what a demo needs, then score the sample posts end to end
	$(BIN)/sluice demo

serve: .venv/.installed-serve  ## install what scoring over HTTP needs, then answer on port 8080 until Ctrl-C
	$(BIN)/sluice serve

test: packages lint tests  ## install everything, then lint, types, import contracts and every test

ci: packages .venv/.installed-dev
	@$(MAKE) --no-print-directory tests BESIDE_TESTS='lint docs wheel'

# Two at a time: with three on two cores, posts are late that no test wants to be. The chaos tests come after them and alone: between
# faults the workers have to catch up. What the tests print lies in var/ while they run.
QUIETLY := sh .ci/quietly

tests:
	@rm -f .coverage*
	@$(MAKE) --no-print-directory --jobs=2 --keep-going test-code test-servers test-more-servers test-models $(BESIDE_TESTS)
	@$(MAKE) --no-print-directory test-chaos

# Lines are counted in the tests of code alone: counting costs a third of the time.
test-code:
	@COVERAGE_FILE=.coverage.code $(QUIETLY) $@ $(PYTEST) --cov=engine --cov-report= \
		--ignore=tests/integration --ignore=tests/chaos --ignore=tests/models --ignore=tests/ops
	@COVERAGE_FILE=.coverage.code $(BIN)/coverage report --include='engine/*' --fail-under=90

test-models:
	@COVERAGE_FILE=.coverage.models $(QUIETLY) $@ $(PYTEST) --cov=models --cov-report= tests/models tests/ops
	@COVERAGE_FILE=.coverage.models $(BIN)/coverage report --include='models/*' --fail-under=85

test-servers:
	@$(QUIETLY) $@ $(PYTEST) tests/integration/test_[a-o]*.py

test-more-servers:
	@$(QUIETLY) $@ $(PYTEST) tests/integration/test_[!a-o]*.py

test-chaos:
	@$(QUIETLY) $@ $(PYTEST) tests/chaos

lint: .venv/.installed-dev  ## ruff, mypy --strict, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy ops .ci/*.py
	$(BIN)/mypy tests
	$(BIN)/lint-imports

wheel: .venv/.installed-dev  ## build the wheel, install it elsewhere on each Python, run the demo there
	$(BIN)/python .ci/check_wheel.py

docs: .venv/.installed-docs  ## build the documentation into site/; a broken link fails
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

docs-serve: .venv/.installed-docs  ## show the documentation while you write it
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve

bench: .venv/.installed-bench  ## throughput and latency of this machine, beside its limit and its peers
	$(BIN)/sluice bench --out bench

packages:
	@sh .ci/packages

constraints:  ## resolve every extra anew into ops/constraints.txt
	$(PYTHON) .ci/resolve_constraints.py

clean:  ## remove .venv, build output and caches
	rm -rf .venv build dist site var .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage* *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.created:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' \
		|| { echo "Sluice needs Python 3.11 or 3.12; name one with: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	@touch $@

# The stamps: a second run installs nothing until the pins change.
.venv/.installed-local: .venv/.created $(PINS)
	@echo "Installing Sluice with its embedded stack into .venv (about a minute) ..."
	$(PIP) --editable '.[local]'
	@touch $@

.venv/.installed-serve: .venv/.created $(PINS)
	@echo "Installing Sluice with its embedded stack and its HTTP server into .venv (about a minute) ..."
	$(PIP) --editable '.[local,http]'
	@touch $@

.venv/.installed-bench: .venv/.created $(PINS)
	@echo "Installing Sluice with its benchmark into .venv (about a minute) ..."
	$(PIP) --editable '.[local,bench]'
	@touch $@

.venv/.installed-docs: .venv/.created $(PINS)
	@echo "Installing what the documentation needs into .venv (half a minute) ..."
	$(PIP) --editable '.[docs]'
	@touch $@

.venv/.installed-dev: .venv/.created $(PINS)
	@echo "Installing Sluice with every extra into .venv (two minutes, 6.5 GB; torch is most of it) ..."
	$(PIP) uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint ops/constraints.txt --editable $(EVERYTHING) \
		|| $(PIP) --editable $(EVERYTHING)  # uv reads no pip.conf, where a mirror may be named
	@touch $@ .venv/.installed-local .venv/.installed-serve .venv/.installed-docs .venv/.installed-bench
