"""Statistics of every feature of a split, or of some of its records."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from tensorflow_metadata.proto.v0 import statistics_pb2

from components.validate.counting import Counting
from components.validate.feature_statistics import FeatureStatistics


class SplitStatistics:
    """Takes in columns, and is merged with that of other records.

    Args:
        counting: What is counted of which feature.

    Attributes:
        num_examples: Records that were taken in.
    """

    def __init__(self, counting: Counting) -> None:
        self.num_examples = 0
        self._counting = counting
        self._features: dict[str, FeatureStatistics] = {}

    def add(self, batch: pa.RecordBatch) -> None:
        """Takes in columns as `examples_table.decode` gives them. Raises: TensorlineError if one is not as before."""
        self.num_examples += batch.num_rows
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            self._feature(name).add(column)

    def merge(self, other: SplitStatistics) -> None:
        """Takes in those of other records, which are then of no more use. Raises: as `add`."""
        self.num_examples += other.num_examples
        for name, feature in other._features.items():
            self._feature(name).merge(feature)

    def _feature(self, name: str) -> FeatureStatistics:
        if name not in self._features:
            self._features[name] = FeatureStatistics(name, name in self._counting.whole, name in self._counting.codes)
        return self._features[name]

    def proto(self) -> statistics_pb2.DatasetFeatureStatistics:
        """The features in alphabetical order. After that nothing can be added."""
        features = [self._features[name].proto(self.num_examples) for name in sorted(self._features)]
        return statistics_pb2.DatasetFeatureStatistics(num_examples=self.num_examples, features=features)

    def state(self) -> dict[str, Any]:
        """For `packed`."""
        return {"num_examples": self.num_examples, "features": [each.state() for each in self._features.values()]}

    @classmethod
    def of(cls, state: dict[str, Any], counting: Counting) -> SplitStatistics:
        """The inverse of `state`."""
        made = cls(counting)
        made.num_examples = state["num_examples"]
        made._features = {each["name"]: FeatureStatistics.of(each) for each in state["features"]}
        return made
