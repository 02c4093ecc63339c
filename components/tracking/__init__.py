"""Everything that Tensorline tells MLflow: runs, where they came from, models and the champion. Nothing else imports MLflow.

`store` opens the MLflow store, `runs` records a stage, `reconcile` closes runs whose process is gone, `registry` holds
candidates and the champion, `moves` the champion's history; `registry_lock` keeps people apart, `audit` tells what is amiss.
Importing the package sets what MLflow reads from the environment when it is imported, which itself takes 1.5 s and so is left
to the functions that need it.
"""

from __future__ import annotations

import os

os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"  # on by default; a pickle may run any code
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # two lines a run, and so two a trial
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
