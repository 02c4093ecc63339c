"""What the tests of several rooms share."""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # pipelines/ is importable from the root, as it is for a stage

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ["TENSORLINE_WARM"] = "0"  # a server for each of the tests' repositories would take all memory


SHARE_CLONES = ("tests/e2e/test_repro.py", "tests/e2e/test_readme.py")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Of parallel processes each takes whole files; files that share clones, which take minutes to build, go to the same."""
    from xdist.scheduler import LoadFileScheduling

    class ByFile(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            return "clones" if file in SHARE_CLONES else file

    return ByFile(config, log) if config.getvalue("dist") == "loadfile" else None


@contextmanager
def working_in(folder: Path) -> Iterator[None]:
    """Paths in params.yaml are relative to the working directory, as in a stage."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def copy_repository(to: Path, *, data: bool = True) -> Path:
    """A copy without artifacts, whose params.yaml has every pipeline; returns its root."""
    to.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "dvc.yaml", to / "dvc.yaml")
    shared = (ROOT / "params.yaml").read_text(encoding="utf-8")
    (to / "params.yaml").write_text(re.sub(r"(?m)^  # (?=\w+: \{)", "  ", shared), encoding="utf-8")
    for name in ("pipelines", "schemas", *(("data",) if data else ())):
        shutil.copytree(ROOT / name, to / name, ignore=shutil.ignore_patterns("__pycache__"))
    return to


@pytest.fixture(scope="session")
def run_stages() -> Callable[..., None]:
    """Runs stages of a pipeline through the bridge, without tracking: (root, name, stages) → None."""
    from components.bridge import stage as bridge
    from components.bridge.job import Job

    def run(root: Path, name: str, stages: tuple[str, ...]) -> None:
        with working_in(root):
            job = Job.load(name, root)
            properties = {"tracking_uri": f"sqlite:///{root / 'mlruns' / 'mlflow.db'}"}
            for stage in stages:
                folders = {key: job.artifact(key) for key in bridge.INPUTS[stage]}
                scratch = job.artifact(f".partial-{stage}")
                scratch.mkdir(parents=True)
                made = bridge.execute(job, stage, folders, scratch, properties)
                for key, folder in made.items():
                    folder.rename(job.artifact(key))
                shutil.rmtree(scratch)

    return run


@pytest.fixture(scope="session")
def penguins(tmp_path_factory: pytest.TempPathFactory, run_stages: Callable[..., None]) -> Path:
    """A repository in which the pipeline `penguins` ran up to evaluate; the root. Read only."""
    from components.bridge.graph import STAGES

    root = copy_repository(tmp_path_factory.mktemp("penguins"))
    run_stages(root, "penguins", tuple(stage for stage in STAGES if stage != "register"))
    return root


@pytest.fixture(scope="session")
def fn_args_of(penguins: Path) -> Callable[..., SimpleNamespace]:
    """Makes arguments for penguins; keywords replace keys of the sections train and tune: fn_args_of(folder, train={…})."""

    from components.bridge.job import Job

    def make(to: Path, **sections: dict[str, Any]) -> SimpleNamespace:
        with working_in(penguins):
            config = Job.load("penguins", penguins).recipe_config()
        for name, values in sections.items():
            config[name] = {**config[name], **values}
        to.mkdir(parents=True, exist_ok=True)
        folder = penguins / "artifacts" / "penguins"
        (hyperparameters,) = (folder / "best_hyperparameters").iterdir()
        return SimpleNamespace(
            custom_config=config,
            train_files=[str(folder / "transformed_examples" / "Split-train" / "*")],
            eval_files=[str(folder / "transformed_examples" / "Split-eval" / "*")],
            transform_graph_path=str(folder / "transform_graph"),
            schema_path=str(next((folder / "schema").iterdir())),
            hyperparameters=json.loads(hyperparameters.read_text()),
            working_dir=tempfile.mkdtemp(prefix="work-", dir=to),  # as under the bridge, never that of other parameters
            model_run_dir=str(to / "model_run"),
            serving_model_dir=str(to / "model" / "Format-Serving"),
        )

    return make


@pytest.fixture
def fn_args(fn_args_of: Callable[..., SimpleNamespace], tmp_path: Path) -> Callable[..., SimpleNamespace]:
    """As `fn_args_of`, writing to the test's own folder: fn_args(train={…}, tune={…})."""
    return functools.partial(fn_args_of, tmp_path)
