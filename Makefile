# make demo   hear it work: scheduler, node and client on recorded speech
# make page   speak into a page yourself: scheduler, node and page
# make test   everything that must hold: style, types, tests
# make soak   faults under load for MINUTES=10; SEED=n plays a run again
# make fuzz   what strangers may send, for MINUTES=10; SEED=n sends the same again
# make hops   how many calls and files lie between two sockets
# make lint   style and types alone
# make lock   write locks/ anew after a change of pyproject.toml; UPGRADE=1 takes the latest versions
# make release  dist/: the wheel, the list of everything in it (SBOM, CycloneDX), checksums
# make clean  remove what these made
#
# The environment is .venv, from locks/ (each package with its version and hashes); nothing is installed
# again while these and pyproject.toml stay as they are.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TOOLS := build/tools
INSTALL := -m pip install --quiet --disable-pip-version-check
LOCKED := $(INSTALL) --require-hashes -r
PIP := $(BIN)/python $(LOCKED)
# Its build tool is in the locks: nothing is fetched beside them.
OURSELVES := $(BIN)/python $(INSTALL) --no-deps --no-build-isolation -e .
MOONSHINE := $(PIP) locks/moonshine.txt || echo "no Moonshine for this machine: pocketsphinx it is"
MINUTES ?= 10

.PHONY: demo page test soak fuzz hops lint lock release check clean packages test-packages
.DEFAULT_GOAL := test

demo: $(VENV)/demo-installed
	$(BIN)/python run.py demo

page: $(VENV)/demo-installed
	$(BIN)/python run.py demo --page

test: lint
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

soak: $(VENV)/test-installed
	$(BIN)/python -m tests.chaos.soak --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

fuzz: $(VENV)/test-installed
	$(BIN)/python -m tests.fuzz --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

hops: $(VENV)/test-installed
	$(BIN)/python -m tests.hops 2>/dev/null

lint: $(VENV)/test-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .

lock: $(TOOLS)/installed
	.ci/lock $(if $(UPGRADE),--upgrade)

release: $(TOOLS)/installed
	.ci/release

clean:
	rm -rf $(VENV) demo-out build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

packages:
	@.ci/debian-packages

test-packages:
	@.ci/debian-packages --for-tests

$(BIN)/python: | packages
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed")'
	$(PYTHON) -m venv --clear $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV)/demo-installed: pyproject.toml locks/demo.txt locks/moonshine.txt | packages $(BIN)/python
	$(PIP) locks/demo.txt
	$(OURSELVES)
	@$(MOONSHINE)
	@touch $@

$(VENV)/test-installed: pyproject.toml locks/test.txt locks/moonshine.txt \
		| test-packages $(BIN)/python
	$(PIP) locks/test.txt
	$(OURSELVES)
	@$(MOONSHINE)
	@touch $@ $(VENV)/demo-installed

$(TOOLS)/installed: locks/release.txt | packages
	$(PYTHON) -m venv --clear $(TOOLS)
	$(TOOLS)/bin/python $(LOCKED) locks/release.txt
	@touch $@
