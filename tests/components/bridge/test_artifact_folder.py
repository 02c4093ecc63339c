"""Folders stand for artifacts, in place of ML Metadata."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.bridge.artifact_folder import ARTIFACT_TYPES, PROPERTIES_FILE, load_artifact, save_properties
from components.errors import TensorlineError

pytestmark = pytest.mark.slow  # imports tfx


def test_properties_survive_the_round_trip(tmp_path: Path) -> None:
    from tfx.types import standard_artifacts

    examples = standard_artifacts.Examples()
    examples.split_names = '["train","test"]'
    examples.span = 3
    examples.set_string_custom_property("payload_format", "FORMAT_TF_EXAMPLE")
    save_properties(examples, tmp_path)
    assert json.loads((tmp_path / PROPERTIES_FILE).read_text()) == {
        "properties": {"span": 3, "split_names": '["train","test"]'},
        "custom_properties": {"payload_format": "FORMAT_TF_EXAMPLE"},
    }
    loaded = load_artifact("examples", tmp_path)
    assert (loaded.uri, loaded.split_names, loaded.span) == (str(tmp_path), '["train","test"]', 3)
    assert loaded.get_string_custom_property("payload_format") == "FORMAT_TF_EXAMPLE"


def test_an_artifact_without_properties_leaves_its_folder_alone(tmp_path: Path) -> None:
    from tfx.types import standard_artifacts

    save_properties(standard_artifacts.Schema(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_names_the_stages_to_run(tmp_path: Path) -> None:
    with pytest.raises(TensorlineError) as raised:
        load_artifact("examples", tmp_path / "none")
    assert str(raised.value) == (
        f"{tmp_path / 'none'}: no such folder. Expected the artifact 'examples'; run the stages before this one: dvc repro"
    )


@pytest.mark.parametrize("key", ARTIFACT_TYPES)
def test_every_type_can_be_imported(tmp_path: Path, key: str) -> None:
    assert load_artifact(key, tmp_path).uri == str(tmp_path)


@pytest.mark.slow
def test_own_types_are_found_by_the_name_that_tfx_knows_them_by() -> None:
    import components

    own = {path.rpartition(":")[2] for path in ARTIFACT_TYPES.values() if path.startswith("components.")}
    assert own == {"CanaryReport", "Drift", "IngestReport", "Profile", "Registration", "Report"}
    assert {getattr(components, name).TYPE_NAME for name in own} == {f"components.{name}" for name in own}
    with pytest.raises(AttributeError, match=r"^module 'components' has no attribute 'Examples'$"):
        components.Examples  # noqa: B018
