# Two commands matter: `make demo` shows the product, `make test` proves it. Both do all their set-up by themselves.
SHELL := /bin/sh
UV_VERSION := 0.13.8
UV := $(or $(shell command -v uv 2>/dev/null),.tools/bin/uv)
export UV_PROJECT_ENVIRONMENT := .venv
JOBS ?= 2

.PHONY: demo test check lint serve bench clean

demo: $(UV) ## start a server, deploy two real models, run jobs on them, show the results
	@$(UV) sync --quiet --frozen --no-dev --inexact
	@PATH="$(abspath $(dir $(UV))):$$PATH" .venv/bin/headrace demo

test: $(UV) ## the whole suite, on real parts
	@$(UV) sync --quiet --frozen
	PYTHONDONTWRITEBYTECODE= PATH="$(abspath $(dir $(UV))):$$PATH" .venv/bin/pytest -n $(JOBS) --dist worksteal $(ARGS)

check: lint test ## everything that CI runs

lint: $(UV) ## formatter, linters, types, floors, house rules
	@$(UV) sync --quiet --frozen
	$(UV) lock --check
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/python tools/check_house.py src/headrace

serve: $(UV) ## a server on http://127.0.0.1:8080 with its data in ./data
	@$(UV) sync --quiet --frozen --no-dev --inexact
	@PATH="$(abspath $(dir $(UV))):$$PATH" .venv/bin/headrace serve --data data

bench: $(UV) ## the figures of the README, measured here
	@$(UV) sync --quiet --frozen
	PATH="$(abspath $(dir $(UV))):$$PATH" .venv/bin/python -m benchmarks.start
	PATH="$(abspath $(dir $(UV))):$$PATH" .venv/bin/python -m benchmarks.jobs

clean:
	rm -rf .venv .tools dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache

.tools/bin/uv:
	@python3 tools/get_uv.py .tools $(UV_VERSION)
