"""A clone of this repository with a small cut of taxi, built by `dvc repro` as a user would."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
NUM_ROWS = 2000


@dataclass(frozen=True)
class Clone:
    """A clone and how to run commands in it."""

    root: Path

    def run(self, *command: str, expect: int | None = 0, **environment: str) -> subprocess.CompletedProcess[str]:
        """Runs a command of the environment in the clone; fails the test unless it leaves with `expect`."""
        done = subprocess.run(
            command,
            cwd=self.root,
            env={**self.environment(), **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert expect is None or done.returncode == expect, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def environment(self) -> dict[str, str]:
        """As scripts/in_env.sh sets it, with this environment's programs."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "PYTEST_"))}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return {**kept, "PATH": path, "PYTHONUTF8": "1", "DVC_NO_ANALYTICS": "1", "MLFLOW_DISABLE_TELEMETRY": "true"}

    def edit(self, file: str, old: str, new: str) -> None:
        """Replaces the only occurrence of a pattern in a file."""
        path = self.root / file
        text, count = re.subn(old, new, path.read_text(encoding="utf-8"))
        assert count == 1, f"{file}: {old!r} stands {count} times"
        path.write_text(text, encoding="utf-8")

    def build_only(self, pipeline: str) -> None:
        """Leaves one pipeline in params.yaml, given as its line there."""
        self.edit("params.yaml", r"(?s)pipelines:\n.*?\n\n", f"pipelines:\n  {pipeline}\n\n")

    def commit(self) -> None:
        """Commits everything, to a repository that is made if there is none."""
        identity = ("-c", "user.name=Test", "-c", "user.email=test@example.com")
        init = [] if (self.root / ".git").exists() else [["git", "init", "--quiet", "--initial-branch=main"]]
        for command in (
            *init,
            ["git", "add", "--all"],
            ["git", *identity, "commit", "--quiet", "--message", "A clone."],
        ):
            subprocess.run(command, cwd=self.root, check=True)

    def artifact(self, *parts: str) -> Path:
        """A file or folder of the pipeline's artifacts."""
        return self.root.joinpath("artifacts", "taxi", *parts)

    def stages_to_run(self) -> list[str]:
        """What `dvc repro` would run now."""
        done = self.run("dvc", "repro", "--dry", "register@taxi")
        return re.findall(r"Running stage '(\w+)@taxi'", done.stdout)


def make_clone(root: Path) -> Clone:
    """A clone in `root` with a cut of taxi as its one pipeline."""
    clone = copy_sources(root)
    trips = (root / "data/taxi/trips.csv").read_text().splitlines(keepends=True)
    (root / "data/taxi/trips.csv").write_text("".join(trips[: NUM_ROWS + 1]))
    clone.build_only("taxi: {data: data/taxi, recipe: recipes/tabular}")
    clone.edit("pipelines/taxi/params.yaml", r"epochs: 30", "epochs: 3")
    clone.edit("pipelines/taxi/params.yaml", r"auc: \{min: 0.9\}", "auc: {min: 0.6}")  # so little data and time reach less
    clone.edit("pipelines/taxi/params.yaml", r"tune: \{\}", "tune: {max_trials: 2, epochs: 2}")
    clone.commit()
    return clone


def copy_sources(root: Path) -> Clone:
    """Copies what git knows of this repository to `root`, to be changed and committed there."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        source = ROOT / name
        if source.is_file() and name != "dvc.lock":
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, root / name)
    return Clone(root)
