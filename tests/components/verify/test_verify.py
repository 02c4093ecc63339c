"""Each thing that verify looks at is damaged for real, and exactly that is found, told and mended."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from components.cli import verify as cli
from components.errors import UserError
from components.tracking.process import HOST, PID, process_tags
from components.tracking.provenance import GitState
from components.tracking.registry import Candidate, register_candidate
from components.tracking.run_file import read_run_file, write_run_file
from components.tracking.runs import start_stage_run
from components.tracking.store import Store, open_store, sqlite_uri
from components.verify.finding import Finding
from components.verify.verify import Report, verify

ROOT = Path(__file__).parents[3]
CLEAN = GitState("c0ffee", "main", dirty=False, diff="", untracked=())
NO_PROCESS = "4194305"  # above the greatest process id that Linux gives
ROT_MD5 = hashlib.md5(b"rot", usedforsecurity=False).hexdigest()
DVC_YAML = """\
stages:
  train:
    foreach:
      taxi: {}
    do:
      cmd: mkdir -p artifacts/${key}/runs && cp -r made/model artifacts/${key}/ && cp made/train.json artifacts/${key}/runs/
      outs:
        - artifacts/${key}/model
        - artifacts/${key}/runs/train.json
"""


def dvc(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "DVC_NO_ANALYTICS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments], cwd=root, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{arguments}: {done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, empty_database: Path, model_dir: Path) -> Path:
    """A repository with one stage, built by DVC and pushed to a remote, whose model is version 1 and champion. Read only."""
    root = tmp_path_factory.mktemp("built") / "the repository"
    (root / ".dvc").mkdir(parents=True)
    (root / "mlruns").mkdir()
    (root / ".dvc" / "config").write_text(
        "[core]\n    no_scm = true\n    remote = near\n['remote \"near\"']\n    url = ../remote\n"
    )
    (root / "dvc.yaml").write_text(DVC_YAML)
    (root / "params.yaml").write_text("pipelines: {}\n")
    (root / "made" / "model" / "keras").mkdir(parents=True)
    (root / "made" / "model" / "model.json").write_text('{"digest": "d1"}')
    (root / "made" / "model" / "keras" / "model.keras").write_bytes(b"weights")
    shutil.copyfile(empty_database, root / "mlruns" / "mlflow.db")
    store = Store(sqlite_uri(root / "mlruns" / "mlflow.db"))
    with start_stage_run(store, "taxi", "train", params={}, git=CLEAN, dependencies={"data": "1"}) as run:
        pass
    write_run_file(root / "made" / "train.json", run.ref)
    register_candidate(store, Candidate("taxi", "taxi", model_dir, "d1", True, "good", {"auc": 0.9}, None, run.ref.run_id))
    dvc(root, "repro", "--quiet")
    dvc(root, "push", "--quiet")
    return root


@pytest.fixture
def root(tmp_path: Path, built: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, for one test to damage; MLflow records whole paths, so they are moved with it."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    root = tmp_path / "the repository"
    shutil.copytree(built, root, symlinks=True)
    sql(
        root,
        *(
            f"UPDATE {table} SET {column} = replace({column}, '{built.as_uri()}', '{root.as_uri()}')"  # noqa: S608
            for table, column in (
                ("experiments", "artifact_location"),
                ("runs", "artifact_uri"),
                ("logged_models", "artifact_location"),
                ("model_versions", "storage_location"),
            )
        ),
    )
    monkeypatch.chdir(root)
    return root


def sql(root: Path, *statements: str) -> None:
    with closing(sqlite3.connect(root / "mlruns" / "mlflow.db")) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def look(root: Path, *, fix: bool = False) -> Report:
    return verify(root, open_store(root), fix=fix)


def findings(root: Path, *, fix: bool = False) -> list[Finding]:
    return list(look(root, fix=fix).findings)


def cached(root: Path, content: bytes) -> Path:
    """The object of DVC's cache that holds this content."""
    (found,) = (path for path in (root / ".dvc/cache/files/md5").rglob("*") if path.is_file() and path.read_bytes() == content)
    return found


def damage(path: Path, content: bytes = b"rot") -> None:
    path.chmod(0o644)
    path.write_bytes(content)


def run_id(root: Path) -> str:
    return read_run_file(root / "artifacts/taxi/runs/train.json").run_id


def model_files(root: Path) -> Path:
    (folder,) = (root / "mlruns/artifacts/taxi/models").iterdir()
    return folder / "artifacts"


def test_what_is_sound(root: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*") if "mlruns" not in path.parts}
    report = look(root)
    assert (report.findings, report.is_sound) == ((), True)
    assert (report.num_objects, report.num_outputs, report.num_runs, report.num_versions) == (4, 2, 1, 1)
    assert report.num_without_list == 0
    num_bytes = sum(path.stat().st_size for path in model_files(root).rglob("*") if path.is_file())
    num_bytes += sum(path.stat().st_size for path in (root / ".dvc/cache/files").rglob("*") if path.is_file())
    assert report.num_bytes == num_bytes
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*") if "mlruns" not in path.parts} == before


AGAIN = "dvc pull, or dvc repro --force --single-item train@taxi"


def damaged_object(root: Path, path: Path, of: str) -> Finding:
    """What is told of an object that `damage` damaged."""
    return Finding(
        "cache",
        "error",
        str(path.relative_to(root)),
        f"damaged: its content has the md5 {ROT_MD5}; expected the one that its name says. It is {of}",
        f"tensorline verify --fix takes the copy in the workspace if it is sound, else removes it; then: {AGAIN}",
    )


def test_a_damaged_object_is_replaced_by_the_copy_in_the_workspace(root: Path) -> None:
    path = cached(root, b"weights")
    damage(path)
    found = damaged_object(root, path, "artifacts/taxi/model/keras/model.keras")
    assert findings(root) == [found]
    assert path.read_bytes() == b"rot"
    # docs/verify.md shows it so.
    told = CliRunner().invoke(cli.command, catch_exceptions=False).stdout.splitlines()[:2]
    example = re.findall(r"```\n(error.*?)\n```", (ROOT / "docs" / "verify.md").read_text(encoding="utf-8"), re.DOTALL)
    assert ["\n".join(told)] == [re.sub("6b/ab…", "/".join(path.parts[-2:]), text).replace("c7…", ROT_MD5) for text in example]
    assert findings(root, fix=True) == [replace(found, done="replaced by the copy in the workspace", mended=True)]
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"weights", 0o444)
    assert findings(root) == []


def test_a_damaged_object_without_a_copy_is_removed_and_pulled_again(root: Path) -> None:
    path = cached(root, b"weights")
    damage(path)
    shutil.rmtree(root / "artifacts" / "taxi" / "model")
    found = damaged_object(root, path, "artifacts/taxi/model/keras/model.keras")
    missing = Finding(
        "workspace",
        "warning",
        "artifacts/taxi/model",
        "not as dvc.lock records it: missing: keras/model.keras, model.json",
        "if the change is meant: dvc commit train@taxi; if not: dvc checkout --force artifacts/taxi/model, or dvc repro",
    )
    assert findings(root) == [found, missing]
    removed = replace(found, fix=f"bring it back: {AGAIN}", done="removed")
    report = look(root, fix=True)
    assert (report.findings, report.is_sound) == ((removed, missing), False)
    assert not path.exists()
    dvc(root, "pull", "--quiet")
    assert findings(root) == []


def test_a_damaged_list_of_files(root: Path) -> None:
    (path,) = (root / ".dvc/cache/files/md5").rglob("*.dir")
    damage(path)
    found = damaged_object(root, path, "the list of the files of artifacts/taxi/model")
    assert findings(root) == [found]
    assert findings(root, fix=True) == [replace(found, fix=f"bring it back: {AGAIN}", done="removed")]
    unlisted = Finding(
        "workspace",
        "warning",
        "artifacts/taxi/model",
        "DVC's cache lacks the list of its files, so it can't be held against dvc.lock",
        f"dvc commit train@taxi records what is there; or: {AGAIN}",
    )
    assert findings(root) == [unlisted]
    dvc(root, "fetch", "--quiet")
    assert findings(root) == []


def test_a_damaged_object_of_an_older_build(root: Path) -> None:
    path = root / ".dvc/cache/files/md5/00/112233445566778899aabbccddeeff"
    path.parent.mkdir()
    path.write_bytes(b"rot")
    found = Finding(
        "cache",
        "error",
        str(path.relative_to(root)),
        f"damaged: its content has the md5 {ROT_MD5}; expected the one that its name says. Nothing needs it: it is of an "
        "older build",
        "tensorline verify --fix removes it",
    )
    assert findings(root) == [found]
    assert findings(root, fix=True) == [replace(found, done="removed", mended=True)]
    assert not path.exists()


def test_what_only_the_workspace_has(root: Path) -> None:
    path = cached(root, b"weights")
    path.unlink()
    found = Finding(
        "workspace",
        "warning",
        "artifacts/taxi/model",
        "only in the workspace: DVC's cache lacks keras/model.keras, so dvc push can't send it",
        "tensorline verify --fix puts it into the cache",
    )
    assert findings(root) == [found]
    assert findings(root, fix=True) == [replace(found, done="put into the cache", mended=True)]
    assert path.read_bytes() == b"weights"


def test_what_only_the_cache_has(root: Path) -> None:
    shutil.rmtree(root / "artifacts" / "taxi" / "model")
    found = Finding(
        "workspace",
        "warning",
        "artifacts/taxi/model",
        "it is not there; DVC's cache has it",
        "dvc checkout artifacts/taxi/model, which tensorline verify --fix runs",
    )
    assert findings(root) == [found]
    assert findings(root, fix=True) == [replace(found, done="checked out", mended=True)]
    assert (root / "artifacts/taxi/model/keras/model.keras").read_bytes() == b"weights"
    assert findings(root) == []


def test_what_somebody_changed_is_left_alone(root: Path) -> None:
    folder = root / "artifacts" / "taxi" / "model"
    (folder / "model.json").write_text("mine")
    (folder / "notes.txt").write_text("mine")
    found = Finding(
        "workspace",
        "warning",
        "artifacts/taxi/model",
        "not as dvc.lock records it: changed: model.json; not recorded: notes.txt",
        "if the change is meant: dvc commit train@taxi; if not: dvc checkout --force artifacts/taxi/model, or dvc repro",
    )
    assert findings(root) == findings(root, fix=True) == [found]
    assert [(folder / name).read_text() for name in ("model.json", "notes.txt")] == ["mine", "mine"]


def test_a_clone_that_has_pulled_nothing(root: Path) -> None:
    for folder in ("artifacts", ".dvc/cache", "mlruns"):
        shutil.rmtree(root / folder)
    found = Finding(
        "workspace",
        "error",
        "artifacts/taxi",
        "neither in the workspace nor whole in DVC's cache: model, runs/train.json; dvc.lock records them",
        "dvc pull gets it from the remote, if it was pushed there; else: dvc repro",
    )
    assert findings(root) == findings(root, fix=True) == [found]
    assert not (root / "mlruns").exists()


def test_what_killed_processes_left(root: Path) -> None:
    taxi = root / "artifacts" / "taxi"
    for path in (".partial-evaluate/report", ".old-model", ".old-report"):
        (taxi / path).mkdir(parents=True)
        (taxi / path / "file").write_text(path)
    (taxi / "runs" / ".train.json.new").write_text("{")
    (taxi / "serving_log").mkdir()
    (taxi / "serving_log" / "1.tfrecord.gz.partial").write_text("requests")
    (root / f".answers.csv.{NO_PROCESS}.partial").write_text("half")
    (root / f".answers.csv.{os.getpid()}.partial").write_text("being written")
    (root / "mlruns" / "mlflow.db.new").write_text("half")

    def left(where: str, what: str) -> Finding:
        return Finding("leftovers", "warning", where, f"left over: {what}", "tensorline verify --fix removes it")

    removed = [
        left("artifacts/taxi/.old-model", "an older model, which the newer one has replaced"),
        left("artifacts/taxi/.partial-evaluate", "what stage evaluate was making when it was killed"),
        left("artifacts/taxi/runs/.train.json.new", "a run's file, half-written"),
        left(f".answers.csv.{NO_PROCESS}.partial", "an output that a killed process was writing"),
        left("artifacts/taxi/serving_log/1.tfrecord.gz.partial", "an output that a killed process was writing"),
        left("mlruns/mlflow.db.new", "an MLflow store, half-made"),
    ]
    report = Finding(
        "leftovers",
        "warning",
        "artifacts/taxi/.old-report",
        "the old report: its stage was killed before the new one stood in its place",
        "tensorline verify --fix puts it back as artifacts/taxi/report",
    )
    with (taxi / "serving_log" / "1.tfrecord.gz.partial").open("ab"):  # a server that lives
        assert findings(root) == [removed[0], report, *removed[1:4], removed[5]]
    assert findings(root) == [removed[0], report, *removed[1:]]
    mended = [replace(found, done="removed", mended=True) for found in removed]
    put_back = replace(report, done="put back as artifacts/taxi/report", mended=True)
    assert findings(root, fix=True) == [mended[0], put_back, *mended[1:]]
    assert (taxi / "report" / "file").read_text() == ".old-report"
    assert (root / f".answers.csv.{os.getpid()}.partial").exists()
    assert findings(root) == []


def test_a_stage_that_is_running_is_left_alone(root: Path) -> None:
    (root / "artifacts/taxi/.partial-train").mkdir()
    (root / "components").mkdir()
    (root / "components" / "__init__.py").touch()
    (root / "components" / "train.py").write_text("import sys\nprint('runs', flush=True)\nsys.stdin.read()\n")
    command = [sys.executable, "-m", "components.train", "taxi"]
    with subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"runs\n"
        assert findings(root, fix=True) == []
    assert [found.where for found in findings(root)] == ["artifacts/taxi/.partial-train"]


def test_a_run_whose_process_was_killed_is_closed(root: Path) -> None:
    store = open_store(root)
    tags = {**process_tags(), PID: NO_PROCESS, "tensorline.stage": "train", "tensorline.pipeline": "taxi"}
    run = store.client.create_run(store.experiment_id("taxi"), tags=tags).info
    found = Finding(
        "runs",
        "error",
        f"run {run.run_id} (taxi · train)",
        f"RUNNING, but process {NO_PROCESS} on {process_tags()[HOST]} is gone; expected it closed",
        "tensorline verify --fix closes it as KILLED, at its last sign of life; so does the next stage",
    )
    assert findings(root) == [found]
    assert store.client.get_run(run.run_id).info.status == "RUNNING"
    assert findings(root, fix=True) == [replace(found, done="closed as KILLED, at its last sign of life", mended=True)]
    closed = store.client.get_run(run.run_id).info
    assert (closed.status, closed.end_time) == ("KILLED", run.start_time)
    assert findings(root) == []


def test_artifacts_without_a_run(root: Path) -> None:
    file = root / "artifacts/taxi/runs/train.json"
    store = open_store(root)
    store.client.delete_run(run_id(root))
    version = Finding(
        "models",
        "warning",
        "model taxi, version 1",
        f"its run {run_id(root)} is deleted",
        f"mlflow runs restore --run-id {run_id(root)}",
    )
    deleted = Finding(
        "runs",
        "warning",
        "artifacts/taxi",
        f"{store.shown} has deleted the runs that made them: train",
        "mlflow runs restore --run-id ID, with the id that is in the file",
    )
    assert findings(root) == [deleted, version]
    store.client.restore_run(run_id(root))
    assert findings(root) == []
    lock, name = (root / "dvc.lock").read_text(), file.read_text()
    (root / "dvc.lock").unlink()  # of a stage that was run by hand
    file.unlink()
    what = "no artifacts/taxi/runs/train.json tells which run made them: model"
    mend = "make them anew: dvc repro --force --single-item train@taxi"
    assert findings(root) == [Finding("runs", "warning", "artifacts/taxi", what, mend)]
    (root / "dvc.lock").write_text(lock)
    file.write_text(name)
    (root / "mlruns" / "mlflow.db").unlink()
    unknown = Finding(
        "runs",
        "warning",
        "artifacts/taxi",
        f"{store.shown} does not have the runs that made them: train",
        "if they were made with another store, name it: MLFLOW_TRACKING_URI=…; else make them anew: dvc repro --force "
        "register@taxi",
    )
    assert findings(root) == [unknown]
    assert not (root / "mlruns" / "mlflow.db").exists()
    file.write_text("{")
    changed, damaged = findings(root)
    assert changed.what == "not as dvc.lock records it: changed: artifacts/taxi/runs/train.json"
    assert damaged == Finding(
        "runs",
        "error",
        "artifacts/taxi/runs/train.json",
        "damaged: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
        "dvc checkout --force artifacts/taxi/runs/train.json",
    )


def test_a_run_without_artifacts(root: Path) -> None:
    folder = root / "mlruns/artifacts/taxi" / run_id(root) / "artifacts"
    shutil.rmtree(folder)
    assert findings(root) == [
        Finding(
            "runs",
            "error",
            f"run {run_id(root)} (taxi · train)",
            f"has no artifacts in {folder.as_uri()}; expected at least provenance/dependencies.json",
            "bring them back from a backup of the store; else delete the run, and make its artifacts anew",
        )
    ]


def wrong_model(what: str) -> Finding:
    return Finding(
        "models",
        "error",
        "model taxi, version 1",
        what,
        "bring the files back from a backup of the store; if it is the champion: tensorline rollback; and delete it: "
        "mlflow.MlflowClient().delete_model_version('taxi', '1')",
    )


def test_a_registered_model_that_is_not_as_it_was(root: Path) -> None:
    folder = model_files(root)
    weights, description = folder / "artifacts/model/keras/model.keras", folder / "artifacts/model/model.json"
    damage(weights)
    (folder / "artifacts/model/Format-Serving/fingerprint.pb").unlink()
    (folder / "added_later.txt").write_text("a profile")  # is no damage
    lost = "artifacts/model/Format-Serving/fingerprint.pb is missing"
    assert findings(root) == [wrong_model(f"not as it was registered: {lost}, artifacts/model/keras/model.keras is damaged")]
    damage(folder / "files.json", b"{}")
    assert findings(root) == [wrong_model("not as it was registered: files.json, the list of its files, is damaged")]
    open_store(root).client.delete_model_version_tag("taxi", "1", "tensorline.files")  # of a time before there was a list
    assert findings(root) == []
    assert look(root).num_without_list == 1
    description.write_text('{"digest": "d2"}')
    message = "not as it was registered: artifacts/model/model.json holds the digest d2, and d1 was registered"
    assert findings(root) == [wrong_model(message)]
    shutil.rmtree(folder)
    assert findings(root) == [wrong_model(f"its files are gone from {root}/mlruns/mlflow.db")]


def test_a_version_without_a_run(root: Path) -> None:
    unknown = "0" * 32
    sql(root, f"UPDATE model_versions SET run_id = '{unknown}'")  # noqa: S608
    assert findings(root) == [
        Finding(
            "models",
            "warning",
            "model taxi, version 1",
            f"its run {unknown} is not in the store",
            "nothing tells any more where it comes from: promote one whose run is there instead",
        )
    ]


def test_a_champion_that_is_gone(root: Path) -> None:
    sql(root, "UPDATE registered_model_aliases SET version = 7")
    assert findings(root) == [
        Finding(
            "models",
            "error",
            "model taxi",
            "the champion is version 7, which is gone; there are: 1",
            "choose one of them: tensorline promote NAME VERSION --why …; until then the next candidate finds no incumbent",
        )
    ]


def test_a_damaged_store(root: Path) -> None:
    database = root / "mlruns" / "mlflow.db"
    with database.open("r+b") as file:
        file.seek(4096 * 3)
        file.write(b"\xff" * 4096 * 20)
    (found,) = findings(root)
    assert (found.check, found.severity, found.where) == ("store", "error", str(database))
    assert found.what.startswith("damaged: ")
    assert found.fix == "bring it back from a backup; else set it aside and start afresh: mv mlruns mlruns.broken"


def test_a_dvc_lock_with_a_conflict(root: Path) -> None:
    text = (root / "dvc.lock").read_text()
    (root / "dvc.lock").write_text(f"<<<<<<< ours\n{text}=======\n{text}>>>>>>> theirs\n")
    with pytest.raises(
        UserError, match=rf"^{re.escape(str(root))}/dvc.lock: .* Expected a file of DVC's: bring it back with git "
    ):
        look(root)


def test_the_command(root: Path) -> None:
    def run(*options: str) -> tuple[int, str]:
        done = CliRunner().invoke(cli.command, options, catch_exceptions=False)
        return done.exit_code, re.sub(r"\d+\.\d+ (MB|s)", r"0 \1", done.stdout)

    counts = "4 objects in DVC's cache, 2 outputs, 1 runs, 1 model versions; 0 MB rehashed in 0 s\n"
    assert run() == (0, f"{counts}all is sound\n")
    shutil.rmtree(root / "artifacts" / "taxi" / "model")
    where = "workspace · artifacts/taxi/model: it is not there; DVC's cache has it\n"
    mend = "    mend: dvc checkout artifacts/taxi/model, which tensorline verify --fix runs\n"
    assert run() == (1, f"warning · {where}{mend}{counts}1 to mend\n")
    status, text = run("--json")
    assert (status, json.loads(text)) == (1, json.loads(json.dumps(look(root).as_dict())))
    assert json.loads(text)["findings"] == [
        {
            "check": "workspace",
            "severity": "warning",
            "where": "artifacts/taxi/model",
            "what": "it is not there; DVC's cache has it",
            "fix": "dvc checkout artifacts/taxi/model, which tensorline verify --fix runs",
            "done": "",
            "mended": False,
        }
    ]
    assert run("--fix") == (0, f"mended · {where}    done: checked out\n{counts}all is sound, 1 mended\n")
