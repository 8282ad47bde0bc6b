# make repro   run the pipeline and print what came out
# make test    linters, types and tests
# Both create the environment in .venv first if it is not there.

PYTHON ?= python3
VENV ?= .venv
export PATH := $(abspath $(VENV))/bin:$(PATH)

.PHONY: repro test env
.DELETE_ON_ERROR:

repro: env
	dvc repro
	@echo
	dvc metrics show metrics/test.json
	@echo "Pictures: plots/split, plots/dedupe, plots/train, plots/evaluate, plots/gradcam"

test: env
	ruff check .
	ruff format --check .
	mypy
	pytest -n 2

env: $(VENV)/installed

$(VENV)/installed: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "error: $(PYTHON) is older than 3.11: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	python -m pip install --quiet --disable-pip-version-check --requirement requirements.txt
	cp requirements.txt $@
