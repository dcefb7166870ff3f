# Every target makes what it needs: a virtual environment in .venv, the native extension, the tools.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
THREADS ?= 2
SOURCES := setup.py pyproject.toml constraints.txt $(wildcard amptorch/kernels/cpu/*)

.PHONY: help install demo test check gpu sanitize clean

help:
	@echo "make demo      install, compare with the original and train on the embedded data, write reports/demo"
	@echo "make test      install, run the tests"
	@echo "make check     install, run the linter, the type checker, every profiling command and example"
	@echo "make gpu       test and measure on a GPU, or small without one, write reports/<date>-gpu-<card>"
	@echo "make sanitize  install, run the kernel tests under address and undefined-behaviour sanitizers"
	@echo "make clean     remove what the others made"

# torch comes first and alone: left to the dependency resolver, pip may pick a larger build.
$(VENV)/installed: $(SOURCES)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[plots,test,datasets,profiling]'
	touch $@

install: $(VENV)/installed

demo: install
	OMP_NUM_THREADS=$(THREADS) $(BIN)/python -m profiling demo --out reports/demo

test: install
	OMP_NUM_THREADS=$(THREADS) $(BIN)/python -m pytest --cov=amptorch --cov-report=term:skip-covered --cov-fail-under=90

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	OMP_NUM_THREADS=$(THREADS) $(BIN)/python -m profiling.smoke

# A machine with a GPU may have no network, and its own torch instead of a .venv.
gpu: $(if $(wildcard $(VENV)),install)
	profiling/gpu_run.sh

sanitize: install
	$(BIN)/python -m pip install --quiet --constraint constraints.txt setuptools nanobind
	tests/kernels/sanitize.sh $(BIN)/python

clean:
	rm -rf $(VENV) build *.egg-info amptorch/*.so .pytest_cache .mypy_cache .ruff_cache .hypothesis
