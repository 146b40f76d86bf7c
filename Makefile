# make app    set up and open the app on the bundled demo; FOLDERS="/a /b" names folders it may read besides this one
# make check  set up and run lint, types and the fast tests: what to run before a commit
# make test   set up and run lint, types and every test, and say how much of the code they ran
# make lint   lint and types of the Python
# make fuzz    ten thousand damaged files for every loader (some ten minutes)
# make bench  how long every page takes, beside a bare script on the same machine (20 minutes);
#             PAGES="/ /evidence" for some of them
# make js     format, lint and test the JavaScript of the widgets
# make pictures  take the pictures of the docs from the running demo
# make demo   rebuild assets/demo from nothing (npm is needed; hours on a laptop)

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2
# One thread a worker: two workers fill two cores, and neither waits for the other's threads
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses $(WORKERS) --dist loadfile
COVERAGE := --cov memlib --cov pages --cov-report

.PHONY: app check test lint js fuzz bench pictures demo

app: $(VENV)/app.installed
	$(BIN)/python serve.py $(FOLDERS)

check: lint js
	$(PYTEST) -m "not slow"

# What measures time runs at the end, by itself and with all cores
test: lint js
	$(PYTEST) -m "not alone and not fuzz" $(COVERAGE)=
	$(BIN)/pytest -m alone
	$(BIN)/coverage report --format total | sed 's/.*/Coverage: &% of the lines of memlib and pages/'

lint: $(VENV)/dev.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Deno formats and lints; the tests run on the Node that comes with Playwright
js: $(VENV)/dev.installed
	$(BIN)/deno fmt --check
	$(BIN)/deno lint
	PATH="$$($(BIN)/python -c 'import playwright; print(playwright.__path__[0])')/driver:$$PATH" node --test tests/widgets/*.test.js

fuzz: $(VENV)/dev.installed
	$(BIN)/pytest -m fuzz -s tests/memlib/test_fuzz.py

bench: $(VENV)/dev.installed
	$(BIN)/python -m tests.benchmarks.pages $(PAGES)

pictures: $(VENV)/dev.installed
	$(BIN)/python -m tests.browser.pictures

demo: $(VENV)/app.installed
	$(BIN)/python -m memlib demo

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/app.installed: requirements.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --requirement requirements.txt
	touch $@

$(VENV)/dev.installed: requirements.txt requirements-dev.txt requirements-postgres.txt requirements-ray.txt tests/browser/get_chromium.sh tests/get_postgresql.sh | $(BIN)/python
	$(BIN)/python -m pip install --quiet --requirement requirements-dev.txt
	BIN=$(BIN) bash tests/browser/get_chromium.sh
	bash tests/get_postgresql.sh
	touch $@ $(VENV)/app.installed
