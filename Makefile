# The two commands of the README: `make ave` and `make test`. Both set up the environment first.

PYTHON ?= python3
CORES  ?= $(shell nproc 2>/dev/null || sysctl -n hw.ncpu)
BIN    := $(CURDIR)/.venv/bin
STAMP  := .venv/.synced

export PATH := $(BIN):$(PATH)
# Without byte code every start of Snakemake costs two seconds more.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: env ave test check lock schemas clean

env: $(STAMP)

$(STAMP): requirements.lock requirements-uv.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-uv.lock
	$(BIN)/uv pip sync --python $(BIN)/python --require-hashes --compile-bytecode requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --offline --no-deps --no-build-isolation -e .
	touch $@

ave: $(STAMP)
	$(BIN)/snakemake --cores $(CORES)

test: $(STAMP)
	$(BIN)/python -m pytest -n 2 --dist loadfile

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/snakemake --lint

lock: $(STAMP)
	$(BIN)/uv pip compile pyproject.toml --all-extras --group dev --universal --python-version 3.11 \
	  --generate-hashes --quiet -o requirements.lock

schemas: $(STAMP)
	$(BIN)/python -m avlib schemas

# Results are left alone, those of the rendered miniature excepted.
clean:
	rm -rf .venv results/ave/miniature logs .pytest_cache .mypy_cache .ruff_cache .hypothesis
