# Everything runs in .venv, made from constraints.txt. PYTHON=python3.12 picks another interpreter.
PYTHON ?= python3
PIP = .venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
WORKERS ?= 2

.PHONY: demo test check clean

demo: .venv/demo
	.venv/bin/impasto demo

test: .venv/test
	.venv/bin/python -m pytest -n $(WORKERS)

check: .venv/check
	.venv/bin/ruff format --check src tests
	.venv/bin/ruff check src tests
	.venv/bin/mypy
	.venv/bin/lint-imports

# torch comes first, by itself and pinned: a build that is already on the machine is taken, and nothing that
# follows asks for another.
.venv/torch: constraints.txt
	$(PYTHON) -m venv .venv
	$(PIP) torch==2.13.0
	touch $@

.venv/demo .venv/test .venv/check: .venv/%: .venv/torch pyproject.toml
	$(PIP) --editable '.[$*]'
	touch $@

clean:
	rm -rf .venv
