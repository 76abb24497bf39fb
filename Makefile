# Every command of the study; `make` alone lists them. Needs GNU make 3.81 or later.
.DELETE_ON_ERROR:

PYTHON ?= python3
PROFILE ?= paper
PROFILES := paper smoke
WEIGHTS ?= train
MODES := train published

# What make splits or expands, and what a shell does inside quotes, can stand in no name that make works with.
empty :=
space := $(empty) $(empty)
tab := $(empty)	$(empty)
define newline


endef
SPECIAL := $$ " ' ` \ ; & | < > ( ) { } [ ] * ? ! ~ % : = \#
blank = $(or $(findstring $(space),$(1)),$(findstring $(tab),$(1)),$(findstring $(newline),$(1)))
unusable = $(strip $(if $(call blank,$(1)),white space) $(foreach c,$(SPECIAL),$(findstring $(c),$(1))))
refuse = $(if $(call unusable,$(2)),$(error $(1) is '$(2)'; make cannot work with a name that holds $(call unusable,$(2))))

ifneq ($(call blank,$(value PROFILE))$(words $(value PROFILE)) $(filter $(PROFILES),$(value PROFILE)),1 $(value PROFILE))
$(error unknown PROFILE '$(value PROFILE)'; the profiles are: $(PROFILES))
endif
ifneq ($(call blank,$(value WEIGHTS))$(words $(value WEIGHTS)) $(filter $(MODES),$(value WEIGHTS)),1 $(value WEIGHTS))
$(error unknown WEIGHTS '$(value WEIGHTS)'; valid are: $(MODES))
endif
$(foreach name,PULLBACK_BUILD PULLBACK_JOBS PYTHON,$(call refuse,$(name),$(value $(name))))
$(call refuse,the folder of this checkout,$(value CURDIR))

BUILD := $(or $(PULLBACK_BUILD),build)
JOBS := $(or $(PULLBACK_JOBS),$(shell getconf _NPROCESSORS_ONLN))
MARK := .made-by-pullback

TRAINING := 01_train_vae 02_train_dae 03_train_gan

STUDY := 04_jacobian_maps 05_geodesics 06_premise 07_away_from_data 08_other_data
NOTEBOOKS := 00_one_geodesic $(TRAINING) $(STUDY) 09_summary

# This checkout's code, whichever clone the active environment was made for.
export PYTHONPATH := $(CURDIR)/src
ENVIRONMENT := $(PYTHON) tools/environment.py
# Asked for once, by the first recipe that needs it.
RUN = $(eval RUN := '$(shell $(ENVIRONMENT) python)')$(RUN)
STAMPS := $(BUILD)/$(PROFILE)/stamps$(if $(filter published,$(WEIGHTS)),-published)
RECORDS := $(if $(filter paper,$(PROFILE)),results,$(BUILD)/$(PROFILE)/results)/records

.PHONY: help figures seeds scheduler worker verify test lab site report bench lint clean environment

help:  ## list these commands
	@sed -n 's/^\([a-z]*\):.*##  *\(.*\)/make \1|\2/p' Makefile | awk -F'|' '{ printf "%-14s %s\n", $$1, $$2 }'

figures: $(NOTEBOOKS:%=$(STAMPS)/%.done)  ## run the notebooks and make every figure; PROFILE=smoke: a small version; WEIGHTS=published: without training
	@$(RUN) tools/run_notebook.py --profile $(PROFILE) --weights $(WEIGHTS)

seeds: environment  ## train and measure all models with five seeds, for the claims; FRESH=yes: the seeds that confirm; SCHEDULER=tcp://host:port: on a Dask cluster
	@$(RUN) -m pullback.study.sweep --profile $(PROFILE)$(if $(FRESH), --fresh)

scheduler: environment  ## start a Dask scheduler for the sweep, on the loopback address; LISTEN=address: on another
	@$(RUN) -m pullback.study.cluster scheduler

worker: environment  ## start one Dask worker a processor for the scheduler at SCHEDULER; LISTEN=address as above
	@$(RUN) -m pullback.study.cluster worker

verify: environment  ## compare a run with the committed one: claims with bands, trained weights bit for bit
	@$(RUN) -m pullback.study.claims.verify
	@$(RUN) -m pullback.study.publish compare

# One thread a process, as many processes as there are processors; and what one has compiled is there for the next.
test: export OMP_NUM_THREADS = 1
test: export PYTHONDONTWRITEBYTECODE =
test: environment  ## unit tests, then the smoke notebooks, then each of them again, text and figures' numbers compared
	$(RUN) -m pytest -n $(JOBS) --dist worksteal
	$(MAKE) -j$(JOBS) figures PROFILE=smoke
	first=$$(mktemp -d) && trap 'rm -rf "$$first"' EXIT && cp -R $(BUILD)/smoke/figures/. "$$first" && \
	    $(RUN) -m pytest -n $(JOBS) --dist loadfile --nbval --nbval-current-env --nbval-cell-timeout=1200 \
	        $(NOTEBOOKS:%=$(BUILD)/smoke/notebooks/%.ipynb) && \
	    $(RUN) -m pullback.study.figures "$$first" $(BUILD)/smoke/figures

lab: environment  ## open working copies of the notebooks in JupyterLab; LAB_OPTIONS are passed on
	@$(RUN) tools/lab.py $(LAB_OPTIONS)

site: environment  ## build the pages to read, look up and play in build/site, without a network; and pictures of them
	@$(RUN) site/make_site.py

report: environment  ## typeset the results as a short paper, build/report.pdf
	@$(RUN) site/make_report.py

bench: environment  ## time maps, training, geodesics and the sweep against the usual ways
	@set -e; for script in benchmarks/*.py; do $(RUN) "$$script"; done

lint: environment  ## check style and types
	$(RUN) -m ruff check src tools tests benchmarks site docs
	$(RUN) -m mypy

clean:  ## remove build/paper, build/smoke and caches; checkpoints, data, figures, working copies and .venv stay
	@for folder in $(PROFILES:%="$(BUILD)/%"); do \
	    if [ -f "$$folder/$(MARK)" ]; then rm -rf -- "$$folder"; \
	    elif [ -e "$$folder" ]; then echo "$$folder stays: it has no file $(MARK), so the project did not make it" >&2; fi; \
	done
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find src tests tools benchmarks notebooks site -name __pycache__ -prune -exec rm -rf {} + -o -name '*.failed.ipynb' -exec rm -f {} +

environment:
	@$(ENVIRONMENT) create

$(STAMPS)/%.done: notebooks/%.ipynb tools/run_notebook.py | environment
	@$(RUN) tools/run_notebook.py $* --profile $(PROFILE) --weights $(WEIGHTS)

# The code that each notebook depends on: words such as 01_train_vae=src/pullback/study/training.py.
ifneq ($(filter figures %.done,$(MAKECMDGOALS)),)
$(foreach pair,$(shell $(PYTHON) tools/notebook_dependencies.py $(NOTEBOOKS)),$(eval $(STAMPS)/$(subst =,.done: ,$(pair))))
endif
$(STUDY:%=$(STAMPS)/%.done): $(TRAINING:%=$(STAMPS)/%.done)
$(STAMPS)/06_premise.done: $(STAMPS)/05_geodesics.done
$(STAMPS)/07_away_from_data.done $(STAMPS)/09_summary.done: $(wildcard results/rings/*.json results/away/*.json)
$(STAMPS)/08_other_data.done $(STAMPS)/09_summary.done: $(wildcard results/beyond/*.json)
$(STAMPS)/03_train_gan.done $(STAMPS)/04_jacobian_maps.done $(STAMPS)/09_summary.done: $(wildcard results/panels/*)
$(STAMPS)/09_summary.done: $(STAMPS)/04_jacobian_maps.done $(STAMPS)/05_geodesics.done $(wildcard $(RECORDS)/*.json)
