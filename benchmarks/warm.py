"""Stages forked from the warm server against the same stages cold, and `dvc repro` with nothing to do: pipeline penguins."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.timing import compare

ROOT = Path(__file__).parents[1]
STAGES = ("ingest", "validate", "transform", "tune", "train", "evaluate", "register")
_COPIED = (
    "components",
    "recipes",
    "pipelines",
    "schemas",
    "data/penguins",
    ".dvc/config",
    ".dvcignore",
    ".gitignore",
    "dvc.yaml",
)
_READY_WITHIN_S = 300.0


def run(repeats: int = 3) -> Iterator[dict[str, Any]]:
    """Yields a result a stage, and those of whole runs; works in a copy of the repository."""
    with tempfile.TemporaryDirectory(prefix="tensorline-") as scratch:
        root = Path(scratch) / "repository"
        _copy(root)
        (Path(scratch) / "run").mkdir()
        os.environ["XDG_RUNTIME_DIR"] = str(Path(scratch) / "run")
        work = partial(_run, root)
        work(sys.executable, "-m", "components.ingest", "penguins", warm=True)  # it starts the server
        work("dvc", "repro")
        _wait_for_server(root)
        try:
            for stage in STAGES:
                command = (sys.executable, "-m", f"components.{stage}", "penguins")
                warm, cold = (partial(work, *command, warm=warm) for warm in (True, False))
                yield compare(f"{stage} of penguins: warm / cold", warm, cold, repeats)
            work("dvc", "commit", "--force")
            whole = partial(work, "dvc", "repro", "--force")
            yield compare("all seven by dvc repro --force: warm / cold", partial(whole, warm=True), whole, 1)
            yield compare("dvc repro, nothing changed / forced, cold", partial(work, "dvc", "repro"), whole, 1)
        finally:
            work("tensorline", "warm", "stop")


def _copy(root: Path) -> None:
    for name in _COPIED:
        source = ROOT / name
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, root / name)
    only = "pipelines:\n  penguins: {data: data/penguins, recipe: recipes/tabular}\n\n"
    shared, count = re.subn(r"(?s)pipelines:\n.*?\n\n", only, (ROOT / "params.yaml").read_text(encoding="utf-8"))
    if count != 1:
        raise ValueError("params.yaml: expected one section 'pipelines', which an empty line ends")
    (root / "params.yaml").write_text(shared, encoding="utf-8")
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)


def _run(root: Path, *command: str, warm: bool = False) -> None:
    environment = {**os.environ, "PYTHONPATH": str(root), "TENSORLINE_WARM": "1" if warm else "0"}
    subprocess.run(command, cwd=root, env=environment, check=True, capture_output=True)


def _wait_for_server(root: Path) -> None:
    end = time.monotonic() + _READY_WITHIN_S
    while not list((root.parent / "run").glob("tensorline/*.sock")):
        if time.monotonic() > end:
            raise TimeoutError(f"no warm server within {_READY_WITHIN_S:g} s; its log lies in {root.parent}/run/tensorline")
        time.sleep(0.5)
