# Every target is a script or a command in scripts/; this file only names them.
.DEFAULT_GOAL := help
.PHONY: help setup run test test-fast lint ui bench flink lock clean

help:  ## shows this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile

setup:  ## installs everything into .venv, and checks the machine (PYTHON=… names the Python to use)
	@scripts/setup.sh

run: setup  ## builds what changed (dvc repro), then shows a summary
	@scripts/run.sh

test: setup  ## runs all tests
	@scripts/in_env.sh pytest --durations=25 --numprocesses=auto --maxprocesses=4 --dist=loadfile

test-fast: setup  ## runs the tests that take seconds
	@scripts/in_env.sh pytest --durations=5 -m "not slow"

lint: setup  ## checks format, rules, types and layers
	@scripts/lint.sh

ui: setup  ## opens the MLflow UI on 127.0.0.1 (PORT=… names the port, else 5000)
	@scripts/ui.sh

bench: setup  ## measures the stages (OPTIONS="--only stock growth --quick"); the numbers are in benchmarks/README.md
	@scripts/in_env.sh python -m benchmarks $(OPTIONS)

flink: setup  ## runs penguins on a local Flink, where Java and Beam's job server are (FLINK_JAR=… names the jar)
	@scripts/in_env.sh scripts/flink.sh

lock:  ## writes requirements.lock anew from pyproject.toml
	@scripts/lock.sh

clean:  ## removes artifacts and caches
	@scripts/clean.sh
