"""Birds, each explained by the model that the pipeline penguins trained."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from components.bridge.job import Job
from components.errors import UserError
from components.explain.explainer import Explainer
from components.explain.quadrature import far
from components.predict.model import Model
from components.predict.predict import Name, predict

BIRDS = "data/penguins/penguins.csv"


@pytest.fixture(scope="module")
def explained(penguins: Path, tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """All birds: the output with explanations, and without."""
    job = Job.load("penguins", penguins)
    model = Model(job.artifact("model"))
    folder = tmp_path_factory.mktemp("explained")
    name, schema, data = Name("penguins", "1"), job.reviewed_schema, job.params.data

    def ask(output: str, *, explain: bool) -> pd.DataFrame:
        predict(data, schema, model, name, str(penguins / BIRDS), folder / output, explain=explain)
        return pd.read_csv(folder / output, float_precision="round_trip")

    return SimpleNamespace(model=model, table=ask("a.csv", explain=True), plain=ask("b.csv", explain=False), job=job)


def test_columns_stand_between_answer_and_model(explained: SimpleNamespace) -> None:
    table, inputs = explained.table, explained.model.inputs
    added = ["explained", "explained_value", "explained_baseline", "explained_gap"]
    attributions = [name for name in table if name.startswith("attribution_")]
    assert sorted(attributions) == [f"attribution_{name}" for name in sorted(inputs)]
    without = [name for name in table if name not in (*added, *attributions)]
    pd.testing.assert_frame_equal(table[without], explained.plain)
    assert list(table)[-2:] == ["model", "model_version"]


def test_they_add_up_to_the_log_odds_of_the_answer(explained: SimpleNamespace) -> None:
    table = explained.table
    assert (table["explained"] == table["label"]).all()
    probability = table[[f"probability_{name}" for name in explained.model.info.class_names]].max(axis=1)
    unsaturated = probability < 0.999
    assert unsaturated.sum() > 30
    expected = np.log(probability / (1.0 - probability))
    np.testing.assert_allclose(table["explained_value"][unsaturated], expected[unsaturated], rtol=1e-3, atol=1e-3)
    attributions = table.filter(like="attribution_")
    gap = table["explained_value"] - table["explained_baseline"] - attributions.sum(axis=1)
    np.testing.assert_allclose(table["explained_gap"], gap, atol=1e-4)
    distance = table["explained_value"] - table["explained_baseline"]
    assert not far(gap.to_numpy(), distance.to_numpy(), attributions.abs().sum(axis=1).to_numpy()).any()


def test_one_baseline_a_class(explained: SimpleNamespace) -> None:
    assert (explained.table.groupby("label")["explained_baseline"].nunique() == 1).all()


def test_no_example(explained: SimpleNamespace) -> None:
    explainer = explained.model.explainer()
    found = explainer.explain(pa.array([], pa.binary()))
    assert {name: array.type for name, array in found.items()} == dict(
        zip(explainer.schema.names, explainer.schema.types, strict=True)
    )


def test_a_model_of_before(explained: SimpleNamespace, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(explained.job.artifact("model"), folder)
    told = json.loads((folder / "model.json").read_text())
    del told["explain"]
    (folder / "model.json").write_text(json.dumps(told))
    with pytest.raises(UserError, match=r"^--explain: the model was trained before models could explain themselves"):
        Explainer(folder, explained.model._loaded, explained.model.info)
