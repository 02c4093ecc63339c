"""Keeps TensorFlow Transform from tracing the preprocessing function more often than an analysis needs.

To trace it takes as long as to analyse some ten thousand rows. TFT does so to learn which columns the analyzers read, and
again, in the same way, to learn what they are to do; then for a first, coarse schema of the transformed features that only
`tft_beam.TransformDataset` reads, which nobody runs here: what is written is inferred anew from the finished graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import tensorflow_transform as tft
from tensorflow_transform import impl_helper, schema_inference

KNOWN_VERSION = "1.21."
"""How the versions of TFT begin whose traces are spared; any other traces as it likes, which is slower and as right."""


@contextmanager
def spared(temporary: Path) -> Iterator[None]:
    """Within the block, of one analysis and in one thread, a preprocessing function is traced once for the same inputs.

    Args:
        temporary: A folder to be written to, which need not be there; for vocabularies, of which the graph needs files.
    """
    if not tft.__version__.startswith(KNOWN_VERSION):
        yield
        return
    trace = _once(impl_helper.trace_preprocessing_function, temporary)
    infer = _evaluated_alone(schema_inference.get_traced_metadata_fn)
    with (
        patch.object(impl_helper, "trace_preprocessing_function", trace),
        patch.object(schema_inference, "get_traced_metadata_fn", infer),
    ):
        yield


def _once(stock: Callable[..., Any], temporary: Path) -> Callable[..., Any]:
    """`trace_preprocessing_function`, which remembers its last result. The graph is looked at, and never saved."""
    last: list[Any] = []

    def trace(preprocessing_fn: Any, input_specs: Any, use_tf_compat_v1: bool, base_temp_dir: str | None = None) -> Any:
        asked = (preprocessing_fn, dict(input_specs), use_tf_compat_v1)
        if not last or last[0] != asked:
            # Without a folder vocabularies have other names in the graph than with one.
            folder = base_temp_dir or str(temporary)
            last[:] = [asked, stock(preprocessing_fn, input_specs, use_tf_compat_v1, folder)]
        return last[1]

    return trace


def _evaluated_alone(stock: Callable[..., Any]) -> Callable[..., Any]:
    """`get_traced_metadata_fn`, which traces nothing where the overrides of analyzers are not known yet."""

    def get(*arguments: Any, evaluate_schema_overrides: bool, **named: Any) -> Any:
        if evaluate_schema_overrides:
            return stock(*arguments, evaluate_schema_overrides=True, **named)
        return dict

    return get
