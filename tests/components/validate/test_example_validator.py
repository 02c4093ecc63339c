"""Anomalies stop the pipeline with a table, or are told and passed on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from components.bridge.job import Job
from components.errors import AnomalyError
from tests.conftest import copy_repository, working_in

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory, run_stages: Callable[..., None]) -> Path:
    """A repository in which one penguin stands on an island that the schema does not know."""
    root = copy_repository(tmp_path_factory.mktemp("broken"))
    data = root / "data" / "penguins" / "penguins.csv"
    lines = data.read_text().splitlines(keepends=True)
    lines[100] = lines[100].replace(lines[100].split(",")[1], "Atlantis")
    data.write_text("".join(lines))
    run_stages(root, "penguins", ("ingest",))
    return root


def test_fail_shows_what_where_and_how_to_mend(broken: Path, run_stages: Callable[..., None]) -> None:
    with pytest.raises(AnomalyError) as raised:
        run_stages(broken, "penguins", ("validate",))
    first, *table = str(raised.value).splitlines()
    assert first == "the data breaks its schema in 1 place:"
    assert table[0].startswith("island (")
    assert table[0].endswith("): Unexpected string values")
    assert table[1].startswith("    how much: Examples contain values missing from the schema: Atlantis (")
    assert table[2] == "    fix:      mend the values, or add them to the feature's string_domain in the schema"
    assert table[3].split(":")[1].startswith(" island='Atlantis'  (")
    assert table[4:] == [
        "Mend the data or the schema as each line says, or set validate.on_anomaly: warn to go on all the same."
    ]
    assert not (broken / "artifacts" / "penguins" / "anomalies").exists()


def test_warn_goes_on_and_tells(broken: Path, run_stages: Callable[..., None]) -> None:
    from components.validate.outcome import outcome

    params = broken / "pipelines" / "penguins" / "params.yaml"
    params.write_text(params.read_text().replace("on_anomaly: fail", "on_anomaly: warn"))
    partial = broken / "artifacts" / "penguins" / ".partial-validate"
    if partial.exists():
        import shutil

        shutil.rmtree(partial)
    run_stages(broken, "penguins", ("validate",))
    with working_in(broken):
        job = Job.load("penguins", broken)
        folders = {key: job.artifact(key) for key in ("examples", "statistics", "schema", "anomalies")}
        told = outcome(job, folders)
    (anomaly,) = json.loads((folders["anomalies"] / "anomalies.json").read_text())
    assert (anomaly["feature"], anomaly["offending"][0]["value"]) == ("island", "Atlantis")
    assert told.metrics == {"num_anomalies": 1}
    assert "1 anomalies (validate.on_anomaly: warn):" in told.lines
    assert {"statistics/island.png", "statistics/body_mass_g.png"} <= set(told.figures)


def test_without_a_reviewed_schema_the_message_says_how_to_adopt_one(
    tmp_path: Path, run_stages: Callable[..., None], broken: Path
) -> None:
    from components.validate.outcome import outcome

    root = copy_repository(tmp_path)
    (root / "schemas" / "penguins.pbtxt").write_text("")
    run_stages(root, "penguins", ("ingest", "validate"))
    with working_in(root):
        job = Job.load("penguins", root)
        folders = {key: job.artifact(key) for key in ("examples", "statistics", "schema", "anomalies")}
        assert outcome(job, folders).lines[-2:] == [
            "no reviewed schema: one was inferred. Look at artifacts/penguins/schema/schema.pbtxt, then adopt it:",
            "    tensorline schema penguins --accept",
        ]
