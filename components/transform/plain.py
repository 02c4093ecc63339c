"""The stage without TFX, which imports TFMA and more: what the TFX executor runs, and the bridge by itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

ANALYZED_SPLIT = "train"
TRANSFORMED_SPLITS = ("train", "eval")
"""The test split is transformed only by the model, which contains the graph."""
MATERIALIZE_KEY = "materialize"
SPLIT_NAMES = json.dumps(list(TRANSFORMED_SPLITS))
"""As TFX encodes them."""
TRANSFORMED_PROPERTIES: dict[str, dict[str, Any]] = {"properties": {"split_names": SPLIT_NAMES}, "custom_properties": {}}
"""What TFX's readers are told of the transformed examples."""


def run(
    inputs: Mapping[str, Path],
    outputs: Mapping[str, Path],
    config: Mapping[str, Any],
    make_pipeline: Callable[[], Any],
    kept: Path | None = None,
) -> None:
    """Writes the transform graph and the transformed examples.

    Args:
        inputs: Folders of `examples` and `schema`.
        outputs: Folders to write `transform_graph` and `transformed_examples` to; they need not be there.
        config: As `Job.recipe_config` makes it, and under MATERIALIZE_KEY whether the graph is to be applied.
        make_pipeline: Makes an empty Beam pipeline on a local runner.
        kept: Folder of what is kept of the analysis of spans; it need not be there. None if nothing is.

    Raises: As `analysis.analyse` and `materialise.materialise`.
    """
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    from components.transform.analysis import analyse
    from components.transform.materialise import link_raw, materialise
    from components.transform.preprocessing import SCHEMA_KEY, preprocessing_fn

    (schema_file,) = inputs["schema"].iterdir()
    text = schema_file.read_text(encoding="utf-8")
    function = partial(preprocessing_fn, custom_config={**config, SCHEMA_KEY: text})
    files = sorted((inputs["examples"] / f"Split-{ANALYZED_SPLIT}").iterdir())
    for folder in outputs.values():
        folder.mkdir(parents=True, exist_ok=True)
    analyse(files, text_format.Parse(text, schema_pb2.Schema()), function, outputs["transform_graph"], make_pipeline, kept)
    if config[MATERIALIZE_KEY]:
        materialise(outputs["transform_graph"], inputs["examples"], outputs["transformed_examples"], TRANSFORMED_SPLITS)
    else:
        link_raw(inputs["examples"], outputs["transformed_examples"], TRANSFORMED_SPLITS)
