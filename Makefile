# make app    set up and open the app on the bundled demo; FOLDERS="/a /b" names folders it may read besides this one
# make test   set up and run lint, types and every test
# make js     format, lint and test the JavaScript of the widgets
# make demo   rebuild assets/demo from nothing (npm is needed; hours on a laptop)

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: app test js demo

app: $(VENV)/app.installed
	$(BIN)/streamlit run app.py -- $(FOLDERS)

test: $(VENV)/dev.installed js
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -m "slow or not slow"

# Deno formats and lints; the tests run on the Node that comes with Playwright
js: $(VENV)/dev.installed
	$(BIN)/deno fmt --check
	$(BIN)/deno lint
	PATH="$$($(BIN)/python -c 'import playwright; print(playwright.__path__[0])')/driver:$$PATH" node --test tests/widgets/*.test.js

demo: $(VENV)/app.installed
	$(BIN)/python -m memlib demo

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/app.installed: requirements.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --requirement requirements.txt
	touch $@

$(VENV)/dev.installed: requirements.txt requirements-dev.txt requirements-ray.txt tests/browser/get_chromium.sh tests/get_postgresql.sh | $(BIN)/python
	$(BIN)/python -m pip install --quiet --requirement requirements-dev.txt
	BIN=$(BIN) bash tests/browser/get_chromium.sh
	bash tests/get_postgresql.sh
	touch $@ $(VENV)/app.installed
