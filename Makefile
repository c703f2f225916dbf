# The commands of the project. `make demo` and `make test` need Python 3.11 and a C++ compiler, nothing else.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Tests run in processes of one thread each: as many as there are processors.
WORKERS ?= $(shell nproc 2>/dev/null || echo 2)

# Frameworks that convstage is measured against.
PEERS := $(basename $(notdir $(wildcard benchmarks/requirements/*.txt)))

# For every system and Python that is supported; torch's wheels are those of the machine, see locks/README.md.
LOCK := --quiet --no-header --universal --python-version 3.11 --generate-hashes --constraint constraints.txt \
	--no-emit-package torch

.PHONY: demo test browser lint docs format lock wheel fuzz chaos bench bench-peers clean

demo: $(VENV)/installed
	$(BIN)/convstage train digits --pattern "INPUT -> [CONV -> RELU -> POOL]*2 -> FC -> RELU -> CLASSIFIER" --epochs 20

test: $(VENV)/tools browser
	OMP_NUM_THREADS=1 $(BIN)/pytest -n $(WORKERS) --dist loadgroup

# The explorer is tested in a real browser: where there is none, and Debian's packages can be had, it is installed.
browser:
	@test -n "$$CHROMIUM" || command -v chromium > /dev/null || \
		{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium > /dev/null; } || \
		echo "Install Chromium, or name it in CHROMIUM: tests of the page fail without a browser."

lint: $(VENV)/tools
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python locks/audit.py

# The documentation as a site, without a warning; Material's notice about its successor is none of ours.
docs: $(VENV)/tools
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo build/site/index.html

format: $(VENV)/tools
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The long forms of what docs/reliability.md promises, an hour each. CORPUS=FOLDER: broken images of your own.
fuzz: $(VENV)/fuzz
	$(BIN)/python reliability/images.py --keep fuzz-failures $(if $(CORPUS),--corpus $(CORPUS))
	$(BIN)/python reliability/tables.py
	$(BIN)/python reliability/patterns.py
	$(BIN)/python reliability/settings.py
	$(BIN)/python reliability/kernels.py
	$(BIN)/python reliability/kernels_malformed.py
	$(BIN)/python reliability/kernels_sanitize.py
	$(BIN)/python reliability/kernels_threads.py

chaos: $(VENV)/tools
	$(BIN)/python reliability/kill_training.py
	$(BIN)/python reliability/disk.py
	$(BIN)/python reliability/flips.py
	$(BIN)/python reliability/ranks.py --kills 25 --minutes 40 --epochs 12
	$(BIN)/python reliability/killed_workers.py

bench: $(VENV)/installed
	$(BIN)/python benchmarks/step.py
	$(BIN)/python benchmarks/shapes.py
	$(BIN)/python benchmarks/tiles.py
	$(BIN)/python benchmarks/roofline.py
	$(BIN)/python benchmarks/pages.py
	$(BIN)/python benchmarks/accuracy.py
	$(BIN)/python benchmarks/shifts.py
	$(BIN)/python benchmarks/ranks.py
	$(BIN)/python benchmarks/scale.py
	$(BIN)/python benchmarks/fuse.py

# The same against other frameworks too, each in an environment of its own: 3 GB, and the time to fetch them.
bench-peers: $(VENV)/installed $(PEERS:%=.peers/%/installed)
	$(BIN)/python benchmarks/step.py

.peers/%/installed: benchmarks/requirements/%.txt
	test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --upgrade pip
	$(@D)/bin/python -m pip install --quiet --requirement $<
	touch $@

$(VENV)/installed: pyproject.toml setup.py constraints.txt locks/run.txt $(wildcard csrc/*)
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "convstage needs Python 3.11 or later")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes --requirement locks/run.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/tools: $(VENV)/installed locks/develop.txt
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes --requirement locks/develop.txt
	touch $@

$(VENV)/fuzz: $(VENV)/tools
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --group fuzz
	touch $@

# The sdist, and the wheel of this machine from it, in dist/; checked, and used where there is no compiler.
wheel: $(VENV)/wheel
	$(BIN)/python scripts/wheel.py

$(VENV)/wheel: $(VENV)/tools
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --group wheel
	touch $@

# Pins and hashes anew, from pyproject.toml and constraints.txt.
lock: $(VENV)/tools
	$(BIN)/uv pip compile pyproject.toml $(LOCK) --group build --output-file locks/run.txt
	$(BIN)/uv pip compile pyproject.toml $(LOCK) --all-extras --group build --group test --group docs --group lint \
		--output-file locks/develop.txt

clean:
	rm -rf $(VENV) .peers build dist wheelhouse src/*.egg-info .pytest_cache .mypy_cache .ruff_cache
