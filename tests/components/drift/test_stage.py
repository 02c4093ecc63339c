"""Stage validate through the bridge: the profile goes to the registry with the model; the next data are held against it."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from components.bridge.job import Job
from components.bridge.stage import run_stage
from components.cli import drift
from components.drift.anew import compare_anew
from components.errors import DriftError
from components.tracking.moves import champion_version
from components.tracking.profiles import champion_profile
from components.tracking.run_file import read_run_file
from components.tracking.store import Store, open_store, sqlite_uri
from tests.conftest import working_in

pytestmark = pytest.mark.slow
CARRIED_DOWN = 400
"""Grams that the scale of the later penguins adds."""


@contextmanager
def at(root: Path) -> Iterator[None]:
    """As if the root had no MLFLOW_TRACKING_URI around it."""
    with pytest.MonkeyPatch.context() as patch, working_in(root):
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.setenv("COLUMNS", "80")
        yield


def heavier(root: Path) -> None:
    file = root / "data" / "penguins" / "penguins.csv"
    with file.open(newline="") as opened:
        rows = list(csv.DictReader(opened))
    for row in rows:
        if row["body_mass_g"] != "NA":
            row["body_mass_g"] = str(int(row["body_mass_g"]) + CARRIED_DOWN)
    with file.open("w", newline="") as opened:
        writer = csv.DictWriter(opened, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory, penguins: Path, empty_database: Path) -> Path:
    """Penguins with a champion, and then the same penguins on another scale, validated."""
    root = tmp_path_factory.mktemp("drift") / "repository"
    shutil.copytree(penguins, root)
    (root / "mlruns").mkdir(exist_ok=True)
    shutil.copyfile(empty_database, root / "mlruns" / "mlflow.db")
    folder = root / "artifacts" / "penguins"
    first = {name: (folder / name).read_bytes() for name in ("profile/profile.json", "drift/drift.json", "drift/eval.json")}
    (folder / "first").mkdir()
    for name, content in first.items():
        (folder / "first" / Path(name).name).write_bytes(content)
    with at(root):
        run_stage("register", "penguins", root)
        heavier(root)
        run_stage("ingest", "penguins", root)
        (folder / "first" / "lines.json").write_text(json.dumps(run_stage("validate", "penguins", root)))
    return root


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def test_without_a_champion_there_is_no_baseline(repository: Path) -> None:
    first = repository / "artifacts" / "penguins" / "first"
    assert read(first / "drift.json") == {
        "state": "no_baseline",
        "reason": "this run knows no registry",
        "against": "champion",
        "version": None,
        "num_baseline": 0,
        "num_current": 240,
        "significance": 0.01,
        "limits": {"numeric": 0.05, "categorical": 0.05, "text": 0.05, "image": 0.05},
        "features": [],
    }
    split = read(first / "eval.json")
    assert (split["state"], split["against"], split["num_baseline"], split["num_current"]) == ("no_drift", "eval", 240, 50)
    assert len(split["features"]) == 8
    assert {feature["feature"]: feature["kind"] for feature in split["features"]}["species"] == "categorical"  # the label, too


def test_the_profile_goes_with_the_version(repository: Path, tmp_path: Path) -> None:
    with at(repository):
        stored = champion_profile(open_store(repository), "penguins", tmp_path)
    assert stored.folder is not None
    assert (stored.version, stored.reason) == ("1", "")
    profile = repository / "artifacts" / "penguins" / "first" / "profile.json"
    assert (stored.folder / "profile.json").read_bytes() == profile.read_bytes()


def test_drift_against_the_champion_is_found_told_and_drawn(repository: Path) -> None:
    folder = repository / "artifacts" / "penguins"
    found = read(folder / "drift" / "drift.json")
    assert (found["state"], found["reason"], found["version"], found["num_baseline"]) == ("drift", "", "1", 240)
    first, *rest = found["features"]
    assert first == {
        "feature": "body_mass_g",
        "kind": "numeric",
        "distance_name": "kolmogorov_smirnov",
        "distance": first["distance"],
        "limit": first["limit"],
        "p_value": first["p_value"],
        "p_adjusted": pytest.approx(8 * first["p_value"], rel=1e-4),
        "drifted": True,
        "num_baseline": first["num_baseline"],
        "num_current": first["num_current"],
        "missing_baseline": first["missing_baseline"],
        "missing_current": first["missing_current"],
        "detail": first["detail"],
    }
    assert first["distance"] > 0.2 > first["limit"] > 0.05
    assert not any(feature["drifted"] for feature in rest)
    lines = json.loads((folder / "first" / "lines.json").read_text())
    place = lines.index(
        f"training data against the champion's: drift in 1 of 8 features, {found['num_current']} records against 240"
    )
    assert lines[place + 1].startswith("    body_mass_g: kolmogorov smirnov 0.")
    assert lines[place + 2].startswith("train against eval: no drift in 8 features, ")
    assert {path.relative_to(folder / "drift").as_posix() for path in (folder / "drift").rglob("*.png")} == {
        "champion/overview.png",
        "champion/01_body_mass_g.png",
        "eval/overview.png",
    }
    page = (folder / "drift" / "drift.html").read_text(encoding="utf-8")
    assert page.count("<img ") == 3
    assert "Training data now, against those of the champion (version 1)" in page
    with at(repository):
        client = open_store(repository).client
        run = client.get_run(read_run_file(folder / "runs" / "validate.json").run_id)
        logged = {file.path for file in client.list_artifacts(run.info.run_id, "drift")}
    assert (run.data.tags["tensorline.drift"], run.data.tags["tensorline.drift_eval"]) == ("drift", "no_drift")
    assert (run.data.metrics["num_drifted"], run.data.metrics["num_drifted_eval"]) == (1, 0)
    assert {"drift/drift.html", "drift/drift.json", "drift/champion"} <= logged


def test_the_command_computes_it_anew(repository: Path, tmp_path: Path) -> None:
    folder = repository / "artifacts" / "penguins"
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    with at(repository):
        shown = CliRunner().invoke(drift.command, ["penguins"], catch_exceptions=False)
        as_json = CliRunner().invoke(
            drift.command, ["penguins", "--json", "--output", str(tmp_path / "page")], catch_exceptions=False
        )
        split = CliRunner().invoke(drift.command, ["penguins", "--against", "eval"], catch_exceptions=False)
        no_log = CliRunner().invoke(drift.command, ["penguins", "--against", "serving"])
    assert (shown.exit_code, as_json.exit_code, split.exit_code) == (3, 3, 0)
    assert json.loads(as_json.output) == read(folder / "drift" / "drift.json") == read(tmp_path / "page" / "drift.json")
    assert sorted(path.name for path in (tmp_path / "page" / "champion").iterdir()) == ["01_body_mass_g.png", "overview.png"]
    title, sentence, empty, head, row, *rest = shown.output.splitlines()
    assert title == "penguins: Training data now, against those of the champion (version 1)"
    assert sentence.startswith("drift in 1 of 8 features, ")
    assert (empty, head.split()) == ("", ["feature", "kind", "distance", "limit", "p-value", "where"])
    assert row.split()[:5] == ["body_mass_g", "drift", "numeric", "kolmogorov", "smirnov"]
    assert len(rest) == 7
    assert split.output.startswith("penguins: Eval split against training split\nno drift in 8 features, ")
    assert str(no_log.exception) == (
        "artifacts/penguins/serving_log: no request is logged in *.tfrecord.gz. Expected the log that `tensorline serve` "
        "writes; let it answer some requests, with logging on."
    )
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_drift_may_stop_the_pipeline(repository: Path) -> None:
    params = repository / "pipelines" / "penguins" / "params.yaml"
    text = params.read_text()
    folder = repository / "artifacts" / "penguins"
    before = (folder / "drift" / "drift.json").read_bytes()
    try:
        params.write_text(text.replace("on_anomaly: fail", "on_anomaly: fail\n  drift: {on_drift: fail}"))
        with at(repository), pytest.raises(DriftError) as raised:
            run_stage("validate", "penguins", repository)
        first, row, last = str(raised.value).splitlines()
        assert first == (
            "validate.drift: the training data have drifted from those of the champion, version 1, in 1 of 8 features:"
        )
        assert row.startswith("    body_mass_g: kolmogorov smirnov 0.")
        assert last == (
            "Mend the data. If they are meant to have changed, set validate.drift.on_drift: warn to go on all the same, or "
            "name the features in validate.drift.ignore."
        )
        assert (folder / "drift" / "drift.json").read_bytes() == before
        with at(repository):
            client = open_store(repository).client
            (run,) = client.search_runs(
                [client.get_experiment_by_name("penguins").experiment_id],
                "tags.`tensorline.stage` = 'validate'",
                order_by=["attributes.start_time DESC"],
                max_results=1,
            )
        assert (run.info.status, run.data.tags["tensorline.drift"]) == ("FAILED", "drift")
        params.write_text(
            text.replace("on_anomaly: fail", "on_anomaly: fail\n  drift: {on_drift: fail, ignore: [body_mass_g]}")
        )
        with at(repository):
            shown = CliRunner().invoke(drift.command, ["penguins", "--json"], catch_exceptions=False)
        assert (shown.exit_code, json.loads(shown.output)["state"]) == (0, "no_drift")
    finally:
        params.write_text(text)


def test_a_champion_of_the_time_before_profiles(repository: Path, tmp_path: Path) -> None:
    reason = "version 1, the champion, was registered without a profile of its data"
    with at(repository):
        store = open_store(repository)
        stored = champion_profile(store, "penguins", tmp_path).folder
        assert stored is not None
        stored.rename(tmp_path / "away")
        try:
            job = Job.load("penguins", repository)
            for against in ("champion", "serving"):
                found = compare_anew(job, against, tmp_path)  # type: ignore[arg-type]
                assert (found.state, found.reason, found.version, found.features) == ("no_baseline", reason, "1", [])
            shown = CliRunner().invoke(drift.command, ["penguins"], catch_exceptions=False)
        finally:
            (tmp_path / "away").rename(stored)
    assert (shown.exit_code, shown.output.splitlines()[-1]) == (0, f"no baseline: {reason}")


def test_a_profile_that_cannot_be_read_is_no_baseline(repository: Path, tmp_path: Path) -> None:
    with at(repository):
        stored = champion_profile(open_store(repository), "penguins", tmp_path).folder
        assert stored is not None
        file = stored / "profile.json"
        text = file.read_text(encoding="utf-8")
        try:
            file.write_text("{", encoding="utf-8")
            found = compare_anew(Job.load("penguins", repository), "champion", tmp_path)
        finally:
            file.write_text(text, encoding="utf-8")
    assert found.state == "no_baseline"
    assert found.reason.startswith(f"{file}: JSONDecodeError: ")


def test_before_the_first_validate(penguins: Path, tmp_path: Path) -> None:
    job = SimpleNamespace(
        name="penguins", root=tmp_path, params=Job.load("penguins", penguins).params, artifact=tmp_path.joinpath
    )
    with pytest.raises(
        Exception, match=r"^artifacts/penguins/profile: no such folder\. Expected the profile of the training data: "
    ):
        compare_anew(job, "eval", tmp_path)  # type: ignore[arg-type]
    store = Store(sqlite_uri(tmp_path / "mlruns" / "mlflow.db"))
    assert champion_version(store, "penguins") is None
    assert champion_profile(store, "penguins", tmp_path).reason == "there is no champion yet"
