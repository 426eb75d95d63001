# The two commands of the README: `make ave` and `make test`. Both set up the environment first.

PYTHON ?= python3
CORES  ?= $(shell nproc 2>/dev/null || sysctl -n hw.ncpu)
BIN    := $(CURDIR)/.venv/bin
STAMP  := .venv/.synced
LOCK   := $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 \
  --generate-hashes --quiet

export PATH := $(BIN):$(PATH)
# Without byte code every start of Snakemake costs two seconds more.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: env laion-clap ave test test-slow check lock schemas clean

env: $(STAMP)

$(STAMP): requirements.lock requirements-uv.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-uv.lock
	$(BIN)/uv pip sync --python $(BIN)/python --require-hashes --compile-bytecode requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --offline --no-deps --no-build-isolation -e .
	touch $@

# The second backend of CLAP, with two dozen packages that nothing else needs.
laion-clap: $(STAMP)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes \
	  -r requirements-laion-clap.lock

ave: $(STAMP)
	$(BIN)/snakemake --cores $(CORES)

test: $(STAMP)
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow"

# Interrupted trainings, a cluster, networks at their published size.
test-slow: $(STAMP)
	$(BIN)/python -m pytest -n 2 --dist loadfile -m slow

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/snakemake --lint

lock: $(STAMP)
	$(LOCK) --extra download --extra report --extra slurm --extra tensorboard --group dev \
	  -o requirements.lock
	$(LOCK) --extra laion-clap -c requirements.lock -o requirements-laion-clap.lock

schemas: $(STAMP)
	$(BIN)/python -m avlib schemas

# Results are left alone, those of the rendered miniature excepted.
clean:
	rm -rf .venv results/ave/miniature logs .pytest_cache .mypy_cache .ruff_cache .hypothesis
