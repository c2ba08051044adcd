# Every job is one command, the same one that CI runs. `make` alone lists them.

VENV ?= .venv
BIN := $(VENV)/bin
# auto: pip fetches uv and uv installs; no: plain pip installs the same lock; or the path of a uv.
UV ?= auto
# Which Python the environment is made of; unset: the first on PATH that is 3.11 or newer.
PYTHON ?=
# Test processes at a time: on 2 cores two take 0.57 of the time of one.
JOBS ?= 2
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup system widgets check test cluster-test napari-test deploy-test image test-newer soak paper docs lab sbom bench lock clean

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

setup: ## make .venv from the hashed lock (PYTHON=python3.12 chooses the Python, UV=no goes without uv)
	@python=`if [ -z "$(PYTHON)" ] && [ -x $(BIN)/python ] && $(BIN)/python -c ""; then echo $(BIN)/python; \
	  else scripts/find-python.sh $(PYTHON); fi` && \
	"$$python" scripts/setup.py --venv $(VENV) --uv "$(UV)"

system: setup ## install what the tests need of the system (root on Debian), or say what is missing
	@$(BIN)/python scripts/system.py

# npm trusts a list of its own; the certificate of an institute's proxy is in the system's, which pip reads already.
CERTIFICATES := $(firstword $(wildcard /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt))
ifneq ($(CERTIFICATES),)
export NODE_EXTRA_CA_CERTS ?= $(CERTIFICATES)
endif

# npm writes this file last, so it is as new as the lock that it installed.
MODULES := widgets/node_modules/.package-lock.json
$(MODULES): widgets/package-lock.json
	@npm --prefix widgets ci --loglevel=error && touch $@

widgets: $(MODULES) ## build the browser half into ndlab/explore/static, which is committed
	@npm --prefix widgets run --silent build

check: setup $(MODULES) ## lint, formatting, floors and types, without running a test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports
	$(BIN)/mypy
	npm --prefix widgets run --silent check

test: system check ## everything that has to hold: check, system, then every test (ARGS="-k box" narrows)
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(ARGS)

cluster-test: setup $(MODULES) ## hub, Binder and clusters, each for real, in an environment of their own (20 minutes)
	@$(BIN)/python scripts/system.py system-packages.txt system-packages-cluster.txt
	@$(BIN)/python scripts/setup.py --venv $(VENV)-cluster --lock constraints/cluster.txt --uv "$(UV)"
	$(VENV)-cluster/bin/python -m pytest tests/cluster -m cluster $(ARGS)

test-newer: ## the tests again on the newest other Python found, in an environment of its own
	@python=`OLDEST=3.12 scripts/find-python.sh python3.14 python3.13 python3.12 python3` && \
	"$$python" scripts/setup.py --venv .venv-newer --uv "$(UV)" && .venv-newer/bin/python -m pytest -n $(JOBS) --dist worksteal $(ARGS)

soak: setup ## the long tests, and the property tests with many more examples
	NDLAB_HYPOTHESIS=soak $(BIN)/python -m pytest -m soak --timeout 3600 $(ARGS)

paper: setup ## run every notebook on the shipped data and write paper/: one page, each number beside the published one
	$(BIN)/ndlab paper --out paper/ $(ARGS)

docs: setup ## build the site into build/docs, strictly; runs what `make paper` has not run yet
	@$(BIN)/python scripts/setup.py --venv $(VENV) --lock constraints/docs.txt --uv "$(UV)"
	@$(BIN)/python -m scripts.docs $(ARGS)

lab: setup ## open JupyterLab on notebooks/00_start
	$(BIN)/ndlab lab $(ARGS)

# Without a screen a virtual one with software OpenGL: what Qt draws offscreen is black, and says no word of it.
SCREEN := $(if $(DISPLAY),,xvfb-run -a -s "-screen 0 1400x1000x24")

napari-test: setup system ## the tests that open napari, in an environment of its own (.venv-napari)
	@$(BIN)/python scripts/setup.py --venv .venv-napari --lock constraints/napari.txt --uv "$(UV)"
	$(SCREEN) .venv-napari/bin/python -m pytest -o filterwarnings=default -m napari tests/desktop $(ARGS)

deploy-test: setup ## the files of deploy/, by the tools that read them, in an environment of its own (.venv-deploy)
	@$(BIN)/python scripts/system.py system-packages-deploy.txt
	@$(BIN)/python scripts/setup.py --venv .venv-deploy --lock constraints/deploy.txt --uv "$(UV)"
	.venv-deploy/bin/python -m pytest -m deploy tests/deploy $(ARGS)

image: ## the image of deploy/ as an OCI layout in build/image, built without an engine and started (root on Debian)
	@deploy/build-image.sh

sbom: setup ## what ndlab is made of, into build/: a CycloneDX list, licences; fails at copyleft in the core
	@$(BIN)/python scripts/sbom.py $(ARGS)

bench: setup ## every benchmark against its named baselines (ONLY=read runs bench/read.py)
	@$(BIN)/python scripts/setup.py --venv $(VENV) --lock constraints/bench.txt --uv "$(UV)"
	@for script in $(or $(ONLY:%=bench/%.py),$(filter-out bench/harness.py bench/sessions.py,$(wildcard bench/*.py))); do \
	  echo "== $$script"; $(BIN)/python $$script $(ARGS) || exit 1; done

lock: setup ## regenerate the locks (ARGS=--upgrade raises every version)
	@scripts/lock.sh "`$(BIN)/python scripts/setup.py --print-uv`" $(ARGS)

clean: ## remove what the commands made, the environment included
	rm -rf $(VENV) $(VENV)-cluster widgets/node_modules .venv-newer .venv-napari .venv-deploy .boot .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis build dist paper
	find ndlab tests scripts -name __pycache__ -type d -exec rm -rf {} +
