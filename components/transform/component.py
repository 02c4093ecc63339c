"""TFX's Transform, whose preprocessing function also sees the schema, and whose examples are the same bytes every time.

A recipe takes its features from the schema, which is an artifact and so is known only at run time; stock Transform tells
the preprocessing function nothing but the custom config. It also writes the features of an example in an order that differs
from process to process, into one gzip file, which can't be read in parallel.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from tfx.components.transform import component, executor
from tfx.dsl.components.base import base_beam_executor, executor_spec
from tfx.types import artifact_utils
from tfx.utils import json_utils

from components.examples_table import decode, read_serialized
from components.tf_example import encode
from components.tfrecord_writer import ShardWriter, frame
from components.transform import plain
from components.transform.materialise import link_raw
from components.transform.preprocessing import SCHEMA_KEY


class TransformExecutor(base_beam_executor.BaseBeamExecutor):
    """Runs `plain.run`: Beam analyses on a local runner, and this process transforms."""

    def Do(self, input_dict: dict[str, Any], output_dict: dict[str, Any], exec_properties: dict[str, Any]) -> None:
        """Writes the transform graph and the transformed examples. Raises: As `plain.run`."""
        self._log_startup(input_dict, output_dict, exec_properties)
        inputs, outputs = (
            {key: Path(artifact_utils.get_single_uri(artifacts)) for key, artifacts in each.items()}
            for each in (input_dict, output_dict)
        )
        plain.run(inputs, outputs, json_utils.loads(exec_properties["custom_config"]), self._make_beam_pipeline)
        artifact_utils.get_single_instance(output_dict["transformed_examples"]).split_names = plain.SPLIT_NAMES


class BeamTransformExecutor(executor.Executor):
    """TFX's own, for any Beam runner; puts the text of the schema into the custom config, and writes the examples anew."""

    def Do(self, input_dict: dict[str, Any], output_dict: dict[str, Any], exec_properties: dict[str, Any]) -> None:
        (schema_file,) = Path(artifact_utils.get_single_uri(input_dict["schema"])).iterdir()
        config = json_utils.loads(exec_properties["custom_config"])
        config[SCHEMA_KEY] = schema_file.read_text(encoding="utf-8")
        properties = {**exec_properties, "custom_config": json_utils.dumps(config)}
        examples = Path(artifact_utils.get_single_uri(input_dict["examples"]))
        transformed = Path(artifact_utils.get_single_uri(output_dict["transformed_examples"]))
        if not config[plain.MATERIALIZE_KEY]:
            super().Do(input_dict, {"transform_graph": output_dict["transform_graph"]}, properties)
            link_raw(examples, transformed, plain.TRANSFORMED_SPLITS)
            artifact_utils.get_single_instance(output_dict["transformed_examples"]).split_names = plain.SPLIT_NAMES
            return
        super().Do(input_dict, output_dict, properties)
        for split in sorted(transformed.glob("Split-*")):
            rewrite(split, num_shards=max(1, len(list((examples / split.name).iterdir()))))


def rewrite(folder: Path, num_shards: int) -> None:
    """Replaces the TFRecord files in `folder` by `num_shards` plain ones of the same records, features sorted by name."""
    written = folder.with_name(f".{folder.name}.rewritten")
    writer = ShardWriter(written, num_shards)
    for batch in read_serialized(folder.parent, folder.name.removeprefix("Split-")):
        columns = decode(batch)
        writer.write(frame(encode(dict(zip(columns.schema.names, columns.columns, strict=True)), columns.num_rows)))
    shutil.rmtree(folder)
    written.rename(folder)


class Transform(component.Transform):
    """See `TransformExecutor`."""

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(TransformExecutor)


class BeamTransform(component.Transform):
    """See `BeamTransformExecutor`."""

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(BeamTransformExecutor)
