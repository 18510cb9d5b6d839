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

# The shell gets variables through its environment: whatever they hold, quotes too, stays one word.
# With exec a signal reaches yfcc, and make waits for it, not for a shell that ends before.
export YFCC_MAKE_SOURCE := $(SOURCE)
export YFCC_MAKE_CATALOG := $(CATALOG)
export YFCC_MAKE_MIRROR := $(MIRROR)
export YFCC_MAKE_WHERE := $(WHERE)
export YFCC_MAKE_FROM := $(FROM)
export YFCC_MAKE_Q := $(Q)
export YFCC_MAKE_FILE := $(FILE)
flag = $(if $($1),--$2 "$$YFCC_MAKE_$1")

metadata: $(VENV)/installed
	@exec $(YFCC) metadata $(call flag,SOURCE,source) $(call flag,CATALOG,catalog) $(ARGS)

download: $(VENV)/installed
	@exec $(YFCC) download $(call flag,CATALOG,catalog) $(call flag,MIRROR,mirror) \
	    $(call flag,WHERE,where) $(call flag,FROM,from) $(ARGS)

# Without a mirror the tables of one are empty: it is named only where there is one.
query: $(VENV)/installed
	@mirror="$${YFCC_MAKE_MIRROR:-$(if $(YFCC_MIRROR),,mirror)}"; \
	case "$$mirror" in s3://*) ;; *) test -d "$$mirror/ledger" || mirror= ;; esac; \
	exec $(YFCC) query $(or $(call flag,FILE,file),"$$YFCC_MAKE_Q") $(call flag,CATALOG,catalog) \
	    $${mirror:+--mirror "$$mirror"} $(ARGS)

status: $(VENV)/installed
	@exec $(YFCC) status $(call flag,MIRROR,mirror) $(ARGS)

verify: $(VENV)/installed
	@exec $(YFCC) verify $(call flag,MIRROR,mirror) $(ARGS)

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
