from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from components.errors import UserError
from components.tracking.moves import Move, history, move_champion, promote, rollback
from components.tracking.profiles import StoredProfile, champion_profile
from components.tracking.provenance import GitState
from components.tracking.registry import (
    Candidate,
    Champion,
    Judged,
    Registration,
    champion,
    judged_versions,
    register_candidate,
)
from components.tracking.runs import start_stage_run
from components.tracking.store import Store, local_path

CLEAN = GitState("c0ffee", "main", dirty=False, diff="", untracked=())
EXAMPLE = pd.DataFrame({"company": ["7", None], "hour": [3, 4], "miles": [1.5, float("nan")]})


@pytest.fixture
def candidate(store: Store, model_dir: Path) -> Candidate:
    """The first candidate, trained in a run of this store."""
    with start_stage_run(store, "taxi", "train", params={"epochs": 3}, git=CLEAN, dependencies={}) as run:
        run.log_metrics({"val_auc": 0.9})
    return Candidate(
        model_name="taxi",
        pipeline="taxi",
        model_dir=model_dir,
        digest="d1",
        promote=True,
        reason="every threshold is met, no incumbent",
        metrics={"auc": 0.91},
        compared_with=None,
        train_run_id=run.ref.run_id,
        example=EXAMPLE,
    )


def better(candidate: Candidate, digest: str, compared_with: str | None = "d1") -> Candidate:
    return dataclasses.replace(candidate, digest=digest, compared_with=compared_with, reason="better")


def worse(candidate: Candidate, digest: str, compared_with: str | None = "d1") -> Candidate:
    reason = "auc 0.5 is less than 0.75; password=hunter2"
    return dataclasses.replace(candidate, digest=digest, compared_with=compared_with, promote=False, reason=reason)


def moves(store: Store) -> list[tuple[str, str | None, str | None]]:
    return [(move.kind, move.from_version, move.to_version) for move in history(store, "taxi")]


def test_a_profile_is_kept_with_the_version(store: Store, candidate: Candidate, tmp_path: Path) -> None:
    """Also where the same model was registered before there were profiles, and where files are not on this machine."""
    assert champion_profile(store, "taxi", tmp_path) == StoredProfile(None, None)
    register_candidate(store, candidate)
    assert champion_profile(store, "taxi", tmp_path) == StoredProfile("1", None)
    profile = tmp_path / "17"  # as TFX calls folders
    profile.mkdir()
    (profile / "profile.json").write_text("{}", encoding="utf-8")
    again = register_candidate(store, dataclasses.replace(candidate, profile_dir=profile))
    assert (again.version, again.verdict) == ("1", "unchanged")
    location = local_path(store.client.get_logged_model(again.model_id).artifact_location)
    assert champion_profile(store, "taxi", tmp_path) == StoredProfile("1", location / "artifacts" / "profile")
    (profile / "profile.json").write_text("later data", encoding="utf-8")
    register_candidate(store, dataclasses.replace(candidate, profile_dir=profile))
    assert (location / "artifacts" / "profile" / "profile.json").read_text(encoding="utf-8") == "{}"

    register_candidate(store, dataclasses.replace(better(candidate, "d2"), profile_dir=profile))
    with pytest.MonkeyPatch.context() as patch:
        elsewhere = local_path(store.client.get_model_version_download_uri("taxi", "2"))
        patch.setattr(store.client, "get_model_version_download_uri", lambda *_: str(elsewhere))  # no file: URI
        stored = champion_profile(store, "taxi", tmp_path / "download")
        assert stored == StoredProfile("2", tmp_path / "download" / "profile")
        assert (tmp_path / "download" / "profile" / "profile.json").read_text(encoding="utf-8") == "later data"
        patch.setattr(store.client, "get_model_version_download_uri", lambda *_: str(elsewhere / "artifacts" / "model"))
        assert champion_profile(store, "taxi", tmp_path) == StoredProfile("2", None)


def test_the_first_candidate_becomes_champion(store: Store, candidate: Candidate, tmp_path: Path) -> None:
    registration = register_candidate(store, candidate)
    run_id, model_id = candidate.train_run_id, registration.model_id
    assert registration == Registration(
        model_name="taxi",
        version="1",
        digest="d1",
        verdict="no incumbent",
        reason="every threshold is met, no incumbent",
        moved=True,
        champion="1",
        run_id=run_id,
        model_id=model_id,
    )
    version = store.client.get_model_version("taxi", "1")
    assert (version.run_id, version.source, version.aliases) == (run_id, f"models:/{model_id}", ["champion"])
    assert version.description == "no incumbent: every threshold is met, no incumbent"
    files = local_path(store.client.get_logged_model(model_id).artifact_location) / "files.json"
    assert version.tags == {
        "tensorline.files": hashlib.sha256(files.read_bytes()).hexdigest(),
        "tensorline.verdict": "no incumbent",
        "tensorline.reason": "every threshold is met, no incumbent",
        "tensorline.metrics": '{"auc": 0.91}',
        "tensorline.digest": "d1",
        "tensorline.commit": "c0ffee",
        "tensorline.run_id": run_id,
        "tensorline.pipeline": "taxi",
    }
    model = store.client.get_logged_model(model_id)
    assert (model.name, model.source_run_id, model.status, model.model_type) == ("taxi", run_id, "READY", "pyfunc")
    assert model.params == {"epochs": "3"}
    assert [(metric.key, metric.value) for metric in model.metrics] == [("val_auc", 0.9)]
    assert model.tags["mlflow.modelVersions"] == '[{"name": "taxi", "version": 1}]'
    run = store.client.get_run(run_id)
    assert [each.model_id for each in run.outputs.model_outputs] == [model_id]
    assert [metric.value for metric in store.client.get_metric_history(run_id, "val_auc")] == [0.9]
    assert run.info.status == "FINISHED"
    (move,) = history(store, "taxi")
    assert move == Move(move.at, move.by, "promote", None, "1", "every threshold is met, no incumbent")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", move.at)

    folder = local_path(model.artifact_location) / "artifacts" / "model"
    assert champion(store, "taxi", tmp_path) == Champion("taxi", "1", "d1", run_id, folder)
    made = sorted(path.relative_to(candidate.model_dir) for path in candidate.model_dir.rglob("*"))
    assert sorted(path.relative_to(folder) for path in folder.rglob("*")) == made
    assert not [path for path in folder.parents[1].rglob("*") if path.suffix in {".pkl", ".pickle"}]


def test_the_same_digest_makes_no_second_version(store: Store, candidate: Candidate) -> None:
    first = register_candidate(store, candidate)
    reason = "it is the champion already, version 1"
    assert register_candidate(store, candidate) == dataclasses.replace(first, verdict="unchanged", reason=reason, moved=False)
    refused = register_candidate(store, worse(candidate, "d2"))
    assert register_candidate(store, worse(candidate, "d2")) == refused
    assert [version.version for version in store.client.search_model_versions("name = 'taxi'")] == [2, 1]
    assert moves(store) == [("promote", None, "1")]


def test_a_worse_candidate_is_kept_and_refused(store: Store, candidate: Candidate) -> None:
    register_candidate(store, candidate)
    registration = register_candidate(store, worse(candidate, "d2"))
    assert dataclasses.replace(registration, model_id="") == Registration(
        model_name="taxi",
        version="2",
        digest="d2",
        verdict="refused",
        reason="auc 0.5 is less than 0.75; password=hunter2",
        moved=False,
        champion="1",
        run_id=candidate.train_run_id,
        model_id="",
    )
    version = store.client.get_model_version("taxi", "2")
    assert (version.aliases, version.description) == ([], "refused: auc 0.5 is less than 0.75; password=***")
    assert version.tags["tensorline.reason"] == "auc 0.5 is less than 0.75; password=***"


def test_the_decision_threshold_is_that_of_the_last_evaluation(store: Store, candidate: Candidate) -> None:
    def threshold(of: Candidate, **metrics: float) -> str | None:
        version = register_candidate(store, dataclasses.replace(of, metrics=metrics)).version
        return store.client.get_model_version("taxi", version).tags.get("tensorline.decision_threshold")

    assert threshold(candidate, auc=0.91, decision_threshold=0.038461538) == "0.038461538"
    # The champion itself again, with other costs, and without any.
    assert threshold(candidate, auc=0.91, decision_threshold=0.25) == "0.25"
    assert threshold(candidate, auc=0.91) is None
    refused = worse(candidate, "d2")
    assert threshold(refused, auc=0.5, decision_threshold=0.7) == "0.7"
    assert threshold(refused, auc=0.5) is None


def test_a_refused_candidate_without_incumbent_leaves_none(store: Store, candidate: Candidate, tmp_path: Path) -> None:
    registration = register_candidate(store, worse(candidate, "d1", compared_with=None))
    assert (registration.verdict, registration.moved, registration.champion) == ("refused", False, None)
    assert champion(store, "taxi", tmp_path) is None
    # The thresholds were lowered and the evaluation ran again: the same version is promoted.
    registration = register_candidate(store, candidate)
    assert (registration.version, registration.verdict, registration.moved) == ("1", "no incumbent", True)
    assert store.client.get_model_version("taxi", "1").tags["tensorline.verdict"] == "no incumbent"


def test_a_verdict_against_another_champion_is_out_of_date(store: Store, candidate: Candidate) -> None:
    register_candidate(store, candidate)
    register_candidate(store, better(candidate, "d2"))
    message = (
        "register: the evaluation compared the candidate with the champion with digest d1…, and the champion of 'taxi' is now "
        "version 2. Expected the same at both times: another run, a rollback or another MLflow store came between. Evaluate "
        "again: dvc repro --force --single-item evaluate@taxi && dvc repro register@taxi"
    )
    with pytest.raises(UserError, match=f"^{re.escape(message)}$"):
        register_candidate(store, better(candidate, "d3"))
    with pytest.raises(UserError, match=r"^register: the evaluation compared the candidate with no champion, "):
        register_candidate(store, better(candidate, "d3", compared_with=None))
    assert len(store.client.search_model_versions("name = 'taxi'")) == 2


def test_without_a_run_the_model_gets_one(store: Store, candidate: Candidate) -> None:
    for number, unknown in enumerate(("", "0" * 32), start=1):
        without = dataclasses.replace(candidate, train_run_id=unknown)
        registration = register_candidate(store, worse(without, f"d{number}", None))
        run = store.client.get_run(registration.run_id)
        assert (run.info.run_name, run.info.status, run.data.metrics) == ("register", "FINISHED", {"auc": 0.91})


def test_rollback_goes_back_one_champion_at_a_time(store: Store, candidate: Candidate) -> None:
    register_candidate(store, candidate)
    register_candidate(store, better(candidate, "d2"))
    register_candidate(store, better(candidate, "d3", compared_with="d2"))
    move = rollback(store, "taxi", "too slow; password=hunter2")
    assert move == Move(move.at, move.by, "rollback", "3", "2", "too slow; password=***")
    assert rollback(store, "taxi", "worse").to_version == "1"
    message = (
        "model 'taxi': version 1 is the first champion. Expected one before it to go back to; to choose another version, give "
        "--to (there are: 1, 2, 3)."
    )
    with pytest.raises(UserError, match=f"^{re.escape(message)}$"):
        rollback(store, "taxi", "worse")
    assert moves(store) == [
        ("promote", None, "1"),
        ("promote", "1", "2"),
        ("promote", "2", "3"),
        ("rollback", "3", "2"),
        ("rollback", "2", "1"),
    ]
    assert [store.client.get_model_version("taxi", version).aliases for version in "123"] == [["champion"], [], []]


def test_a_version_that_was_rolled_back_is_not_promoted_again(store: Store, candidate: Candidate) -> None:
    register_candidate(store, candidate)
    register_candidate(store, better(candidate, "d2"))
    move = rollback(store, "taxi", "too slow")
    registration = register_candidate(store, better(candidate, "d2"))
    reason = (
        f"version 2 was rolled back ({move.at} by {move.by}: too slow); to make it the champion again: "
        "tensorline rollback taxi --to 2"
    )
    assert (registration.verdict, registration.reason, registration.champion) == ("refused", reason, "1")
    assert rollback(store, "taxi", "it was the network", to="2").to_version == "2"
    assert register_candidate(store, better(candidate, "d2")).verdict == "unchanged"
    assert moves(store)[-1] == ("rollback", "1", "2")


def test_rollback_to_a_version_that_cannot_be(store: Store, candidate: Candidate) -> None:
    message = f"no model is registered as 'taxi' in {store.database} (registered: none). Expected one; dvc repro registers it."
    with pytest.raises(UserError, match=f"^{re.escape(message)}$"):
        rollback(store, "taxi", "worse")
    register_candidate(store, worse(candidate, "d0", None))
    message = f"model 'taxi' has no champion in {store.database}. Expected one; dvc repro makes one."
    with pytest.raises(UserError, match=f"^{re.escape(message)}$"):
        rollback(store, "taxi", "worse")
    register_candidate(store, candidate)
    for to, problem in (("2", "is the champion already"), ("9", "does not exist"), ("two", "does not exist")):
        message = f"model 'taxi': version {to} {problem}. Expected another of: 1, 2."
        with pytest.raises(UserError, match=f"^{re.escape(message)}$"):
            rollback(store, "taxi", "worse", to=to)


def test_a_person_promotes_what_the_gate_refused(store: Store, candidate: Candidate) -> None:
    register_candidate(store, candidate)
    refused = dataclasses.replace(worse(candidate, "d2"), failed_checks=("thresholds", "latency"))
    register_candidate(store, refused)
    move = promote(store, "taxi", "2", "the threshold is out of date; password=hunter2")
    assert move == Move(move.at, move.by, "override", "1", "2", "the threshold is out of date; password=***")
    version = store.client.get_model_version("taxi", "2")
    assert version.aliases == ["champion"]
    assert version.tags["tensorline.verdict"] == "refused"
    overridden = f"{move.at} by {move.by}: the threshold is out of date; password=***"
    assert [dataclasses.replace(each, at="") for each in judged_versions(store, "taxi")] == [
        Judged("1", "", "no incumbent", "every threshold is met, no incumbent", [], None),
        Judged("2", "", "refused", "auc 0.5 is less than 0.75; password=***", ["thresholds", "latency"], overridden),
    ]
    # The stage that reruns finds it champion already, a rollback takes it back, and a person may insist.
    assert register_candidate(store, refused).verdict == "unchanged"
    assert rollback(store, "taxi", "it was not").to_version == "1"
    assert promote(store, "taxi", "2", "it was").to_version == "2"
    assert "tensorline.rolled_back" not in store.client.get_model_version("taxi", "2").tags
    assert moves(store)[1:] == [("override", "1", "2"), ("rollback", "2", "1"), ("override", "1", "2")]


def test_what_nobody_can_promote(store: Store, candidate: Candidate) -> None:
    message = f"no model is registered as 'taxi' in {store.database} (registered: none). Expected one; dvc repro registers it."
    with pytest.raises(UserError, match=f"^{re.escape(message)}$"):
        promote(store, "taxi", "1", "it is good")
    register_candidate(store, worse(candidate, "d1", None))
    assert promote(store, "taxi", "1", "better than none").from_version is None
    for version, problem in (("1", "is the champion already"), ("9", "does not exist")):
        message = f"model 'taxi': version {version} {problem}. Expected another of: 1."
        with pytest.raises(UserError, match=f"^{re.escape(message)}$"):
            promote(store, "taxi", version, "it is good")
    message = "--why: expected why this version is to be the champion, got nothing. It is recorded in the history."
    with pytest.raises(UserError, match=f"^{re.escape(message)}$"):
        promote(store, "taxi", "1", " ")


def test_a_move_by_hand_is_found(store: Store, candidate: Candidate) -> None:
    register_candidate(store, candidate)
    register_candidate(store, worse(candidate, "d2"))
    store.client.set_registered_model_alias("taxi", "champion", "2")
    with store.lock():
        move_champion(store, "taxi", "promote", "1", "better after all")
    assert moves(store) == [("promote", None, "1"), ("found", "1", "2"), ("promote", "2", "1")]


def test_a_champion_that_tensorline_did_not_make(store: Store, tmp_path: Path) -> None:
    assert champion(store, "taxi", tmp_path) is None
    store.client.create_registered_model("taxi")
    store.client.create_model_version("taxi", tmp_path.as_uri())
    store.client.set_registered_model_alias("taxi", "champion", "1")
    message = (
        f"model 'taxi': champion, version 1: expected the model's files in {tmp_path}/artifacts/model, and a tag "
        "tensorline.digest, as the register stage writes them. Move the alias to another version: tensorline rollback"
    )
    with pytest.raises(UserError, match=f"^{re.escape(message)}$"):
        champion(store, "taxi", tmp_path)


REGISTER = """
import json, sys
from pathlib import Path
from components.tracking.registry import Candidate, register_candidate
from components.tracking.store import Store

uri, model_dir, run_id = sys.argv[1:]
candidate = Candidate("taxi", "taxi", Path(model_dir), "d1", False, "worse", {}, None, run_id)
print(register_candidate(Store(uri), candidate).version)
"""


@pytest.mark.slow
def test_two_processes_that_register_the_same_model_make_one_version(store: Store, candidate: Candidate) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    command = [sys.executable, "-c", REGISTER, store.uri, str(candidate.model_dir), candidate.train_run_id]
    processes = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate(timeout=300)[0] for process in processes] == ["1\n", "1\n"]
    assert len(store.client.search_model_versions("name = 'taxi'")) == 1


PREDICT = """
import json, sys
import mlflow
import pandas as pd

sys.modules["components"] = None  # an editable install would let it be imported
model = mlflow.pyfunc.load_model(sys.argv[1])
for table in (
    pd.DataFrame({"company": ["7", None, ""], "hour": [3, None, 5], "miles": [1, 2, 3], "extra": [1, 2, 3]}, index=[5, 6, 7]),
    pd.DataFrame({"company": [7.0], "hour": [3], "miles": [None]}),
    pd.DataFrame({"hour": [3]}),
    pd.DataFrame({"hour": []}),
):
    print(model.predict(table).round(4).to_json(orient="split", double_precision=4))
for table in (pd.DataFrame({"hours": [3]}), pd.DataFrame({"hour": ["noon"]})):
    try:
        model.predict(table)
    except ValueError as error:
        print(error)
print(json.dumps(model.metadata.metadata), [column.name for column in model.metadata.get_input_schema()])
"""


@pytest.mark.slow
def test_the_registered_model_needs_no_tensorline(store: Store, candidate: Candidate, tmp_path: Path) -> None:
    registration = register_candidate(store, candidate)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment |= {"MLFLOW_TRACKING_URI": store.uri, "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"}
    done = subprocess.run(
        [sys.executable, "-P", "-c", PREDICT, f"models:/taxi/{registration.version}"],
        cwd=elsewhere,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *tables, unknown, wrong, metadata = done.stdout.splitlines()
    columns = ["label", "score", "probability_no", "probability_yes"]
    assert [json.loads(table) for table in tables] == [
        {
            "columns": columns,
            "index": [5, 6, 7],
            "data": [["yes", 0.9241, 0.0759, 0.9241], ["no", 0.0, 1.0, 0.0], ["yes", 0.6225, 0.3775, 0.6225]],
        },
        {"columns": columns, "index": [0], "data": [["yes", 0.8808, 0.1192, 0.8808]]},
        {"columns": columns, "index": [0], "data": [["no", 0.2689, 0.7311, 0.2689]]},
        {"columns": columns, "index": [], "data": []},
    ]
    assert unknown == "no column that the model knows. Expected raw columns as in the training data: company, hour, miles."
    assert wrong == (
        "column 'hour': Unable to parse string \"noon\" at position 0. Expected numbers, or NaN or None where missing."
    )
    assert metadata == (
        '{"columns": {"company": "object", "hour": "float64", "miles": "float32"}} [\'company\', \'hour\', \'miles\']'
    )
