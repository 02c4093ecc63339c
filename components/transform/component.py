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
from tfx.dsl.components.base import executor_spec
from tfx.types import artifact_utils
from tfx.utils import json_utils

from components.examples_table import decode, read_serialized
from components.tf_example import encode
from components.tfrecord_writer import ShardWriter, frame

SCHEMA_KEY = "schema_text"


class TransformExecutor(executor.Executor):
    """Puts the text of the schema into the custom config, under SCHEMA_KEY, and writes the examples anew in a fixed form."""

    def Do(self, input_dict: dict[str, Any], output_dict: dict[str, Any], exec_properties: dict[str, Any]) -> None:
        (schema_file,) = Path(artifact_utils.get_single_uri(input_dict["schema"])).iterdir()
        config = json_utils.loads(exec_properties["custom_config"])
        config[SCHEMA_KEY] = schema_file.read_text(encoding="utf-8")
        super().Do(input_dict, output_dict, {**exec_properties, "custom_config": json_utils.dumps(config)})
        examples = Path(artifact_utils.get_single_uri(input_dict["examples"]))
        for split in sorted(Path(artifact_utils.get_single_uri(output_dict["transformed_examples"])).glob("Split-*")):
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
