# make setup | real-data | browser | demo | compare | test | test-fast [FOLDER=clustering] | kill-test [KILLS=20] | fuzz
# make test-gpu | gpu-report | lint | types | docs | docs-serve | front-end | bench | clean
PYTHON ?= python3
VENV := .venv
FAISS ?= $(if $(wildcard $(VENV)/.installed-gpu),gpu,cpu)
BIN := $(VENV)/bin
SEED ?= 1
SEEDS ?= 3
JOBS ?= 2
KILLS ?= 20
DEMO := configs/demo/selavi.yaml

# Debian and Ubuntu have no ensurepip: root (a new container) installs it; for other users an error names the package.
INSTALL_VENV = { rm -rf $(VENV); test "$$(id -u)" = 0 && apt-get update -qq && \
  apt-get install -qq -y python3-venv && $(PYTHON) -m venv $(VENV); } || \
  { rm -rf $(VENV); echo "error: $(PYTHON) cannot make environments; sudo apt-get install python3-venv"; exit 1; }

.PHONY: setup real-data browser demo compare test test-fast test-gpu gpu-report kill-test fuzz lint types docs docs-serve front-end bench clean

setup: $(VENV)/.installed-$(FAISS)

# faiss-cpu and faiss-gpu have the same package folder, so one is removed before the other is installed.
$(VENV)/.installed-$(FAISS): pyproject.toml requirements.txt requirements-faiss-$(FAISS).txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "error: Python 3.11 or newer is needed; call make PYTHON=python3.12 setup"; exit 1; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV) || $(INSTALL_VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==0.13.8
	rm -f $(VENV)/.installed-*
	$(BIN)/uv pip uninstall --quiet --python $(BIN)/python faiss-cpu faiss-gpu
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python -r requirements.txt -r requirements-faiss-$(FAISS).txt
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --no-deps --editable .
	touch $@

# Without its dependency PyAudio, which needs PortAudio's headers and only serves to listen.
$(VENV)/.installed-real-data: requirements-real-data.txt $(VENV)/.installed-$(FAISS)
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --no-deps -r requirements-real-data.txt
	touch $@

real-data: setup $(VENV)/.installed-real-data
	$(BIN)/python cli.py real-data

# For the tests of pages, which are skipped without it.
$(VENV)/.installed-browser: requirements-browser.txt $(VENV)/.installed-$(FAISS)
	@command -v chromium >/dev/null || { test "$$(id -u)" = 0 && apt-get update -qq && apt-get install -qq -y chromium; } || \
	  { echo "error: there is no Chromium; sudo apt-get install chromium"; exit 1; }
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python -r requirements-browser.txt
	touch $@

browser: setup $(VENV)/.installed-browser

demo: setup
	$(BIN)/python cli.py fit --config $(DEMO) --seed_everything $(SEED)
	$(BIN)/python cli.py test --config $(DEMO) --seed_everything $(SEED) --ckpt_path best

compare: setup
	$(BIN)/python -m unlabelled.commands.compare --seeds $(SEEDS) --jobs $(JOBS)

test: setup
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# Folders of `unlabelled` whose tests need neither the command line nor several processes for long.
FAST := nn encoders hierarchy clustering losses metrics transforms data pipelines visualization

test-fast: setup
	$(BIN)/python -m pytest -n 2 --dist loadfile \
	  $(if $(FOLDER),tests/$(FOLDER) $(wildcard unlabelled/$(FOLDER)),$(addprefix tests/,$(FAST)) $(wildcard tests/test_*.py))

# Without a GPU: on the processor, also the large networks and the training steps.
test-gpu: setup
	UNLABELLED_GPU_TESTS=1 $(BIN)/python -m pytest tests/gpu

# Under eight minutes on one GPU; writes docs/gpu.md.
gpu-report: setup
	$(BIN)/python -m tools.gpu_report

# Thousands of mutated files, which the tests have a share of.
fuzz: setup
	$(BIN)/python -m tests.fuzz

KILL := $(BIN)/python -m tools.kill_test --results tools/kill_test/results.jsonl --write docs/reliability.md

kill-test: setup  # hours; goes on where it was stopped
	$(KILL) --kills $(KILLS)
	$(KILL) --kills 0 --places step --readers 0 1 2 4 2-renewed 1-forkserver 1-spawn

lint: setup
	$(BIN)/python -m tools.check_yaml
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

docs: setup  # into site/; any broken link or reference is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

docs-serve: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve

# The library of the page, from the npm registry in the versions of the lock file; its result is in the repository.
front-end:
	npm ci --prefix tools/front_end
	npm run build --prefix tools/front_end

bench: setup
	$(BIN)/python benchmarks/sinkhorn.py
	$(BIN)/python benchmarks/clustering_pass.py
	$(BIN)/python benchmarks/contrast_loss.py
	$(BIN)/python benchmarks/contrast_step.py
	$(BIN)/python benchmarks/augmentation.py
	$(BIN)/python benchmarks/jitter.py
	$(BIN)/python benchmarks/decode.py
	$(BIN)/python benchmarks/multi_sinkhorn.py
	$(BIN)/python benchmarks/retrieval.py
	$(BIN)/python benchmarks/growth.py
	$(BIN)/python benchmarks/shards.py data/embedded
	$(BIN)/python benchmarks/hierarchy.py
	$(BIN)/python benchmarks/tree_similarity.py
	$(BIN)/python benchmarks/localisation_bounds.py
	$(BIN)/python benchmarks/kmeans.py

clean:
	rm -rf $(VENV) site .pytest_cache .mypy_cache .ruff_cache
