PYTHON ?= python3
WORKERS := $(shell getconf _NPROCESSORS_ONLN)
ON_ALL_CORES = --numprocesses $(WORKERS) --maxprocesses 4 --dist worksteal
BIN := .venv/bin
RUNNABLE := .venv/.runnable
INSTALLED := .venv/.installed
BACKENDS := .venv-backends
# The tests start hundreds of processes, which must not compile the same modules again each.
unexport PYTHONDONTWRITEBYTECODE
# What the compiler of TensorFlow and JAX gains by optimizing takes far longer than a few steps on
# small images; and many processes compile the same.
QUICK = XLA_FLAGS="--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
CACHED_jax := JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS=0.1 \
	JAX_COMPILATION_CACHE_DIR="$(CURDIR)/$(BACKENDS)/compiled"
TRAINED := tests/models/test_models.py::test_trains_saves_and_loads
MORE_jax := tests/training/test_strategy.py $(TRAINED)
# Compiling the models of every experiment takes JAX minutes; PyTorch compiles nothing.
MORE_torch := tests/project/test_experiments.py $(TRAINED)
# What gradio needs, less Pillow: it declares none newer than 12, which resizes images to other pixels,
# but works with 13.
OF_GRADIO := brotli fastapi groovy hf-gradio orjson pandas pydub python-multipart pytz safehttpx \
	semantic-version tomlkit uvicorn

.DEFAULT_GOAL := help
.PHONY: help run environments test test-backends test-jax test-torch test-all torture cluster-test calibrate models-doc docs site lint clean

help: ## Show the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(RUNNABLE) ## Set up, run the built-in experiment, and compare its models.
	$(BIN)/involbench run
	@echo "Next: $(BIN)/involbench report digits writes the report; README.md has your own question."

environments: $(INSTALLED) $(BACKENDS)/.installed ## Set up what the tests need.

test: $(INSTALLED) ## Set up and run the tests.
	$(QUICK) $(BIN)/pytest $(ON_ALL_CORES) $(PYTEST_OPTIONS)

test-backends: test-jax test-torch ## Set up and run the tests of operator and commands on JAX and PyTorch.

test-jax test-torch: test-%: $(BACKENDS)/.installed
	KERAS_BACKEND=$* $(QUICK) $(CACHED_$*) $(BACKENDS)/bin/python -m pytest $(ON_ALL_CORES) tests/ops tests/layers tests/operators \
		tests/models/test_official_weights.py tests/training/test_divergence.py tests/training/test_probe.py tests/e2e/test_backends.py $(MORE_$*)

test-all: export INVOLBENCH_THOROUGH = 1
test-all: QUICK =
test-all: test-backends test ## The tests of all backends, and those that take long for what they add.

torture: $(INSTALLED) ## Kill runs a hundred times and compare them with one never killed; damage files 2,000 times; attack a results folder.
	INVOLBENCH_THOROUGH=1 INVOLBENCH_KILLS=100 $(BIN)/pytest -s tests/e2e/test_kills.py
	INVOLBENCH_EXAMPLES=2000 $(BIN)/pytest tests/results/test_fuzz.py tests/results/test_mutated.py
	INVOLBENCH_THOROUGH=1 $(BIN)/pytest tests/results/test_hostile.py

cluster-test: $(INSTALLED) ## Run the tests of Ray clusters, with three nodes on this machine.
	INVOLBENCH_THOROUGH=1 INVOLBENCH_NODES=3 $(BIN)/pytest tests/workers/ray

calibrate: $(INSTALLED) ## Simulate 2,000 experiments with a known answer for each case: how often is a verdict wrong?
	$(BIN)/python -m benchmarks.calibrate

models-doc: $(INSTALLED) ## Write the tables of sizes in docs/reference/ again, and print them.
	$(BIN)/python -m benchmarks.models_doc

docs: models-doc ## Write the generated parts of docs/ again: tables, findings, sample report.
	$(BIN)/python -m benchmarks.findings
	$(BIN)/python -m benchmarks.packages_doc
	$(BIN)/involbench report reference/cifar10-jpeg --output docs/sample-report.html

site: $(INSTALLED) ## Build the documentation as a site, in site/; a warning is an error.
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

lint: $(INSTALLED) ## Check style, types and the imports between packages.
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

clean: ## Remove the environment and every cache; results stay.
	rm -rf .venv $(BACKENDS) .coverage* .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Enough to run experiments; what the tests need takes longer to install.
$(RUNNABLE): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --no-compile --constraint constraints.txt --editable .
	touch $@

$(INSTALLED): $(RUNNABLE)
	$(BIN)/python -m pip install --quiet --no-compile --constraint constraints.txt --editable '.[dev]'
	$(BIN)/python -m pip install --quiet --no-compile --constraint constraints.txt $(OF_GRADIO)
	$(BIN)/python -m pip install --quiet --no-compile --constraint constraints.txt --no-deps gradio
	touch $@

# TensorFlow stays out of it, so that nothing of what is tested there can lean on it.
$(BACKENDS)/.installed: constraints.txt pyproject.toml Makefile
	$(PYTHON) -m venv $(BACKENDS)
	$(BACKENDS)/bin/python -m pip install --quiet --no-compile --constraint constraints.txt \
		filelock hypothesis jax jinja2 keras matplotlib numba packaging pillow platformdirs psutil \
		pydantic pytest pytest-xdist pyyaml rich scikit-learn scipy torch typer
	$(BACKENDS)/bin/python -m pip install --quiet --no-compile --no-deps --editable .
	touch $@
