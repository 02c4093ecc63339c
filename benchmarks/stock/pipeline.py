"""Stock TFX: `python -m benchmarks.stock.pipeline DATA_FOLDER ROOT [STEPS]`; prints `component NAME` before each of them.

The pipeline of tfx/examples/chicago_taxi_pipeline/taxi_pipeline_native_keras.py unmodified, on the LocalDagRunner
and in memory, but that there is a third split, test, on which the Evaluator judges, as here.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any


def main(data: Path, root: Path, num_steps: int = 1000) -> None:
    """Runs the pipeline."""
    import tensorflow_model_analysis as tfma
    from tfx import v1 as tfx
    from tfx.examples.chicago_taxi_pipeline import taxi_utils_native_keras
    from tfx.orchestration.portable import launcher

    from components.bridge.beam import FN_API_RUNNER

    launch = launcher.Launcher.launch

    def told(self: Any) -> Any:
        print(f"component {self._pipeline_node.node_info.id}", flush=True)
        return launch(self)

    launcher.Launcher.launch = told
    shares = [tfx.proto.SplitConfig.Split(name=name, hash_buckets=buckets) for name, buckets in SPLITS.items()]
    examples = tfx.components.CsvExampleGen(
        input_base=str(data), output_config=tfx.proto.Output(split_config=tfx.proto.SplitConfig(splits=shares))
    )
    statistics = tfx.components.StatisticsGen(examples=examples.outputs["examples"])
    schema = tfx.components.SchemaGen(statistics=statistics.outputs["statistics"], infer_feature_shape=True)
    validator = tfx.components.ExampleValidator(statistics=statistics.outputs["statistics"], schema=schema.outputs["schema"])
    transform = tfx.components.Transform(
        examples=examples.outputs["examples"], schema=schema.outputs["schema"], module_file=taxi_utils_native_keras.__file__
    )
    trainer = tfx.components.Trainer(
        module_file=taxi_utils_native_keras.__file__,
        examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        schema=schema.outputs["schema"],
        train_args=tfx.proto.TrainArgs(num_steps=num_steps),
        eval_args=tfx.proto.EvalArgs(num_steps=150),
    )
    resolver = tfx.dsl.Resolver(
        strategy_class=tfx.dsl.experimental.LatestBlessedModelStrategy,
        model=tfx.dsl.Channel(type=tfx.types.standard_artifacts.Model),
        model_blessing=tfx.dsl.Channel(type=tfx.types.standard_artifacts.ModelBlessing),
    ).with_id("latest_blessed_model_resolver")
    threshold = tfma.MetricThreshold(value_threshold=tfma.GenericValueThreshold(lower_bound={"value": 0.6}))
    config = tfma.EvalConfig(
        model_specs=[
            tfma.ModelSpec(
                signature_name="serving_default", label_key="tips_xf", preprocessing_function_names=["transform_features"]
            )
        ],
        slicing_specs=[tfma.SlicingSpec()],
        metrics_specs=[tfma.MetricsSpec(metrics=[tfma.MetricConfig(class_name="BinaryAccuracy", threshold=threshold)])],
    )
    evaluator = tfx.components.Evaluator(
        examples=examples.outputs["examples"],
        model=trainer.outputs["model"],
        baseline_model=resolver.outputs["model"],
        eval_config=config,
        example_splits=["test"],
    )
    pusher = tfx.components.Pusher(
        model=trainer.outputs["model"],
        model_blessing=evaluator.outputs["blessing"],
        push_destination=tfx.proto.PushDestination(
            filesystem=tfx.proto.PushDestination.Filesystem(base_directory=str(root / "pushed"))
        ),
    )
    steps = [examples, statistics, schema, validator, transform, trainer, resolver, evaluator, pusher]
    pipeline = tfx.dsl.Pipeline(
        pipeline_name="taxi",
        pipeline_root=str(root / "artifacts"),
        components=steps,
        enable_cache=True,
        metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(str(root / "metadata.db")),
        beam_pipeline_args=[f"--runner={FN_API_RUNNER}"],  # in memory; DirectRunner would try to download Prism
    )
    tfx.orchestration.LocalDagRunner().run(pipeline)


SPLITS = {"train": 70, "eval": 15, "test": 15}

if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:]))
