"""The TFX components of each stage.

The same objects run as a DVC stage (`stage`), where the inputs are folders, and in a plain `tfx` pipeline (`tfx_pipeline`),
where the inputs are the outputs of the stages before. Each stage imports only what it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.bridge.beam import runs_locally
from components.bridge.job import Job

if TYPE_CHECKING:
    from tfx.dsl.components.base.base_component import BaseComponent
    from tfx.types import BaseChannel

    Properties = Mapping[str, Mapping[str, Any]]
    Channels = Mapping[str, BaseChannel]
    Builder = Callable[[Job, Channels], list[BaseComponent]]


def _ingest(job: Job, channels: Channels) -> list[BaseComponent]:
    from components.ingest.component import Ingest

    return [Ingest(data=job.params.data, schema=job.reviewed_schema)]


def _validate(job: Job, channels: Channels) -> list[BaseComponent]:
    from tfx.components.schema_gen.import_schema_gen.component import ImportSchemaGen

    from components.drift.component import DataDrift
    from components.drift.settings import settings_of
    from components.validate.example_validator import ExampleValidator
    from components.validate.schema_gen import SchemaGen
    from components.validate.statistics_gen import StatisticsGen

    settings = settings_of(job.params)
    columns = settings.columns
    schema: Any
    if job.reviewed_schema is not None:
        schema = ImportSchemaGen(schema_file=str(job.schema_file))
        # With the schema, codes that it calls categorical are counted by value, as strings are.
        statistics = StatisticsGen(examples=channels["examples"], columns=columns, schema=schema.outputs["schema"])
        first = [schema, statistics]
    else:
        statistics = StatisticsGen(examples=channels["examples"], columns=columns)
        schema = SchemaGen(statistics=statistics.outputs["statistics"], columns=columns)
        first = [statistics, schema]
    validator = ExampleValidator(
        statistics=statistics.outputs["statistics"],
        schema=schema.outputs["schema"],
        examples=channels["examples"],
        on_anomaly=job.params.validate_.on_anomaly,
        num_shown=job.params.validate_.num_shown,
    )
    drift = DataDrift(
        examples=channels["examples"],
        schema=schema.outputs["schema"],
        settings=settings,
        baseline_profile=channels.get("baseline_profile"),
    )
    return [*first, validator, drift]


def _transform(job: Job, channels: Channels) -> list[BaseComponent]:
    from tfx.proto import transform_pb2

    from components.transform.component import BeamTransform, Transform

    component = Transform if runs_locally(job.shared.beam) else BeamTransform
    splits = transform_pb2.SplitsConfig(analyze=["train"], transform=["train", "eval"])
    return [
        component(
            examples=channels["examples"],
            schema=channels["schema"],
            preprocessing_fn="components.transform.preprocessing.preprocessing_fn",
            splits_config=splits,
            disable_analyzer_cache=True,
            disable_statistics=True,
            custom_config=_transform_config(job),
        )
    ]


def _transform_config(job: Job) -> dict[str, Any]:
    from components.transform.plain import MATERIALIZE_KEY

    # "auto" materializes: benchmarks/materialize.py and docs/speed.md say why.
    return {**job.recipe_config(), MATERIALIZE_KEY: job.params.transform.materialize is not False}


def _tune(job: Job, channels: Channels) -> list[BaseComponent]:
    inputs = {
        "examples": channels["transformed_examples"],
        "transform_graph": channels["transform_graph"],
        "schema": channels["schema"],
    }
    if job.params.tune.max_trials == 0:
        from components.tune.defaults import RecipeDefaults

        return [RecipeDefaults(**inputs, config=job.recipe_config())]
    from components.tune.component import Tuner

    return [Tuner(**inputs, tuner_fn="components.tune.tuner_fn.tuner_fn", custom_config=job.recipe_config())]


def _train(job: Job, channels: Channels) -> list[BaseComponent]:
    from components.train.component import Trainer

    return [
        Trainer(
            examples=channels["transformed_examples"],
            transform_graph=channels["transform_graph"],
            schema=channels["schema"],
            hyperparameters=channels["best_hyperparameters"],
            run_fn="components.train.run_fn.run_fn",
            custom_config=job.recipe_config(),
        )
    ]


def _evaluate(job: Job, channels: Channels) -> list[BaseComponent]:
    from components.evaluate.evaluator import Evaluator
    from components.evaluate.report_component import ModelReport

    evaluator = Evaluator(
        examples=channels["examples"], model=channels["model"], schema=channels["schema"], params=job.params.evaluate
    )
    report = ModelReport(
        examples=channels["examples"],
        model=channels["model"],
        schema=channels["schema"],
        evaluation=evaluator.outputs["evaluation"],
        blessing=evaluator.outputs["blessing"],
        anomalies=channels["anomalies"],
        baseline_model=channels.get("baseline_model"),
        params=job.params.evaluate,
        seed=job.shared.seed,
        model_name=job.params.register_.model_name,
    )
    return [evaluator, report]


def _register(job: Job, channels: Channels) -> list[BaseComponent]:
    from components.register.component import Register

    return [
        Register(
            model=channels["model"],
            report=channels["report"],
            examples=channels["examples"],
            profile=channels["profile"],
            model_name=job.params.register_.model_name,
            pipeline=job.name,
        )
    ]


STAGES: dict[str, Builder] = {
    "ingest": _ingest,
    "validate": _validate,
    "transform": _transform,
    "tune": _tune,
    "train": _train,
    "evaluate": _evaluate,
    "register": _register,
}
"""Stage → function from the job and the channels of the artifacts made before (by output key) to its components, in order."""


@dataclass(frozen=True)
class Plainly:
    """What a function of `WITHOUT_TFX` works with.

    Attributes:
        job: The pipeline.
        inputs: Folders of the artifacts that are there already, by output key.
        folder: Where to write artifacts, each under its key.
        temporary: For whatever else, and for what ingest keeps.
        properties: Exec properties that only this run knows.
    """

    job: Job
    inputs: Mapping[str, Path]
    folder: Path
    temporary: Path
    properties: Mapping[str, Any]


def _ingest_plainly(run: Plainly) -> dict[str, Properties]:
    from components.ingest import plain

    for key in ("examples", "ingest_report"):
        (run.folder / key).mkdir()
    properties = plain.exec_properties(run.job.params.data, run.job.reviewed_schema)
    state = run.temporary / "Ingest" if plain.keeps_state(properties) else None  # as TFX names it
    plain.run(properties, run.folder / "examples", run.folder / "ingest_report", state)
    return {"examples": plain.EXAMPLES_PROPERTIES, "ingest_report": {}}


def _transform_plainly(run: Plainly) -> dict[str, Properties]:
    from components.bridge.beam import new_pipeline
    from components.transform import plain

    to = {key: run.folder / key for key in ("transform_graph", "transformed_examples")}
    kept = run.temporary / "Transform" if run.job.params.data.has_spans else None
    plain.run(run.inputs, to, _transform_config(run.job), partial(new_pipeline, run.job.shared.beam), kept)
    return {"transform_graph": {}, "transformed_examples": plain.TRANSFORMED_PROPERTIES}


WITHOUT_TFX: dict[str, Callable[[Plainly], dict[str, Properties]]] = {
    "ingest": _ingest_plainly,
    "transform": _transform_plainly,
}
"""Stage → function that does what the executors of its components do, which need not import TFX, whereas components do.

It returns the properties of each artifact that it wrote, as `artifact_folder.write_properties` takes them. `runs_without_tfx`
tells whether it may be used."""


def runs_without_tfx(stage: str, job: Job) -> bool:
    """Whether the stage has a function in `WITHOUT_TFX` that does what its components would do."""
    return stage in WITHOUT_TFX and (stage != "transform" or runs_locally(job.shared.beam))


INPUTS: dict[str, tuple[str, ...]] = {
    "ingest": (),
    "validate": ("examples",),
    "transform": ("examples", "schema"),
    "tune": ("transformed_examples", "transform_graph", "schema"),
    "train": ("transformed_examples", "transform_graph", "schema", "best_hyperparameters"),
    "evaluate": ("examples", "model", "schema", "anomalies"),
    "register": ("model", "report", "examples", "profile"),
}
"""Stage → the artifacts of earlier stages that it reads."""
