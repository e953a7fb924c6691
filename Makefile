# Everything runs from .venv, which the first target that needs it makes; nothing has to be activated.
# Another interpreter: make PYTHON=python3.12 book

PYTHON ?= python3
RUN := .venv/bin/python

.DEFAULT_GOAL := help
.PHONY: help venv book offline test test-long bench execute colab handout lab lock

help: ## list the targets
	@echo "make book       build the website and print where it is"
	@echo "make offline    pack the website into build/neural-odes-offline.zip, to read without a network"
	@echo "make test       everything that continuous integration runs (about 21 minutes)"
	@echo "make test-long  the same, and the tests that take longer (about 40 minutes)"
	@echo "make bench      measure nodelib beside other solvers (about 10 minutes; ONLY=latent for one)"
	@echo "make execute    run every chapter and store its outputs (ONLY=01 for one chapter)"
	@echo "make colab      write the Colab copies of the chapters to build/colab"
	@echo "make handout    write copies of the chapters without the solutions to build/handout"
	@echo "make lab        open JupyterLab on the chapters"
	@echo "make lock       write requirements.lock from what is installed in .venv"

venv:
	@command -v $(PYTHON) >/dev/null || { \
	  echo "There is no $(PYTHON) here. Install Python 3.11 or newer (Debian: apt-get install python3 python3-venv)."; \
	  exit 1; }
	@$(PYTHON) tools/bootstrap.py

book: venv
	@$(RUN) tools/book.py

# The pages in the zip do not offer the zip.
offline: export BOOK_OFFLINE_ZIP :=
offline: book
	@$(RUN) tools/offline.py

test: venv
	@$(RUN) tools/check.py

test-long: venv
	@$(RUN) tools/check.py --long

bench: venv
	@$(RUN) -m benchmarks $(if $(ONLY),--models $(ONLY)) $(if $(PUBLISH),--publish)
	@$(if $(ONLY),,$(RUN) -m benchmarks.work_precision $(if $(PUBLISH),--publish))

execute: venv
	@$(RUN) tools/execute.py --write $(if $(ONLY),--only $(ONLY))

colab: venv
	@$(RUN) tools/colab.py

handout: venv
	@$(RUN) tools/handout.py

lab: venv
	@$(RUN) -m jupyterlab chapters

lock: venv
	@$(RUN) tools/lock.py
