# make lab        open the lessons where you are  make notebooks  build what changed in lessons/
# make test       run every proof                 make lock       pin the newest packages in range
# make check      check all your exercises        make bench      measure the classroom
# make update     get new lessons, keep your answers
# make site       the site to read, in build/site
# make lesson NAME=18_performance   begin a lesson, or format, build and prove it (see lessons/README.md)
# make format     format everything
# make mutants    small changes to the solutions that the checks accept; ARGS=03 for one lesson
# make hub        JupyterHub for a class (see deploy/README.md)
#
# What a learner needs is installed first; the first target that needs more, such as test, adds the rest.
# PYTHON=python3.13 VENV=.venv-3.13 choose another Python; ARGS="…" passes options on.

PYTHON ?= python3
VENV ?= .venv
IN = $(VENV)/bin/python
# In a container the learner may be root, which Jupyter refuses without this.
AS_ROOT = $(shell test "$$(id -u)" = 0 && echo --allow-root)

# Containers often set it: each kernel, server and command would compile Django and Jupyter anew, for five seconds.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: lab test check update lesson format notebooks lock bench mutants site hub ready ready-for-proofs python

lab: ready
	@$(IN) manage.py trust
	$(IN) -m jupyterlab --ServerApp.ip=127.0.0.1 --ServerApp.root_dir="$(CURDIR)" $(AS_ROOT) $(ARGS) \
		"$$($(IN) manage.py start)"

test: ready-for-proofs
	$(IN) -m pytest $(ARGS)

check: ready
	$(IN) manage.py check_exercise --all

update: ready
	$(IN) manage.py update
	@$(PYTHON) set_up.py $(VENV)

lesson: ready-for-proofs
	$(IN) lessons/author.py $(NAME)

format: ready-for-proofs
	$(IN) -m ruff check --quiet --fix .
	$(IN) -m ruff format .

notebooks: ready-for-proofs
	$(IN) lessons/build.py $(ARGS)

# The oldest supported Python is named: a universal lock starts at the Python that makes it.
LOCKED = $(IN) -m uv pip compile -q --universal --python-version 3.11 --no-header --generate-hashes pyproject.toml

# The smaller lock begins as the larger one: uv keeps its pins, and leaves out what no lesson needs.
lock: ready-for-proofs
	$(LOCKED) --group proofs -o requirements-proofs.txt --upgrade $(ARGS)
	cp requirements-proofs.txt requirements.txt
	$(LOCKED) -o requirements.txt
	@$(PYTHON) set_up.py $(VENV)

bench: ready-for-proofs
	$(IN) tests/bench/bench.py $(ARGS)

mutants: export PYTHONPATH = .:lessons:tests
mutants: ready-for-proofs
	$(IN) -m adversaries.mutants $(ARGS)

site: ready-for-proofs
	$(IN) website/build_site.py $(ARGS)

hub: ready-for-proofs
	$(IN) -m jupyterhub -f deploy/jupyterhub/jupyterhub_config.py $(ARGS)

ready: python
	@$(PYTHON) set_up.py $(VENV)

ready-for-proofs: python
	@$(PYTHON) set_up.py $(VENV) --proofs

python:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is not on this machine: install Python 3.11 or newer."; exit 1; }
