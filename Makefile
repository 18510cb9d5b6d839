# Variables become flags:  make metadata SOURCE=s3://… CATALOG=catalog.duckdb
#                          make download CATALOG=… MIRROR=… WHERE="license = 'by'"
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
YFCC   := $(BIN)/yfcc

# Those left empty become no flags: then YFCC_* and yfcc.toml count, then the defaults.
SOURCE ?=
CATALOG ?=
MIRROR ?=
WHERE ?=
FROM ?=
Q ?=
FILE ?=
ARGS ?=
BENCH ?= all
# Tests wait for each other's processes and servers a good deal.
TEST_JOBS ?= 3

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help demo metadata download query status verify test test-s3 check bench lock clean

help:
	@echo "make demo                          everything, end to end, on an embedded sample"
	@echo "make metadata SOURCE=… CATALOG=…   build the catalog"
	@echo "make download CATALOG=… MIRROR=…   mirror the selected media; run it again to resume"
	@echo "make query Q=\"select …\"            SQL over catalog and mirror; or FILE=sql/queries/….sql"
	@echo "make status | verify               counts that add up | re-check every stored byte"
	@echo "make test | check | bench          tests | ruff, mypy, import rules, bandit | against peers"
	@echo "make test-s3                       the tests of buckets, against a real S3 server"

# pip of Python 3.11's day needs minutes for the S3 stack: upgrade it first. What Python compiles is
# kept even where the environment says it may not write that: an eighth of a second a command.
$(VENV)/installed: pyproject.toml requirements.lock
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	@$(BIN)/python -m pip install --quiet --constraint requirements.lock --editable .
	@$(BIN)/python -m yfcc.catalog.warm
	@$(BIN)/python -m compileall -q yfcc
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	@$(BIN)/python -m pip install --quiet --constraint requirements.lock --group dev
	@touch $@

demo: $(VENV)/installed
	@$(YFCC) demo run $(ARGS)

metadata: $(VENV)/installed
	@$(YFCC) metadata $(if $(SOURCE),--source '$(SOURCE)') $(if $(CATALOG),--catalog '$(CATALOG)') $(ARGS)

download: $(VENV)/installed
	@$(YFCC) download $(if $(CATALOG),--catalog '$(CATALOG)') $(if $(MIRROR),--mirror '$(MIRROR)') \
	    $(if $(WHERE),--where "$$YFCC_MAKE_WHERE") $(if $(FROM),--from '$(FROM)') $(ARGS)
download: export YFCC_MAKE_WHERE := $(WHERE)

query: $(VENV)/installed
	@$(YFCC) query $(if $(FILE),--file '$(FILE)',"$$YFCC_MAKE_Q") $(if $(CATALOG),--catalog '$(CATALOG)') \
	    $(if $(QUERY_MIRROR),--mirror '$(QUERY_MIRROR)') $(ARGS)
query: export YFCC_MAKE_Q := $(Q)
# Without a mirror the tables of one are empty: it is named only where there is one.
query: QUERY_MIRROR = $(or $(filter s3://%,$(MIRROR)),$(patsubst %/ledger,%,$(wildcard \
    $(or $(MIRROR),$(if $(YFCC_MIRROR),,mirror))/ledger)))

status: $(VENV)/installed
	@$(YFCC) status $(if $(MIRROR),--mirror '$(MIRROR)') $(ARGS)

verify: $(VENV)/installed
	@$(YFCC) verify $(if $(MIRROR),--mirror '$(MIRROR)') $(ARGS)

# Tests start hundreds of processes: what Python compiles is kept, whatever the environment says.
test test-s3: export PYTHONDONTWRITEBYTECODE :=
test: $(VENV)/installed-dev
	@$(BIN)/python -m pytest -n $(TEST_JOBS) --dist worksteal $(ARGS)

# Ceph's radosgw, from Debian's packages: fails where it is not installed, and says how to.
test-s3: export YFCC_TEST_S3 := radosgw
test-s3: $(VENV)/installed-dev
	@$(BIN)/python -m pytest tests/contract -k radosgw -rs -n $(TEST_JOBS) --dist worksteal $(ARGS)

check: $(VENV)/installed-dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/bandit --quiet --configfile pyproject.toml --recursive yfcc

bench: $(VENV)/installed-dev
	@$(BIN)/python scripts/bench.py $(BENCH) $(ARGS)

# Needs uv; only for whoever updates the pins.
lock:
	uv pip compile --universal --python-version 3.11 --no-annotate --no-header \
	    --no-emit-index-url --group dev pyproject.toml --output-file requirements.lock

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache
