# make repro   run the pipeline and print what came out
# make test    linters, types and tests
# make lock    requirements.lock from requirements.txt: the whole environment, with hashes
# make bench-data, make bench-train, make bench-use   the figures of the README
# All create the environment in .venv first if it is not there.

PYTHON ?= python3
VENV ?= .venv
export PATH := $(abspath $(VENV))/bin:$(PATH)

.PHONY: repro test lock bench-data bench-train bench-use env
.DELETE_ON_ERROR:

repro: env
	dvc repro
	@echo
	@python -m stages.evaluate.headline --metrics metrics/test.json
	@echo
	@echo "All of it on one page: report/index.html"
	@echo "Pictures: plots/dedupe plots/split plots/train plots/evaluate plots/gradcam"
	@echo "All metrics: dvc metrics show"

test: env
	ruff check .
	ruff format --check .
	mypy
	pytest -n 2

bench-data: env
	python -m benchmarks.dedupe --speed 100000
	python -m benchmarks.prepare

bench-train: env
	python -m benchmarks.train

bench-use: env
	python -m benchmarks.gradcam
	python -m benchmarks.predict

lock: env
	python -m pip install --quiet pip-tools==7.6.2
	pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras --no-header \
	  --no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
	  --output-file requirements.lock requirements.txt

env: $(VENV)/installed

$(VENV)/installed: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "error: $(PYTHON) is older than 3.11: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	python -m pip install --quiet --disable-pip-version-check --requirement requirements.txt
	cp requirements.txt $@
