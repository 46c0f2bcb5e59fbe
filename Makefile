# Everything from a clone: `make demo` shows it, `make test` checks it. Only Python 3.11+ and make are needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test quick check format requirements wheel clean

demo: $(READY)  ## Install, fetch the weights, and ship the repository's own program.
	$(BIN)/shipworthy ship triage || test $$? -eq 1  # 1: held, which is an answer too

test: $(READY) check  ## Everything that CI checks.
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder --durations 10

quick: $(READY)  ## The tests that need no language model, in under a minute.
	$(BIN)/pytest -m "not slow"

check: $(READY)  ## Style, types and the direction of imports.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The environment: pinned with hashes; the project itself without dependencies.
$(READY): requirements.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

requirements: $(READY)  ## Pin anew, after a change of pyproject.toml.
	$(BIN)/uv pip compile --quiet --extra dev --generate-hashes --universal --python-version 3.11 \
		--no-emit-index-url --no-header --no-annotate pyproject.toml --output-file requirements.txt

wheel: $(READY)
	$(BIN)/python -m build --wheel --no-isolation

clean:
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
