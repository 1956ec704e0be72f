# The two commands of the README, `make run` and `make test`, and what they stand on.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.ONESHELL:
.PHONY: help install run test servers e2e e2e-setup bench faults simulate fuzz dashboards dashboards-check lint audit format wheel lock clean

# The first interpreter that is new enough; name another with `make run PYTHON=/usr/bin/python3.13`.
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do "$$p" -c "$(NEW_ENOUGH)" 2>/dev/null && echo "$$p" && break; done)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

help:
	@echo "make run              set everything up and play ten days of a school with faults; Ctrl-C ends it"
	echo "make test             set everything up and run every check (what .ci/run runs)"
	echo "make e2e              real classes on a real Janus, with browsers and bad networks; as root, in three minutes"
	echo "make e2e-setup        let apt-get install what make e2e needs; as root"
	echo "make bench            what reading, storing, judging, filing, scraping and looking cost, side by side with what they stand on"
	echo "make faults           kill, cut, fill and lie to the service under load, and count what was lost (nothing), in half an hour"
	echo "make fuzz             10 000 bodies gone wrong for every collector and every import, in a few minutes"
	echo "make simulate         thousands of small schools with deaths at any step, SEEDS=5000 from FIRST=0 on"
	echo "make dashboards       write grafana/dashboards, the tables in docs/, the heads of the runbooks"
	echo "make dashboards-check hold the dashboards to Grafana's own types; needs npm"
	echo "make lint             style, types and import direction alone"
	echo "make audit            bandit, and known vulnerabilities of the pinned packages (asks the network)"
	echo "make format           let ruff lay the code out"
	echo "make wheel            build the wheel into dist/"
	echo "make lock             resolve the dependencies anew into requirements.lock"
	echo "make clean            remove .venv, caches and var/"

install: $(READY)

$(READY): requirements.lock pyproject.toml
	@if [ -z "$(PYTHON)" ]; then echo "qos-monitor needs Python 3.11 or newer: install it, or name it: make run PYTHON=..."; exit 1; fi
	wanted=$$(grep -c == requirements.lock)
	log=$(VENV)/install.log
	if [ ! -x $(BIN)/pip ]; then
	  echo "Making $(VENV) with $$($(PYTHON) --version)"
	  $(PYTHON) -m venv --clear $(VENV) || { echo "On Debian or Ubuntu: apt-get install python3-venv"; exit 1; }
	fi
	echo "Installing $$wanted pinned packages into $(VENV) (once, about half a minute)"
	count='/^(Collecting|Processing|Requirement already)/ { n++; if (n % 10 == 0 || n == all) { printf "  %d of %d\n", n, all; fflush() } } /^Installing collected/ { print "  unpacking"; fflush() }'
	if ! $(BIN)/pip install --no-input --disable-pip-version-check --require-hashes -r requirements.lock 2>&1 \
	    | tee $$log | awk -v all=$$wanted "$$count" \
	  || ! $(BIN)/pip install --no-input --disable-pip-version-check --no-deps --no-build-isolation --editable . >> $$log 2>&1
	then tail -n 20 $$log; echo "The installation failed; all of it is in $$log"; exit 1; fi
	touch $(READY)

run: install
	@exec $(BIN)/qos-monitor demo

test: lint servers
	@echo "== tests"
	$(BIN)/pytest -q -n 3 --dist loadfile

# What the tests run against, as Debian packages it; `make test` installs what is missing.
SERVERS := postgresql prometheus prometheus-alertmanager chromium systemd

servers:
	@missing=""
	for package in $(SERVERS); do
	  case $$package in
	    postgresql) ls /usr/lib/postgresql/*/bin/initdb > /dev/null 2>&1 || command -v initdb > /dev/null;;
	    prometheus) command -v prometheus > /dev/null && command -v promtool > /dev/null;;
	    systemd) command -v systemd-analyze > /dev/null;;
	    prometheus-alertmanager) command -v prometheus-alertmanager > /dev/null && command -v amtool > /dev/null;;
	    *) command -v $$package > /dev/null;;
	  esac || missing="$$missing $$package"
	done
	if [ -z "$$missing" ]; then exit 0; fi
	echo "Installing what the tests run against, with apt-get:$$missing"
	as_root=; [ "$$(id -u)" = 0 ] || as_root="sudo -n"
	mkdir -p $(VENV)
	{ $$as_root apt-get update --quiet && $$as_root env DEBIAN_FRONTEND=noninteractive \
	  apt-get install --quiet --yes --no-install-recommends $$missing; } > $(VENV)/servers.log 2>&1 \
	|| { tail -n 5 $(VENV)/servers.log; echo "Install these, then make test again:$$missing"; exit 1; }

# What tests/janus_lab.py and tests/browser.py start.
E2E_PACKAGES := janus nftables iproute2 chromium

e2e-setup:
	@if [ "$$(id -u)" != 0 ]; then echo "Only root can install packages: sudo apt-get install $(E2E_PACKAGES)"; exit 1; fi
	apt-get update
	apt-get install --yes --no-install-recommends $(E2E_PACKAGES)

e2e: install
	@for program in janus nft ip chromium; do
	  command -v $$program > /dev/null || { echo "$$program is missing: make e2e-setup, or apt-get install $(E2E_PACKAGES)"; exit 1; }
	done
	wanted=$$($(PYTHON) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["dependency-groups"]["e2e"])')
	$(BIN)/pip install --quiet --no-input --disable-pip-version-check $$wanted
	$(BIN)/pytest -q tests/e2e/test_*.py

# JSON=file keeps the numbers of each part in a file of its own beside that name, and draws judging's cost against size.
KEPT = $(if $(JSON),--json $(basename $(JSON))-$(1).json)

bench: install servers
	@export PYTHONPATH=tests
	wanted=$$($(PYTHON) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["dependency-groups"]["bench"])')
	$(BIN)/pip install --quiet --no-input --disable-pip-version-check $$wanted
	echo "== reading"
	$(BIN)/python tests/bench/parse_speed.py $(call KEPT,reading)
	$(BIN)/python tests/bench/read_through.py $(call KEPT,read-through)
	echo "== intake"
	$(BIN)/python tests/bench/ingest.py $(call KEPT,ingest)
	echo "== judging and refolding"
	$(BIN)/python tests/bench/judging.py $(or $(PAIRS),1000 10000 100000) $(call KEPT,judging) $(if $(JSON),--plot $(basename $(JSON))-judging.svg)
	echo "== from evidence to claim"
	$(BIN)/python tests/bench/claim_latency.py $(call KEPT,claims)
	echo "== judge on a file"
	$(BIN)/python tests/bench/judge_world.py $(or $(OBSERVATIONS),100000) $(call KEPT,judge)
	echo "== scrapes"
	$(BIN)/python tests/bench/scrape_cost.py $(or $(LEARNERS),1000 100000 1000000)
	echo "== pages and scrapes of a year"
	$(BIN)/python tests/bench/year.py $(or $(VERDICTS),100000) $(call KEPT,year)

faults: install servers
	@PYTHONPATH=tests $(BIN)/python tests/faults/run.py $(if $(JSON),--json $(JSON)) $(FAULTS)

fuzz: install
	@HYPOTHESIS_PROFILE=fuzz $(BIN)/pytest -q -n 2 tests/collectors/test_fuzz.py tests/collectors/test_polled_fuzz.py \
	  tests/collectors/statuspage tests/qos_monitor/test_backend.py tests/qos_monitor/importing/test_mutated_imports.py \
	  tests/qos_monitor/importing/test_mutated_answers.py

simulate: install
	@PYTHONPATH=tests $(BIN)/python tests/simulation/many_seeds.py $(or $(SEEDS),5000) $(or $(FIRST),0)

dashboards: install
	@$(BIN)/python grafana/source/build.py

# No part of make test, for a bare machine has no node.
dashboards-check:
	@command -v npm > /dev/null || { echo "npm is missing (Debian: apt-get install npm); make test needs no npm"; exit 1; }
	rm -rf var/dashboards-check
	mkdir -p var
	cp -r grafana/check var/dashboards-check
	cd var/dashboards-check
	npm ci --no-audit --no-fund --loglevel=error
	for file in ../../grafana/dashboards/*.json; do
	  { echo 'import type { Checked } from "./types";'; printf 'export const made: Checked = '; cat "$$file"; } \
	    > "$$(basename "$$file" .json).ts"
	done
	npx tsc --project .
	echo "Grafana's types of $$(node -p 'require("@grafana/schema/package.json").version') have room for all of it"

lint: install
	@echo "== style"
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --check --quiet . || { echo "make format lays these out:"; $(BIN)/ruff format --check .; }
	echo "== types"
	$(BIN)/mypy
	echo "== imports run down only"
	$(BIN)/lint-imports --no-logo > $(VENV)/imports.log || { cat $(VENV)/imports.log; exit 1; }
	tail -n 2 $(VENV)/imports.log

audit:
	@$(PYTHON) -m venv --clear var/audit
	var/audit/bin/pip install --quiet --disable-pip-version-check bandit pip-audit
	echo "== bandit, medium and high"
	var/audit/bin/bandit --quiet --recursive --severity-level medium rules collectors qos_monitor
	echo "== known vulnerabilities of what is pinned; asks a service over the network"
	var/audit/bin/pip-audit --strict --disable-pip --requirement requirements.lock

format: install
	@$(BIN)/ruff format --quiet .
	$(BIN)/ruff check --quiet --fix .

wheel: install
	@$(BIN)/hatchling build --target wheel

lock:
	@$(PYTHON) -m venv --clear var/lock
	var/lock/bin/pip install --quiet --disable-pip-version-check pip-tools
	$(PYTHON) -c 'import tomllib; d = tomllib.load(open("pyproject.toml", "rb")); print(*d["project"]["dependencies"], *d["dependency-groups"]["dev"], *d["build-system"]["requires"], sep="\n")' > var/lock/wanted.in
	var/lock/bin/pip-compile --quiet --generate-hashes --no-emit-index-url --no-emit-options --no-annotate --no-header \
	  --strip-extras --allow-unsafe --output-file var/lock/made.txt var/lock/wanted.in
	{ head -n 1 requirements.lock; cat var/lock/made.txt; } > var/lock/requirements.lock
	mv var/lock/requirements.lock requirements.lock

clean:
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache var dist build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
