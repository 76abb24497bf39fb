# Every command of the study; `make` alone lists them. Needs GNU make 3.81 or later.
.DELETE_ON_ERROR:

PYTHON ?= python3
PROFILE ?= paper
PROFILES := paper smoke
TRAINING := 01_train_vae 02_train_dae 03_train_gan
STUDY := 04_jacobian_maps 05_geodesics 06_premise
NOTEBOOKS := $(TRAINING) $(STUDY) 07_summary
BUILD := $(if $(PULLBACK_BUILD),$(PULLBACK_BUILD),build)

ifneq ($(words $(PROFILE)) $(words $(filter $(PROFILES),$(PROFILE))),1 1)
$(error unknown PROFILE '$(PROFILE)'; the profiles are: $(PROFILES))
endif

# This checkout's code, whichever clone the active environment was made for.
export PYTHONPATH := $(CURDIR)/src
ENVIRONMENT := $(PYTHON) tools/environment.py
RUN = "$(shell $(ENVIRONMENT) python)"
CODE := tools/run_notebook.py $(shell find src/pullback -name "*.py")
STAMPS := $(BUILD)/$(PROFILE)/stamps
RECORDS := $(if $(filter paper,$(PROFILE)),results,$(BUILD)/$(PROFILE)/results)/records

.PHONY: help figures seeds worker verify test lab bench lint clean environment

help:  ## list these commands
	@sed -n 's/^\([a-z]*\):.*##  *\(.*\)/make \1|\2/p' Makefile | awk -F'|' '{ printf "%-14s %s\n", $$1, $$2 }'

figures: $(NOTEBOOKS:%=$(STAMPS)/%.done)  ## run the notebooks and make every figure; PROFILE=smoke: a small version, in minutes
	@$(RUN) tools/run_notebook.py --profile $(PROFILE)

seeds: environment  ## train and measure all models with five seeds, for the claims; SCHEDULER=tcp://host:port: on a Dask cluster
	@$(RUN) -m pullback.study.sweep --profile $(PROFILE)

worker: environment  ## start one Dask worker a processor for the sweep of the scheduler at SCHEDULER
	@$(RUN) -m pullback.study.sweep --worker

verify: environment  ## say which of a run's claims lie outside the bands of results/reference.json
	@$(RUN) -m pullback.study.claims.verify

test: environment  ## unit tests, then the smoke notebooks, then each of them again, text and figures' numbers compared
	$(RUN) -m pytest
	$(MAKE) figures PROFILE=smoke
	rm -rf $(BUILD)/smoke/first && cp -R $(BUILD)/smoke/figures $(BUILD)/smoke/first
	$(RUN) -m pytest --nbval --nbval-current-env --nbval-cell-timeout=1200 $(NOTEBOOKS:%=$(BUILD)/smoke/notebooks/%.ipynb)
	$(RUN) -m pullback.study.figures $(BUILD)/smoke/first $(BUILD)/smoke/figures

lab: environment  ## open the notebooks in JupyterLab; LAB_OPTIONS are passed on
	$(RUN) -m jupyterlab --notebook-dir=notebooks $(LAB_OPTIONS)

bench: environment  ## time maps, training, geodesics and the sweep against the usual ways
	@set -e; for script in benchmarks/*.py; do $(RUN) "$$script"; done

lint: environment  ## check style and types
	$(RUN) -m ruff check src tools tests benchmarks
	$(RUN) -m mypy

clean:  ## remove build/paper, build/smoke and caches; checkpoints, data, figures and .venv stay
	rm -rf $(PROFILES:%=$(BUILD)/%) .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find src tests benchmarks notebooks -name __pycache__ -prune -exec rm -rf {} + -o -name '*.failed.ipynb' -exec rm -f {} +

environment:
	@$(ENVIRONMENT) create

$(STAMPS)/%.done: notebooks/%.ipynb $(CODE) | environment
	@$(RUN) tools/run_notebook.py $* --profile $(PROFILE)

$(STUDY:%=$(STAMPS)/%.done): $(TRAINING:%=$(STAMPS)/%.done)
$(STAMPS)/06_premise.done: $(STAMPS)/05_geodesics.done
$(STAMPS)/07_summary.done: $(STUDY:%=$(STAMPS)/%.done) $(wildcard $(RECORDS)/*.json)
