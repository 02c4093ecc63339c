"""Images and texts are counted as bytes; what was measured of them as any other feature."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from components.params.models import BeamParams, DataParams, ImageParams, TextParams, ValidateParams

pytestmark = pytest.mark.slow  # imports TFX


@pytest.mark.parametrize(
    ("reviewed", "whole", "expected"),
    [
        (None, set(), None),
        (
            None,
            {"text", "image"},
            'feature { name: "image" type: BYTES image_domain {} }feature { name: "text" type: BYTES image_domain {} }',
        ),
        (
            'feature { name: "hour" type: INT int_domain { is_categorical: true } } feature { name: "text" type: BYTES }',
            {"text"},
            'feature { name: "hour" type: INT int_domain { is_categorical: true } }'
            'feature { name: "text" type: BYTES image_domain {} }',
        ),
        (
            'feature { name: "note" type: BYTES natural_language_domain {} }',
            set(),
            'feature { name: "note" type: BYTES image_domain {} }',
        ),
    ],
)
def test_the_schema_of_statistics(reviewed: str | None, whole: set[str], expected: str | None) -> None:
    from components.validate.counting import statistics_schema

    def parsed(text: str | None) -> schema_pb2.Schema | None:
        return None if text is None else text_format.Parse(text, schema_pb2.Schema())

    given = parsed(reviewed)
    assert statistics_schema(given, whole) == parsed(expected)
    assert given == parsed(reviewed)


@pytest.fixture(scope="module")
def validated(
    tmp_path_factory: pytest.TempPathFactory, fashion: dict[str, list[dict[str, Any]]], write_examples: Callable[..., Path]
) -> tuple[Any, dict[str, Path]]:
    """The job and the artifacts of the stage, without a reviewed schema, over pictures that have captions."""
    from components.bridge.stage import execute

    folder = tmp_path_factory.mktemp("validated")
    splits = {
        split: [
            {**record, "text": f"A {record['label']}, no. {index}", "text_num_words": 4, "text_script": "Latin"}
            for index, record in enumerate(records)
        ]
        for split, records in fashion.items()
    }
    examples = write_examples(folder / "examples", splits)
    properties = {"properties": {"split_names": json.dumps(list(splits))}, "custom_properties": {}}
    (examples / "artifact.json").write_text(json.dumps(properties), encoding="utf-8")
    data = DataParams(path="captions.csv", label="label", images={"image": ImageParams()}, texts={"text": TextParams()})
    job = SimpleNamespace(
        name="captions",
        params=SimpleNamespace(data=data, validate_=ValidateParams(on_anomaly="warn")),
        shared=SimpleNamespace(beam=BeamParams()),
        reviewed_schema=None,
    )
    scratch = folder / "out"
    scratch.mkdir()
    made: dict[str, Path] = execute(job, "validate", {"examples": examples}, scratch, {})  # type: ignore[arg-type]
    return job, {"examples": examples, **made}


def test_what_is_inferred_says_what_images_and_texts_are(validated: tuple[Any, dict[str, Path]]) -> None:
    import tensorflow_data_validation as tfdv

    schema = tfdv.load_schema_text(str(validated[1]["schema"] / "schema.pbtxt"))
    domains = {feature.name: feature.WhichOneof("domain_info") for feature in schema.feature}
    assert domains == {
        "image": "image_domain",
        "image_aspect": "float_domain",
        "image_brightness": "float_domain",
        "image_channels": "int_domain",
        "image_contrast": "float_domain",
        "image_copies": "int_domain",
        "image_format": "domain",
        "image_height": "int_domain",
        "image_width": "int_domain",
        "label": "domain",
        "text": "natural_language_domain",
        "text_num_words": "int_domain",
        "text_script": "domain",
    }
    assert {feature.name for feature in schema.feature if feature.presence.min_fraction == 1.0} == set(domains)


def test_the_outcome_has_pictures_of_what_was_measured_and_of_no_image(validated: tuple[Any, dict[str, Path]]) -> None:
    from components.validate.outcome import outcome

    result = outcome(*validated)
    assert result.lines[0] == "50 train, 6 eval, 6 test examples of 13 features"
    assert "no anomalies" in result.lines
    assert result.files[validated[1]["statistics"] / "contents"] == "contents"
    measured = {"aspect", "brightness", "channels", "contrast", "copies", "format", "height", "width"}
    assert set(result.figures) == {
        *(f"statistics/image_{name}.png" for name in measured),
        *(f"statistics/text_{name}.png" for name in ("length", "num_words", "script", "words")),
        "statistics/label.png",
    }


def test_an_empty_image_is_an_anomaly_where_the_schema_says_so(validated: tuple[Any, dict[str, Path]]) -> None:
    import tensorflow_data_validation as tfdv

    from components.validate.anomalies import collect

    folders = validated[1]
    schema = tfdv.load_schema_text(str(folders["schema"] / "schema.pbtxt"))
    tfdv.get_feature(schema, "image_contrast").float_domain.min = 0.01
    statistics = tfdv.load_stats_binary(str(folders["statistics"] / "Split-train" / "FeatureStats.pb"))
    (found,) = collect(tfdv.validate_statistics(statistics, schema), schema, "train", folders["examples"], 5)
    assert (found.feature, found.what) == ("image_contrast", "Out-of-range values")
    (offender,) = found.offending
    assert (offender["value"], offender["example"]["label"], offender["example"]["image_width"]) == (0.0, "bag", 28)
    assert offender["example"]["image"].endswith(" bytes")
