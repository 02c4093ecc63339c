"""The type of the artifact that ModelReport makes and Register reads."""

from __future__ import annotations

from tfx import types


class Report(types.Artifact):
    """A folder: metrics.json, verdict.json, report.html, gate.html, predictions.parquet, tables (*.csv), pictures (*.png)."""

    TYPE_NAME = "components.Report"
