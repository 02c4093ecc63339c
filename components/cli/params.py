"""`tensorline params NAME`: the parameters as the stages see them."""

from __future__ import annotations

import json
import sys

import click

from components.params.load import load_pipeline, section_models
from components.params.models import PipelineParams


@click.command("params")
@click.argument("name")
@click.option("--schema", is_flag=True, help="Print the JSON schema of the file instead.")
def command(name: str, schema: bool) -> None:
    """Prints pipelines/NAME/params.yaml, defaults filled in, as YAML."""
    params = load_pipeline(name)
    if schema:
        document = PipelineParams.model_json_schema(by_alias=True)
        for section, model in section_models(params.recipe).items():
            part = model.model_json_schema()
            document["$defs"].update(part.pop("$defs", {}))
            document["properties"][section] = part
        print(json.dumps(document, indent=2))
        return
    from ruamel.yaml import YAML

    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = False
    writer.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    values = params.model_dump(mode="json", by_alias=True)
    for section in section_models(params.recipe):
        values[section] = getattr(params, section).model_dump(mode="json")
    writer.dump(values, sys.stdout)
