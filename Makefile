# `make help` lists the targets. They first create the environment in .venv if it does not exist.

PYTHON ?= python3
VENV ?= .venv
export PATH := $(abspath $(VENV))/bin:$(PATH)

JOBS ?= 1
comma := ,
empty :=
space := $(empty) $(empty)

PIP_INSTALL := python -m pip install --quiet --disable-pip-version-check
# uv keeps the versions in an existing lock if possible. To update all, delete the lock first.
COMPILE := UV_CUSTOM_COMPILE_COMMAND="make lock" uv pip compile --quiet --universal \
  --python-version 3.11 --generate-hashes --annotation-style line

.PHONY: help repro sweep S0 S1 S2 S3 S4 test test-slow coverage lock bench-data bench-train bench-gpu bench-use env env-dev
.DELETE_ON_ERROR:

help:  ## List the targets
	@awk -F ':.*##' '/^[a-zA-Z0-9-]+:.*##/ {printf "make %-12s%s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

repro: env  ## Run the pipeline and print the results
	dvc repro
	@echo
	@cxr metrics overall
	@echo
	@echo "The report: report/index.html"
	@echo "Pictures: plots/dedupe plots/split plots/evaluate plots/gradcam"
	@echo "More numbers: cxr metrics"

sweep: env  ## MODELS="resnet18 densenet121" [SET="train.seed=0,1,2"] [JOBS=2]: compare networks
	@test -n "$(MODELS)" || { echo 'error: make sweep MODELS="resnet18 densenet121"'; exit 1; }
	dvc exp run --queue $(SET:%=-S %) -S "model=$(subst $(space),$(comma),$(strip $(MODELS)))"
	dvc exp run --run-all --jobs $(JOBS)
	cxr compare

# The five projects of README.md. Further settings: SET="inbox=/path/to/data".
TUNED := -S prepare.image_size=224 -S recipe=finetune
MILD := -S prepare.image_size=224 -S recipe=finetune_mild

S0: env  ## COVID-19 Radiography Database, four networks
	dvc exp run --queue -S dataset=radiography $(MILD) $(SET:%=-S %) \
	  -S model=resnet18,resnet50,densenet121,efficientnet_tiny
	dvc exp run --run-all --jobs $(JOBS)
	cxr compare

S1: env  ## covid-chestxray, seven folds
	cxr crossval --folds 7 -S dataset=covid_chestxray $(TUNED) -S model=mobilenetv2 $(SET:%=-S %)

S2: env  ## covid19-image-dataset
	dvc exp run -S dataset=covid19_image $(TUNED) -S model=mobilenetv2 $(SET:%=-S %)

S3: env  ## COVID-19, normal, pneumonia, tuberculosis
	dvc exp run -S dataset=chest4_tb $(MILD) -S model=mobilenetv2 $(SET:%=-S %)

S4: env  ## COVID-Xray-5k, five networks
	dvc exp run --queue -S dataset=covid_xray_5k $(MILD) $(SET:%=-S %) \
	  -S model=mobilenetv2,mobilenetv3,resnet50,efficientnet_b0,densenet121
	dvc exp run --run-all --jobs $(JOBS)
	cxr compare

test: env-dev  ## Run the linters, the type checker and the tests
	ruff check .
	ruff format --check .
	mypy
	pytest -n 2 -m "not slow" $(PYTEST_OPTIONS)

test-slow: env-dev  ## Run the slow tests
	pytest -n 2 -m slow $(PYTEST_OPTIONS)

coverage:  ## Like test; also report the lines that no test runs
	$(MAKE) test PYTEST_OPTIONS="--cov --cov-report term-missing:skip-covered"

lock: env-dev  ## Resolve requirements*.txt into the locks
	$(COMPILE) requirements.txt --output-file requirements.lock
	$(COMPILE) requirements.txt requirements-dev.txt --constraint requirements.lock \
	  --output-file requirements-dev.lock

bench-data: env  ## Benchmark dedupe and prepare
	python -m benchmarks.dedupe --speed 100000
	python -m benchmarks.prepare

bench-train: env  ## Benchmark training
	python -m benchmarks.train

bench-gpu: env  ## Benchmark training on a GPU (at most eight minutes)
	python -m benchmarks.gpu

bench-use: env  ## Benchmark heatmaps and predictions
	python -m benchmarks.gradcam
	python -m benchmarks.predict

env: $(VENV)/installed  ## Install the packages for running the pipeline

env-dev: $(VENV)/installed-dev  ## Install also those for tests and linters

$(VENV)/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "error: $(PYTHON) is older than 3.11: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP_INSTALL) --require-hashes --requirement requirements.lock
	$(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/installed-dev: requirements-dev.lock $(VENV)/installed
	$(PIP_INSTALL) --require-hashes --requirement requirements-dev.lock
	touch $@
