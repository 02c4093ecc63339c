"""Gradient boosted trees by YDF (Guillame-Bert et al. 2023, "Yggdrasil Decision Forests"; Friedman 2001), and their files.

The same examples in the same order, settings and seed give the same files, to the byte.
"""

from __future__ import annotations

import os
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import ydf
from yggdrasil_decision_forests.dataset import data_spec_pb2
from yggdrasil_decision_forests.model import abstract_model_pb2
from yggdrasil_decision_forests.model.gradient_boosted_trees import gradient_boosted_trees_pb2

from recipes.contract import RecipeError
from recipes.forest.table import Table

PREFIX = "forest_"
"""Of the names of a forest's files; what exports a SavedModel draws a random one otherwise."""


def grow(
    settings: Mapping[str, Any], table: Table, label: str, classes: Sequence[str], weights: np.ndarray | None, num_steps: int
) -> Any:
    """A YDF model of `num_steps` trees, or of as many for each class where there are more than two.

    Args:
        settings: As `ForestLayer` holds them.
        table: The training examples.
        label: Its name, for descriptions.
        classes: Names by id; empty for a regression and a ranking.
        weights: Of each example; None counts them alike.
        num_steps: Steps of boosting.

    Raises: RecipeError if all labels are the same class, of which no tree learns anything.
    """
    data = ydf_data(table, label, classes)
    if classes and len(np.unique(table.labels)) < 2:
        raise RecipeError(
            f"data.label: all {len(table):,} training examples are of the class '{classes[int(table.labels[0])]}'. Expected "
            "two classes or more: check the label, or split the data in another way (data.split)."
        )
    weight = None
    ranking = {}
    if table.groups is not None:
        ranking = {"ranking_group": group_name(table, label), "ndcg_truncation": table.groups.truncation}
    if weights is not None:
        weight = _new_name("weight", data)
        data[weight] = weights.astype(np.float32)
    categorical = {"min_vocab_frequency": settings["min_category_count"], "max_vocab_count": settings["max_categories"]}
    features = [
        ydf.Column(name, ydf.Semantic.CATEGORICAL, **categorical)
        if values.dtype.kind == "S"
        else ydf.Column(name, ydf.Semantic.NUMERICAL)
        for name, values in table.columns.items()
    ]
    best_first = settings["growing_strategy"] == "best_first"
    learner = ydf.GradientBoostedTreesLearner(
        label=label,
        task=ydf.Task.RANKING if ranking else ydf.Task.CLASSIFICATION if classes else ydf.Task.REGRESSION,
        weights=weight,
        features=features,
        num_trees=num_steps,
        # The recipe stops by the metric that train.early_stopping names; YDF knows only the loss.
        early_stopping="NONE",
        validation_ratio=0.0,
        shrinkage=settings["shrinkage"],
        max_depth=settings["max_depth"],
        min_examples=settings["min_examples"],
        subsample=settings["subsample"],
        num_candidate_attributes_ratio=settings["feature_share"],
        l2_regularization=settings["l2"],
        growing_strategy="BEST_FIRST_GLOBAL" if best_first else "LOCAL",
        max_num_nodes=settings["max_num_nodes"] if best_first else None,
        random_seed=settings["seed"],
        # With one thread YDF draws its random numbers in another order than with several, however many.
        num_threads=max(2, os.cpu_count() or 2),
        **ranking,
    )
    return learner.train(data, verbose=0)


def ydf_data(table: Table, label: str, classes: Sequence[str]) -> dict[str, np.ndarray]:
    """Columns, label, and groups of a ranking, as YDF takes them: classes by their names."""
    labels = np.array([name.encode() for name in classes])[table.labels] if classes else table.labels.astype(np.float32)
    groups = {} if table.groups is None else {group_name(table, label): table.groups.ids}
    return {**table.columns, label: labels, **groups}


def group_name(table: Table, label: str) -> str:
    """What the groups of a ranking are called beside the columns and the label."""
    return _new_name("group", (*table.columns, label))


def _new_name(name: str, taken: Container[str]) -> str:
    while name in taken:
        name += "_"
    return name


def write_files(model: Any, folder: Path, num_steps: int) -> None:
    """Saves the first steps of a model that `grow` made.

    What YDF saves differs from time to time: maps come in any order, and the time and a random id are among the metadata. It
    also goes on telling the importances and the losses of trees that were taken away.
    """
    while model.num_trees() > num_steps * model.num_trees_per_iteration():
        model.remove_tree(model.num_trees() - 1)
    model.set_metadata(ydf.ModelMetadata(framework="Python YDF"))
    model.save(str(folder), advanced_options=ydf.ModelIOOptions(file_prefix=PREFIX))

    def rewrite(file: str, message: Any, change: Any = None) -> None:
        path = folder / f"{PREFIX}{file}.pb"
        message.ParseFromString(path.read_bytes())
        if change is not None:
            change(message)
        path.write_bytes(message.SerializeToString(deterministic=True))

    def cut(header: Any) -> None:
        del header.training_logs.entries[num_steps:]
        header.training_logs.number_of_trees_in_final_model = model.num_trees()

    rewrite("data_spec", data_spec_pb2.DataSpecification())
    rewrite("header", abstract_model_pb2.AbstractModel(), lambda header: header.ClearField("precomputed_variable_importances"))
    rewrite("gradient_boosted_trees_header", gradient_boosted_trees_pb2.Header(), cut)


def read_files(folder: Path) -> Any:
    """The YDF model that `write_files` saved."""
    before = ydf.verbose(0)  # it prints
    try:
        return ydf.load_model(str(folder), advanced_options=ydf.ModelIOOptions(file_prefix=PREFIX))
    finally:
        ydf.verbose(before)
