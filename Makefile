# Everything a fresh machine needs is python3 with venv and pip; the rest is set up here.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
READY = $(VENV)/.ready
ALONE = not slow and not shared and not dials and not slurm
QUICK = -m "$(ALONE)"
# the tests of a file in one process, as many files at once as there are cores, up to four
PARALLEL = -n auto --maxprocesses 4 --dist loadfile
# folders of dxdask/ that hold kernels
KERNEL_TESTS = $(addprefix tests/,analysis calibration geometry hits indexing integration masking \
	merging models prediction refinement scaling spotfinding)
export NUMBA_NUM_THREADS ?= 1
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1
export MKL_NUM_THREADS ?= 1

.DEFAULT_GOAL := help
.PHONY: help dev demo test quick slow wheel lowest coverage lint types contracts bench notebooks docs format constraints clean

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 20

dev: $(READY) ## set up .venv with everything, pinned

$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt -e '.[dev]'
	-PYTHONDONTWRITEBYTECODE= $(BIN)/python -m compileall -qq -j 0 $(VENV)/lib
	touch $@

demo: $(READY) ## simulate a five-transmission ensemble, process it, show tables and a picture
	$(BIN)/dxdask demo -o demo

test: $(READY) ## the default test suite
	$(BIN)/python -m pytest $(PARALLEL) -m "not slow"

quick: $(READY) ## the tests that need nothing but this repository
	$(BIN)/python -m pytest $(PARALLEL) $(QUICK) -q

slow: $(READY) ## the long tests, run by CI
	$(BIN)/python -m pytest $(PARALLEL) -m slow

wheel: $(READY) ## the wheel in a fresh environment, used from this folder; on Slurm where there is one
	$(BIN)/python -m pytest tests/e2e/test_plain_wheel.py

lowest: $(READY) ## the quick tests with the lowest versions that pyproject.toml allows
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python build/lowest
	$(BIN)/uv pip install --quiet --python build/lowest/bin/python --resolution lowest-direct -e '.[dev]'
	NUMBA_CACHE_DIR=$(CURDIR)/build/lowest/numba build/lowest/bin/python -m pytest $(PARALLEL) $(QUICK) -q \
		-W ignore::DeprecationWarning

# Kernels in plain NumPy warn of overflows and divisions that compiled code passes over.
coverage: $(READY) ## lines that the tests of the kernels run, by folder, without the JIT
	NUMBA_DISABLE_JIT=1 HYPOTHESIS_PROFILE=coverage $(BIN)/python -m coverage run -m pytest -q \
		-m "$(ALONE) and not jit" -W ignore::RuntimeWarning $(KERNEL_TESTS)
	$(BIN)/python tools/coverage_by_folder.py

lint: $(READY) ## ruff, spelling, pyproject
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/validate-pyproject pyproject.toml
	$(BIN)/nbstripout --verify notebooks/*.ipynb

types: $(READY) ## mypy, strict
	$(BIN)/python tools/linkfarm.py
	$(BIN)/mypy

contracts: $(READY) ## who may import whom, and that every folder is packaged
	$(BIN)/python -m pytest -q tests/test_layers.py tests/test_packaging.py

bench: $(READY) ## the tables of benchmarks/, beside DIALS where it is installed
	$(BIN)/python benchmarks/insulin.py

docs: $(READY) ## the pages, into build/site
	$(BIN)/python tools/linkfarm.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

notebooks: $(READY) ## run every notebook; an error fails
	$(BIN)/python tools/run_notebooks.py

format: $(READY) ## let ruff format everything
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

constraints: $(READY) ## renew the pins
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate \
		--no-emit-index-url --extra dev pyproject.toml -o constraints.txt --upgrade
	echo "uv==$$($(BIN)/uv --version | cut -d' ' -f2)" >> constraints.txt

clean: ## remove what was built
	rm -rf build dist *.egg-info demo .pytest_cache .mypy_cache .ruff_cache
