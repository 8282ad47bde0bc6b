# make repro   run the pipeline and print what came out
# make sweep   MODELS="resnet18 densenet121": an experiment for each, and a table of them all.
#              SET="train.seed=0,1,2": each with these too. JOBS=2: so many at a time.
# make test    linters, types and tests
# make lock    requirements.lock from requirements.txt: the whole environment, with hashes
# make bench-data, make bench-train, make bench-use   the figures of the README
# All create the environment in .venv first if it is not there.

PYTHON ?= python3
VENV ?= .venv
export PATH := $(abspath $(VENV))/bin:$(PATH)

JOBS ?= 1
comma := ,
empty :=
space := $(empty) $(empty)

.PHONY: repro sweep test lock bench-data bench-train bench-use env
.DELETE_ON_ERROR:

repro: env
	dvc repro
	@echo
	@cxr summary
	@echo
	@echo "All of it on one page: report/index.html"
	@echo "Pictures: plots/dedupe plots/split plots/evaluate plots/gradcam"
	@echo "All metrics: dvc metrics show"

sweep: env
	@test -n "$(MODELS)" || { echo 'error: make sweep MODELS="resnet18 densenet121"'; exit 1; }
	dvc exp run --queue $(SET:%=-S %) -S "model=$(subst $(space),$(comma),$(strip $(MODELS)))"
	dvc exp run --run-all --jobs $(JOBS)
	cxr compare

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
	python -m pip install --quiet --dry-run --ignore-installed --report .report.part --requirement requirements.txt
	python -c "$$PRINT_LOCK" > .requirements.part
	mv .requirements.part requirements.lock
	rm .report.part

define PRINT_LOCK
import json, platform, re
where = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
print(f"# The whole environment of requirements.txt, to the byte: {where}.")
print("# pip install --require-hashes --requirement requirements.lock; written by `make lock`.")
found = json.load(open(".report.part"))["install"]
for one in sorted(found, key=lambda one: re.sub("[._-]+", "-", one["metadata"]["name"].lower())):
    name = re.sub("[._-]+", "-", one["metadata"]["name"].lower())
    digest = one["download_info"]["archive_info"]["hashes"]["sha256"]
    print(f"{name}=={one['metadata']['version']} --hash=sha256:{digest}")
endef
export PRINT_LOCK

env: $(VENV)/installed

$(VENV)/installed: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "error: $(PYTHON) is older than 3.11: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	python -m pip install --quiet --disable-pip-version-check --requirement requirements.txt
	python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	cp requirements.txt $@
