# hwgen. `make help` lists the targets; each makes what it needs, so a fresh checkout needs no other set-up.

PYTHON  ?= python3.11
BOARD   ?= zcu104
BACKEND ?= engine
POLICY  ?=
ARRAY   ?=
JOBS    ?= 2

BIN    := .venv/bin
ENV    := .venv/.hwgen-env
PYNQ   := .venv-pynq/.hwgen-env
PYTEST := -q -n $(JOBS) --dist loadgroup --durations 12 --durations-min 20

.DEFAULT_GOAL := help
.PHONY: help env sim test test-full lint format train bitstream wheel

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "Variables: BOARD=$(BOARD) BACKEND=$(BACKEND) POLICY=GRAPH.onnx ARRAY=NxM PYTHON=$(PYTHON) JOBS=$(JOBS)"

env: $(ENV) $(PYNQ) ## The two environments: .venv (the tools) and .venv-pynq (the robot's side)

# $(call install,FOLDER,CONSTRAINTS,REQUIREMENTS): made once, and again when a list below changes.
define install
	@scripts/check_host.sh $(PYTHON)
	@$(1)/bin/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(1)
	@echo "Installing into $(1); the first time this takes several minutes."
	@quiet=-q; if [ -t 1 ]; then quiet=; fi; \
	$(1)/bin/python -m pip install $$quiet --disable-pip-version-check -c $(2) $(3)
	@touch $@
endef

$(ENV): pyproject.toml requirements/flow.txt scripts/check_host.sh
	$(call install,.venv,requirements/flow.txt,-e '.[flow$(comma)dev]')

$(PYNQ): pyproject.toml requirements/pynq.txt scripts/check_host.sh
	$(call install,.venv-pynq,requirements/pynq.txt,-e '.[board]' pytest)

comma := ,

sim: $(ENV) $(PYNQ) ## The main job: the robot arm moves with the policy's head running as RTL
	@$(BIN)/hwgen sim --board $(BOARD) $(if $(POLICY),--policy $(POLICY))

test: $(ENV) $(PYNQ) ## All tests, random counts sampled (under 20 minutes on 2 cores)
	$(BIN)/python -m pytest $(PYTEST) tests
	.venv-pynq/bin/python -m pytest -q tests/runtime

test-full: export HWGEN_FULL := 1
test-full: test ## All tests with every count in full (hours)

lint: $(ENV) ## ruff on the Python, verilator -Wall on the SystemVerilog
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/python -m hwgen.build.lint

format: $(ENV) ## Let ruff lay out the Python
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

train: $(ENV) ## Train the demo policy anew (under an hour on 2 cores)
	@$(BIN)/hwgen train

bitstream: $(ENV) ## The design for BOARD of POLICY (default: the demo's head); this version stops before the vendor's tools
	@$(BIN)/hwgen bitstream $(POLICY) --board $(BOARD) --backend $(BACKEND) $(if $(ARRAY),--array $(ARRAY)) \
	  -o build/$(if $(POLICY),$(basename $(notdir $(POLICY))),demo)-$(BOARD)

wheel: $(ENV) ## The wheel, into dist/
	$(BIN)/python -m pip wheel -q --no-deps -w dist .
