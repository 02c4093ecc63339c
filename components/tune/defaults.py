"""The component that stands in for the Tuner where tune.max_trials is 0: it writes the recipe's defaults."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tfx import types
from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.types import artifact_utils, component_spec, standard_artifacts

from components.tune.component import TRIALS_FILE

NO_SEARCH: dict[str, Any] = {"max_trials": 0, "trials": []}
"""What `trials.json` says then."""


class RecipeDefaultsExecutor(base_executor.BaseExecutor):
    """Builds the model once, so that the recipe names its hyperparameters, and writes their defaults."""

    def Do(self, input_dict: dict[str, Any], output_dict: dict[str, Any], exec_properties: dict[str, Any]) -> None:
        import keras_tuner
        import tensorflow_data_validation as tfdv
        import tensorflow_transform as tft

        from components.bridge.recipe import create_recipe
        from components.train.fitting import LABEL_KEY

        (schema_file,) = Path(artifact_utils.get_single_uri(input_dict["schema"])).iterdir()
        recipe = create_recipe(json.loads(exec_properties["config"]), tfdv.load_schema_text(str(schema_file)))
        transform_output = tft.TFTransformOutput(artifact_utils.get_single_uri(input_dict["transform_graph"]))
        spec = transform_output.transformed_feature_spec()
        recipe.set_features({name: value for name, value in spec.items() if name != LABEL_KEY}, transform_output)
        hp = keras_tuner.HyperParameters()
        recipe.build(hp)
        # The names and layout that the stock Tuner writes and the Trainer reads.
        best = Path(artifact_utils.get_single_uri(output_dict["best_hyperparameters"]))
        best.mkdir(parents=True, exist_ok=True)
        (best / "best_hyperparameters.txt").write_text(json.dumps(hp.get_config()), encoding="utf-8")
        results = Path(artifact_utils.get_single_uri(output_dict["tuner_results"]))
        results.mkdir(parents=True, exist_ok=True)
        (results / TRIALS_FILE).write_text(json.dumps(NO_SEARCH, indent=1) + "\n", encoding="utf-8")


class RecipeDefaultsSpec(component_spec.ComponentSpec):
    """The Tuner's inputs and outputs that are needed."""

    PARAMETERS = {"config": component_spec.ExecutionParameter(type=str)}
    INPUTS = {
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "transform_graph": component_spec.ChannelParameter(type=standard_artifacts.TransformGraph),
        "schema": component_spec.ChannelParameter(type=standard_artifacts.Schema),
    }
    OUTPUTS = {
        "best_hyperparameters": component_spec.ChannelParameter(type=standard_artifacts.HyperParameters),
        "tuner_results": component_spec.ChannelParameter(type=standard_artifacts.TunerResults),
    }


class RecipeDefaults(base_component.BaseComponent):
    """See `RecipeDefaultsExecutor`."""

    SPEC_CLASS = RecipeDefaultsSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(RecipeDefaultsExecutor)

    def __init__(
        self,
        examples: types.BaseChannel,
        transform_graph: types.BaseChannel,
        schema: types.BaseChannel,
        config: dict[str, Any],
    ) -> None:
        super().__init__(
            spec=RecipeDefaultsSpec(
                examples=examples,
                transform_graph=transform_graph,
                schema=schema,
                config=json.dumps(config),
                best_hyperparameters=types.Channel(type=standard_artifacts.HyperParameters),
                tuner_results=types.Channel(type=standard_artifacts.TunerResults),
            )
        )
