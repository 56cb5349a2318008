# make demo   hear it work: scheduler, node and client on recorded speech
# make page   speak into a page yourself: scheduler, node and page
# make test   everything that must hold: style, types, tests
# make soak   faults under load for MINUTES=10; SEED=n plays a run again
# make hops   how many calls and files lie between two sockets
# make lint   style and types alone
# make clean  remove what these made
#
# The environment is .venv; nothing is installed again while pyproject.toml stays as it is.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
MOONSHINE := $(PIP) -e '.[moonshine]' || echo "no Moonshine for this machine: pocketsphinx it is"
MINUTES ?= 10

.PHONY: demo page test soak hops lint check clean packages test-packages
.DEFAULT_GOAL := test

demo: $(VENV)/demo-installed
	$(BIN)/python run.py demo

page: $(VENV)/demo-installed
	$(BIN)/python run.py demo --page

test: lint
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

soak: $(VENV)/test-installed
	$(BIN)/python -m tests.chaos.soak --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

hops: $(VENV)/test-installed
	$(BIN)/python -m tests.hops 2>/dev/null

lint: $(VENV)/test-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .

clean:
	rm -rf $(VENV) demo-out build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

packages:
	@.ci/debian-packages

test-packages:
	@.ci/debian-packages --for-tests

$(BIN)/python: | packages
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed")'
	$(PYTHON) -m venv --clear $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV)/demo-installed: pyproject.toml | packages $(BIN)/python
	$(PIP) -e '.[fast,media,rooms,speech]'
	@$(MOONSHINE)
	@touch $@

$(VENV)/test-installed: pyproject.toml | test-packages $(BIN)/python
	$(PIP) -e '.[fast,media,otel,rooms,speech,vad,dev]'
	@$(MOONSHINE)
	@touch $@ $(VENV)/demo-installed
