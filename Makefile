# hwgen. `make help` lists the targets; each makes what it needs, so a fresh checkout needs no other set-up.

PYTHON  ?= python3.11
# The robot's: PYNQ 3 images have Python 3.10. Where this machine has none, PYTHON stands in.
PYTHON310 ?= $(shell scripts/find_python310.sh)
BOARD   ?= zcu104
BACKEND ?= engine
POLICY  ?=
# What is built where no POLICY is given: the whole demo where the engine runs it. FINN has no LayerNorm, and the ulx3s
# has no room for one, nor for the encoder.
small    = $(filter finn ulx3s,$(BACKEND) $(BOARD))
GRAPH    = $(or $(POLICY),$(if $(small),demo-nonorm:head,$(if $(filter engine,$(BACKEND)),demo,demo:head)))
ARRAY   ?=
JOBS    ?= 2

BIN    := .venv/bin
ENV    := .venv/.hwgen-env
PYNQ   := .venv-pynq/.hwgen-env
PYNQ3  := .venv-pynq3/.hwgen-env
ROBOT_TESTS := tests/runtime tests/notebooks
PYTEST := -q -n $(JOBS) --dist loadgroup --durations 12 --durations-min 20

.DEFAULT_GOAL := help
.PHONY: help env sim test test-full lint format train bitstream package hls finn compare wheel

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "Variables: BOARD=$(BOARD) BACKEND=$(BACKEND) POLICY=GRAPH.onnx ARRAY=NxM OPTIONS=... PYTHON=$(PYTHON) JOBS=$(JOBS)"

env: $(ENV) $(PYNQ) $(PYNQ3) ## The environments: .venv (the tools), .venv-pynq and .venv-pynq3 (the robot's side)

# $(call install,FOLDER,PYTHON,CONSTRAINTS,REQUIREMENTS): made once, and again when a list below changes.
# PYNQ_REMOTE keeps pynq's set-up from building for a board: this machine is none, and its BOARD is not ours.
define install
	@scripts/check_host.sh $(PYTHON)
	@$(1)/bin/python -m pip --version >/dev/null 2>&1 || $(2) -m venv --clear $(1)
	@echo "Installing into $(1); the first time this takes several minutes."
	@quiet=-q; if [ -t 1 ]; then quiet=; fi; PYNQ_REMOTE=1 \
	$(1)/bin/python -m pip install $$quiet --disable-pip-version-check --use-pep517 -c requirements/$(3) $(4)
	@touch $@
endef

$(ENV): pyproject.toml requirements/flow.txt scripts/check_host.sh
	$(call install,.venv,$(PYTHON),flow.txt,-e '.[flow$(comma)dev]')

$(PYNQ): pyproject.toml requirements/pynq.txt scripts/check_host.sh
	$(call install,.venv-pynq,$(PYTHON),pynq.txt,-e '.[board]' pytest pytest-xdist)

$(PYNQ3): pyproject.toml requirements/pynq3.txt scripts/check_host.sh scripts/find_python310.sh
	$(call install,.venv-pynq3,$(or $(PYTHON310),$(PYTHON)),pynq3.txt,-e '.[board]' pytest pytest-xdist)

comma := ,

sim: $(ENV) $(PYNQ) ## The main job: the robot arm moves with the policy (POLICY: demo, vit-flow) running as RTL, camera frame to motions
	@$(BIN)/hwgen sim --board $(BOARD) $(if $(POLICY),--policy $(POLICY))

test: $(ENV) $(PYNQ) $(PYNQ3) ## All tests, random counts sampled (under 20 minutes on 2 cores)
	$(BIN)/python -m pytest $(PYTEST) tests
	.venv-pynq/bin/python -m pytest $(PYTEST) $(ROBOT_TESTS)
	.venv-pynq3/bin/python -m pytest $(PYTEST) $(ROBOT_TESTS)

test-full: export HWGEN_FULL := 1
test-full: test ## All tests with every count in full (hours)

lint: $(ENV) ## ruff on the Python, verilator -Wall on the SystemVerilog
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/python -m hwgen.build.lint

format: $(ENV) ## Let ruff lay out the Python
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

train: $(ENV) ## Train the policy POLICY (demo, demo-nonorm, vit-flow) anew, under an hour on 2 cores
	@$(BIN)/hwgen train $(POLICY)

# POLICY is a graph here: a QONNX file or a part of a policy that comes along (demo:head). The folder is named after it.
folder = build/$(subst :,-,$(basename $(notdir $(1))))-$(BOARD)-$(2)
into = -o $(call folder,$(1),$(2))
OPTIONS ?=

bitstream: $(ENV) ## The bitstream of POLICY for BOARD; without the vendor's tools, what it is built from, checked
	@$(BIN)/hwgen bitstream $(GRAPH) --board $(BOARD) --backend $(BACKEND) $(if $(ARRAY),--array $(ARRAY)) $(OPTIONS) \
	  $(call into,$(GRAPH),$(BACKEND))

package: DESIGN = $(call folder,$(GRAPH),$(BACKEND))
package: $(ENV) ## One file for the robot of what `make bitstream` with the same variables wrote
	@test -d $(DESIGN) || $(MAKE) --no-print-directory bitstream || test -d $(DESIGN) # also where there is no Vivado
	@$(BIN)/hwgen package $(DESIGN) -o $(DESIGN).hwpkg $(OPTIONS)

hls: BACKEND := hls4ml
hls: $(ENV) ## The hls4ml project of POLICY, and Vitis HLS on it where there is one
	@$(BIN)/hwgen hls $(GRAPH) --board $(BOARD) $(OPTIONS) $(call into,$(GRAPH),hls4ml)

finn: $(ENV) ## The FINN folder of POLICY, and FINN's docker on it where there is one
	@$(BIN)/hwgen finn $(GRAPH) --board $(BOARD) $(OPTIONS) $(call into,$(GRAPH),finn)

finn: BACKEND := finn

compare: $(ENV) ## The table of the three backends, with the multipliers of a 16x32 engine
	@$(BIN)/hwgen compare-backends demo:head --board $(BOARD) --array 16x32 --multipliers 512
	@$(BIN)/hwgen compare-backends demo-nonorm:head --board $(BOARD) --array 16x32 --multipliers 512

wheel: $(ENV) ## The wheel, into dist/
	$(BIN)/python -m pip wheel -q --no-deps -w dist .
