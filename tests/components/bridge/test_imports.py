"""What a stage may import: each library of these takes seconds, and memory, of every stage that it is imported by."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

HEAVY = {
    "tensorflow", "keras", "tf_keras", "keras_tuner", "tfx", "apache_beam", "tensorflow_data_validation",
    "tensorflow_model_analysis", "tensorflow_transform",
}  # fmt: skip
NEEDED = {"evaluate": {"tensorflow"}, "register": set()}
CODE = """
import json, runpy, sys
stage = sys.argv[1]
sys.argv = [f"components/{stage}/__main__.py", "penguins"]
try:
    runpy.run_module(f"components.{stage}", run_name="__main__", alter_sys=True)
except SystemExit as leaving:
    print(json.dumps([leaving.code, sorted(sys.modules)]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("stage", NEEDED)
def test_a_stage_imports_no_more_than_it_needs(stage: str, penguins: Path, tmp_path: Path) -> None:
    root = tmp_path / "repository"
    shutil.copytree(penguins, root, ignore=shutil.ignore_patterns("data", "mlruns"))
    params = root / "pipelines" / "penguins" / "params.yaml"
    params.write_text(re.sub(r"(?m)^evaluate:$", "evaluate:\n  canary: null", params.read_text()))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", CODE, stage], cwd=root, env=environment, capture_output=True, text=True, check=True
    )
    code, imported = json.loads(done.stdout.splitlines()[-1])
    assert code == 0, done.stderr
    assert HEAVY & set(imported) == NEEDED[stage]
