"""A repository whose stages cost nothing: real git, DVC and MLflow around `stub_stage.py`."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[3]
_STAGES = """\
stages:
  ingest:
    foreach: ${pipelines}
    do:
      cmd: python stub_stage.py ingest ${key}
      deps:
        - ${item.data}
      outs:
        - artifacts/${key}/ingest_report
        - artifacts/${key}/last.json
  validate:
    foreach: ${pipelines}
    do:
      cmd: python stub_stage.py validate ${key}
      deps:
        - artifacts/${key}/last.json
      outs:
        - artifacts/${key}/drift
  register:
    foreach: ${pipelines}
    do:
      cmd: python stub_stage.py register ${key}
      deps:
        - artifacts/${key}/ingest_report
        - artifacts/${key}/drift
      outs:
        - artifacts/${key}/model
        - artifacts/${key}/report
        - artifacts/${key}/registration
        - artifacts/${key}/runs/train.json
"""
_PARAMS = """\
recipe: tabular.classifier
data: {path: data/birds/*.csv, label: kind}
validate: {}
transform: {}
model: {kind: deep}
tune: {}
train: {}
evaluate: {}
register: {model_name: birds}
"""
HEADER = "kind,beak,gate,drift"


def make_repository(root: Path, *, retrain: str = "{cooldown_hours: 0}") -> Path:
    """Writes it to `root`, with one delivery of data, and commits it there; returns the root."""
    (root / "pipelines" / "birds").mkdir(parents=True)
    (root / "schemas").mkdir()
    (root / "schemas" / "birds.pbtxt").write_text("# none yet\n")
    (root / "dvc.yaml").write_text(_STAGES)
    (root / "params.yaml").write_text("pipelines:\n  birds: {data: data/birds, recipe: recipes/tabular}\n")
    (root / "pipelines" / "birds" / "params.yaml").write_text(f"{_PARAMS}retrain: {retrain}\n")
    (root / ".dvc").mkdir()
    for file in (".dvc/config", ".gitignore"):
        shutil.copy(ROOT / file, root / file)
    (root / ".dvc" / ".gitignore").write_text("/config.local\n/tmp\n/cache\n")
    (root / "mlruns").mkdir()
    shutil.copy(ROOT / "mlruns" / ".gitignore", root / "mlruns" / ".gitignore")
    shutil.copy(Path(__file__).with_name("stub_stage.py"), root / "stub_stage.py")
    deliver(root, "1", "good")
    git(root, "init", "--quiet", "--initial-branch=main")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "A repository")
    return root


def deliver(root: Path, name: str, gate: str, *, drift: str = "no", header: str = HEADER) -> Path:
    """Adds a file of data; returns it."""
    path = root / "data" / "birds" / f"{name}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{header}\n" + f"gull,{name},{gate},{drift}\n" * 3)
    return path


def git(root: Path, *arguments: str) -> str:
    """What git says; fails if git does."""
    command = ["git", "-c", "user.name=Test", "-c", "user.email=test@example.com", *arguments]
    return subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout.strip()
