# Every target makes what it needs: a virtual environment in .venv, the native extension, the tools.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
THREADS ?= 2
SOURCES := setup.py pyproject.toml constraints.txt $(wildcard amptorch/kernels/cpu/*)

# Another order of sums than this machine would choose: kernels and torch without wide vectors, MKL and
# OpenBLAS with those of old machines, two threads.
ELSEWHERE := AMPTORCH_CPU_CAPABILITY=baseline ATEN_CPU_CAPABILITY=default MKL_CBWR=COMPATIBLE \
	OPENBLAS_CORETYPE=Nehalem OMP_NUM_THREADS=2 TEST_THREADS=2
NUMERICS := tests/kernels tests/fit/optimizers tests/test_physics.py tests/test_golden_training.py \
	tests/dataset/test_golden_lmdb.py tests/profiling/test_original.py

.PHONY: help install demo test coverage check lint smoke docs portable package gpu sanitize clean

help:
	@echo "make demo      install, compare with the original and train on the embedded data, write reports/demo"
	@echo "make test      install, run the tests"
	@echo "make coverage  the same, and what of the package they run"
	@echo "make check     install, make lint, smoke, docs and portable"
	@echo "make lint      install, run the linter, the formatter and the type checker"
	@echo "make smoke     install, run every command of profiling and every example, small"
	@echo "make docs      install, run all code of README and docs/, build the site in build/docs"
	@echo "make portable  install, run the tests of numbers as on a machine with other instructions"
	@echo "make package   install, build the source distribution and a wheel, try them elsewhere"
	@echo "make gpu       test and measure on a GPU, or small without one, write reports/<date>-gpu-<card>"
	@echo "make sanitize  install, run the kernel tests under address and undefined-behaviour sanitizers"
	@echo "make clean     remove what the others made"

# torch comes first and alone: left to the dependency resolver, pip may pick a larger build.
$(VENV)/installed: $(SOURCES)
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if v >= (3, 10) else \
		"$(PYTHON) is Python %d.%d, amptorch needs 3.10 or later: make PYTHON=python3.12 ..." % v)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[plots,test,datasets,profiling,docs]'
	touch $@

install: $(VENV)/installed

demo: install
	OMP_NUM_THREADS=$(THREADS) $(BIN)/python -m profiling demo --out reports/demo

# A file of tests is one process's, so that what its tests share is made once.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(THREADS) --dist loadfile

# What is in the documentation runs in make check.
test: install
	$(PYTEST) --ignore tests/docs

# It takes half as long again.
coverage: install
	$(PYTEST) --ignore tests/docs --cov=amptorch --cov-report=term:skip-covered --cov-fail-under=90

# Most of what runs side by side is one thread each: imports, and code of Python.
check: install
	$(MAKE) --jobs=2 THREADS=1 docs smoke lint
	$(MAKE) portable

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

smoke: install
	OMP_NUM_THREADS=$(THREADS) $(BIN)/python -m profiling.smoke

docs: install
	OMP_NUM_THREADS=$(THREADS) $(BIN)/python -m pytest -q tests/docs
	$(BIN)/sphinx-build -q -W --keep-going docs build/docs

portable: install
	$(ELSEWHERE) $(BIN)/python -m amptorch machine
	$(ELSEWHERE) $(BIN)/python -m pytest -q --numprocesses 2 --dist loadfile $(NUMERICS) \
		--ignore tests/kernels/test_cuda.py --ignore tests/kernels/test_cuda_neighbors.py -k "not test_random"

package: install
	$(BIN)/python -m pip install --quiet --constraint constraints.txt setuptools nanobind
	tests/package.sh $(BIN)/python

# A machine with a GPU may have no network, and its own torch instead of a .venv.
gpu: $(if $(wildcard $(VENV)),install)
	profiling/gpu_run.sh

sanitize: install
	$(BIN)/python -m pip install --quiet --constraint constraints.txt setuptools nanobind
	tests/kernels/sanitize.sh $(BIN)/python

clean:
	rm -rf $(VENV) build dist *.egg-info amptorch/*.so .pytest_cache .mypy_cache .ruff_cache .hypothesis
