"""What the sections `transform` and `model` of a forest may hold."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Name = Annotated[str, StringConstraints(min_length=1)]


class ForestParams(BaseModel):
    """Base of both sections: strict, frozen, no unknown keys."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class TransformParams(ForestParams):
    """Which columns the trees see, as numbers or as categories.

    The schema says what a column is: FLOAT and INT are numbers; BYTES, and INT with `is_categorical`, are categories. Trees
    need no scaling, no buckets and no crosses: they find thresholds and combinations themselves.
    """

    ignore: list[Name] = Field(default=[], description="Columns that are no features.")
    categories: list[Name] = Field(default=[], description="INT columns whose numbers are names: no threshold divides them.")


class ModelParams(ForestParams):
    """How trees grow; the values that are taken where nothing is tuned.

    How many trees there are is `train.epochs`, less what early stopping takes away; by how much each changes the answer is
    `train.learning_rate` (the shrinkage).
    """

    task: Literal["classification", "regression", "ranking"] | None = Field(
        default=None, description="None: classification of a label whose classes the schema lists, else regression."
    )
    group: Name | None = Field(
        default=None, description="Of a ranking: the column whose value the examples share that are ordered among each other."
    )
    ndcg_truncation: Literal[1, 3, 5, 10] = Field(
        default=5, description="Of a ranking: so many of the first places count, in the loss and in the key metric."
    )
    max_depth: Annotated[int, Field(ge=2, le=64)] = Field(default=6, description="Of a tree; one split makes it 2 deep.")
    min_examples: Annotated[int, Field(ge=1)] = Field(default=5, description="Of a leaf.")
    subsample: Annotated[float, Field(gt=0.0, le=1.0)] = Field(default=1.0, description="Share of the examples of each tree.")
    feature_share: Annotated[float, Field(gt=0.0, le=1.0)] = Field(
        default=1.0, description="Share of the features, drawn anew, among which each split is chosen."
    )
    l2: Annotated[float, Field(ge=0.0)] = Field(default=0.0, description="On the values of the leaves.")
    growing_strategy: Literal["local", "best_first"] = Field(
        default="local", description="Each node by itself, down to max_depth; or always the best one, up to max_num_nodes."
    )
    max_num_nodes: Annotated[int, Field(ge=2)] = Field(default=31, description="Leaves of a tree; of best_first only.")
    min_category_count: Annotated[int, Field(ge=1)] = Field(
        default=5, description="Values of a category that are rarer in training are as those that are not in it."
    )
    max_categories: Annotated[int, Field(ge=1)] = Field(default=2000, description="Of one column; the rarest go first.")
