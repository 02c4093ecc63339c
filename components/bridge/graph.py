"""The TFX components of each stage.

The same objects run as a DVC stage (`stage`), where the inputs are folders, and in a plain `tfx` pipeline (`tfx_pipeline`),
where the inputs are the outputs of the stages before. Each stage imports only what it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.bridge.beam import runs_here
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

    component = Transform if runs_here(job.shared.beam) else BeamTransform
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

    # "auto" materializes, which pays off by the second or third reading of any data measured: docs/speed.md.
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
    from components.evaluate.report_component import ModelReport

    inputs = {key: channels[key] for key in ("examples", "model", "schema")}
    evaluator: BaseComponent
    if runs_here(job.shared.beam):
        from components.evaluate.evaluator import Evaluator

        evaluator = Evaluator(**inputs, params=job.params.evaluate, seed=job.shared.seed)
    else:
        from components.evaluate.tfma_evaluator import TfmaEvaluator

        evaluator = TfmaEvaluator(**inputs, params=job.params.evaluate)
    report = ModelReport(
        **inputs,
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
        ahead: What `begin_ahead` gave.
    """

    job: Job
    inputs: Mapping[str, Path]
    folder: Path
    temporary: Path
    properties: Mapping[str, Any]
    ahead: Any


def _ingest_plainly(run: Plainly) -> dict[str, Properties]:
    from components.ingest import plain

    for key in ("examples", "ingest_report"):
        (run.folder / key).mkdir()
    properties = plain.exec_properties(run.job.params.data, run.job.reviewed_schema)
    state = run.temporary / "Ingest" if plain.keeps_state(properties) else None  # as TFX names it
    plain.run(properties, run.folder / "examples", run.folder / "ingest_report", state)
    return {"examples": plain.EXAMPLES_PROPERTIES, "ingest_report": {}}


def _validate_plainly(run: Plainly) -> dict[str, Properties]:
    from components.drift.found import Champion
    from components.drift.settings import settings_of
    from components.validate.plain import run as validate

    return validate(
        run.inputs["examples"],
        settings_of(run.job.params),
        run.job.params.validate_,
        run.job.schema_file if run.job.reviewed_schema is not None else None,
        Champion(
            run.inputs.get("baseline_profile"),
            run.properties.get("baseline_version", ""),
            run.properties.get("baseline_reason", "this run knows no registry"),
        ),
        run.folder,
        run.temporary,
    )


def _validates_plainly(job: Job) -> bool:
    from components.validate.counting import needs_tfdv

    return runs_here(job.shared.beam) and not needs_tfdv(job.reviewed_schema)


def _transform_plainly(run: Plainly) -> dict[str, Properties]:
    from components.bridge.beam import new_pipeline
    from components.transform import plain

    to = {key: run.folder / key for key in ("transform_graph", "transformed_examples")}
    kept = run.temporary / "Transform" if run.job.params.data.has_spans else None
    plain.run(run.inputs, to, _transform_config(run.job), partial(new_pipeline, run.job.shared.beam), kept)
    return {"transform_graph": {}, "transformed_examples": plain.TRANSFORMED_PROPERTIES}


def _evaluate_plainly(run: Plainly) -> dict[str, Properties]:
    from components.evaluate import plain

    params, seed = run.job.params, run.job.shared.seed
    to = {key: run.folder / key for key in ("evaluation", "blessing", "report", "canary")}
    model_name = params.register_.model_name
    blessing = plain.run(run.inputs, to, params.evaluate, seed=seed, model_name=model_name, canary=run.ahead)
    return {**{key: {} for key in to}, "blessing": {"properties": {}, "custom_properties": blessing}}


def _register_plainly(run: Plainly) -> dict[str, Properties]:
    from components.register.register import register

    known = {key: run.properties[key] for key in ("tracking_uri", "train_run_id") if key in run.properties}
    model_name = run.job.params.register_.model_name
    register(run.inputs, run.folder / "registration", model_name=model_name, pipeline=run.job.name, **known)
    return {"registration": {}}


WITHOUT_TFX: dict[str, Callable[[Plainly], dict[str, Properties]]] = {
    "ingest": _ingest_plainly,
    "validate": _validate_plainly,
    "transform": _transform_plainly,
    "evaluate": _evaluate_plainly,
    "register": _register_plainly,
}
"""Stage → function that does what the executors of its components do, which need not import TFX, whereas components do.

It returns the properties of each artifact that it wrote, as `artifact_folder.write_properties` takes them. `runs_without_tfx`
tells whether it may be used."""


_IF: dict[str, Callable[[Job], bool]] = {
    "validate": _validates_plainly,
    "transform": lambda job: runs_here(job.shared.beam),
    "evaluate": lambda job: runs_here(job.shared.beam),
}


def runs_without_tfx(stage: str, job: Job) -> bool:
    """Whether the stage has a function in `WITHOUT_TFX` that does what its components would do."""
    return stage in WITHOUT_TFX and (stage not in _IF or _IF[stage](job))


def begin_ahead(stage: str, job: Job) -> AbstractContextManager[Any]:
    """What a function of `WITHOUT_TFX` needs and takes long to come, so that it is begun before the stage's run is opened.

    Of evaluate the canary's process, which imports TensorFlow (`evaluate.canary`); None of the others. The context ends it.
    """
    if stage == "evaluate" and runs_without_tfx(stage, job):
        from components.evaluate.model_report import canary_of

        return canary_of(job.params.evaluate)
    return nullcontext()


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
