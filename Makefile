# `make help` lists the targets. They need Python 3.11 or newer, git and make. The rest, uv included, goes into .venv.
PYTHON ?= python3
# Relative, as make separates names by blanks, which the path of the clone may contain.
VENV := .venv
WINDOWS := $(filter Windows_NT,$(OS))
BIN := $(VENV)/$(if $(WINDOWS),Scripts,bin)
# What makes its path an absolute one.
HERE := $(if $(filter /%,$(VENV)),,$(CURDIR)/)
TOOLS := $(VENV)/.constraints.txt
DEMO := demo/my_project
# How many tests run side by side. They wait for a third of their time: three fill two cores.
JOBS ?= 3
# And of the faults, which wait longer.
FAULT_JOBS ?= 4

# Whether commands that are pasted into this terminal find a uv.
OWN_UV := $(shell command -v uv)
# The private environment comes first, so that hooks and tests find this uv and no other.
export PATH := $(HERE)$(BIN)$(if $(WINDOWS),;,:)$(PATH)

.DEFAULT_GOAL := help
.PHONY: help demo test test-generation test-projects test-running test-faults test-kills test-failover test-scaling test-containers test-containers-small test-variants test-newest bench-bake bench-beat bench-throughput bench-outbox bench-features bench-overview bench-monitoring lint format constraints

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 24

$(TOOLS): constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed. Name one, for example with PYTHON=python3.13.")'
	@$(PYTHON) -m venv $(VENV) || { echo "This Python cannot create a virtual environment. On Debian and Ubuntu, install python3-venv."; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement constraints.txt
	@cp constraints.txt $@

demo: $(TOOLS) ## Bake a project with the default answers into demo/, install it and run its example task
	@if test -e $(DEMO); then echo "$(DEMO) already exists and is left as it is. Delete it to bake a new one."; \
	else $(BIN)/cookiecutter . --no-input --default-config --output-dir demo; fi
	@$(MAKE) --no-print-directory -C $(DEMO) example
	@echo
	@echo "The project is in $(DEMO). Where to look next:"
	@echo "  $(DEMO)/base/tasks.py    the example tasks"
	@echo "  $(DEMO)/docs/README.md   how background work works there, and how to turn a broker on"
	@echo "To serve it, and build a report at http://127.0.0.1:8000, type:"
	@echo "  make -C $(DEMO) run$(if $(OWN_UV),, UV='$(HERE)$(BIN)/uv')"

test: lint ## Run all checks and tests of the template
	$(BIN)/pytest --numprocesses $(JOBS) --dist worksteal

test-generation: $(TOOLS) ## Bake and read: answers, .env, Compose, layout (seconds)
	$(BIN)/pytest --numprocesses $(JOBS) tests/generation

test-projects: $(TOOLS) ## Run the checks and tests of baked projects, one variant at a time
	$(BIN)/pytest --numprocesses $(JOBS) tests/projects

test-running: $(TOOLS) ## Run baked projects for real: broker, worker, beat and web server
	$(BIN)/pytest tests/running

test-faults: $(TOOLS) ## Kill, freeze and restart workers, brokers and beats, and count the tasks (twenty minutes)
	$(BIN)/pytest --numprocesses $(FAULT_JOBS) --dist worksteal -m faults tests/running

test-kills: $(TOOLS) ## Kill and stop workers hundreds of times under full load, and count the tasks (an hour and a half)
	KILLS=$(or $(KILLS),500) STOPS=$(or $(STOPS),20) REQUESTS=$(or $(REQUESTS),12) \
	DYING=$(or $(DYING),1000) RELAY_KILLS=$(or $(RELAY_KILLS),20) FAR=$(or $(FAR),10000) ALONE_KILLS=$(or $(ALONE_KILLS),20) $(BIN)/pytest --numprocesses $(JOBS) -m faults \
		tests/running/faults/test_kills.py tests/running/faults/test_between_commands.py tests/running/faults/test_stop.py tests/running/faults/test_outbox.py \
		tests/running/faults/test_one_at_a_time.py

test-failover: $(TOOLS) ## Lose the leading server of Redis with Sentinel and of RabbitMQ again and again, and count the tasks (half an hour)
	FAILOVERS=$(or $(FAILOVERS),10) $(BIN)/pytest --numprocesses $(JOBS) -m faults tests/running/failover

test-scaling: $(TOOLS) ## Start and stop workers by the work of their queue, as KEDA does, and count the tasks (a quarter of an hour)
	SCALE_DOWNS=$(or $(SCALE_DOWNS),50) SCALE_BURST=$(or $(SCALE_BURST),200) $(BIN)/pytest --numprocesses $(JOBS) -m faults tests/running/faults/test_scaling.py

test-containers: $(TOOLS) ## Build and run baked projects in containers, in development and production (needs Docker)
	$(BIN)/pytest -m containers tests/containers

test-containers-small: $(TOOLS) ## Run the smaller half of test-containers
	$(BIN)/pytest -m "containers and small" tests/containers

test-variants: $(TOOLS) ## Check and test every broker with every database and Django version (a quarter of an hour)
	EVERY_VARIANT=1 $(BIN)/pytest --numprocesses $(JOBS) tests/projects/test_check_and_test.py tests/generation/test_covering.py

test-newest: $(TOOLS) ## Try a project with the newest Celery, kombu and django-celery-beat, without the caps
	$(BIN)/python -m tests.newest

bench-bake: $(TOOLS) ## Measure bakes against a one-file template without hooks
	$(BIN)/python benchmarks/bake/bake.py

bench-beat: $(TOOLS) ## Compare our scheduler with django-celery-beat's by number of entries (needs Redis, PostgreSQL)
	$(BIN)/python -m benchmarks.beat.beat

bench-throughput: $(TOOLS) ## Measure a worker against the best-known Django template's settings (needs Linux and Redis)
	$(BIN)/python -m benchmarks.throughput.throughput

bench-outbox: $(TOOLS) ## Measure the outbox against enqueueing on commit (needs Redis, PostgreSQL)
	$(BIN)/python -m benchmarks.outbox.outbox

bench-features: $(TOOLS) ## Measure what each feature costs a task that uses it (needs Linux, Redis, PostgreSQL)
	$(BIN)/python -m benchmarks.features.features

bench-overview: $(TOOLS) ## Measure the admin's page of background work with many rows (needs Redis, PostgreSQL)
	$(BIN)/python -m benchmarks.overview.overview

bench-monitoring: $(TOOLS) ## Measure what it costs a task that its worker is watched (needs Linux, Redis, PostgreSQL)
	$(BIN)/python -m benchmarks.monitoring.monitoring

lint: $(TOOLS) ## Check format, style and types of the template's own code
	$(BIN)/ruff format --diff .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(TOOLS) ## Format the template's own code, and fix what ruff can fix
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

constraints: $(TOOLS) ## Update the pins of the template's tools to their newest versions
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--custom-compile-command "make constraints" --group dev pyproject.toml --output-file constraints.txt
