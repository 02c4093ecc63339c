"""What the server imports ahead of the stages, and whether that leaves a process that may be forked.

A fork has only the thread that called `fork`, so nothing may be under way in another one: no TensorFlow runtime, no Python
thread. The threads that NumPy's and SciPy's OpenBLAS and Arrow's allocator start when they are imported end, or are started
again, by handlers of their own (pthread_atfork). Any other thread means that the server must not serve.
"""

from __future__ import annotations

import importlib
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

WITH_THREADS = ("numpy", "pyarrow", "pyarrow.compute", "pyarrow.csv", "pyarrow.parquet", "pandas", "scipy.stats")
"""Their threads survive a fork, or are not missed."""
LIGHT = (
    "mlflow",
    "mlflow.data",
    "mlflow.models",
    "mlflow.pyfunc",
    "mlflow.store.artifact.local_artifact_repo",
    "mlflow.store.model_registry.sqlalchemy_workspace_store",
    "mlflow.store.tracking.sqlalchemy_workspace_store",
    "mlflow.tracing.export",
    "mlflow.tracking",
    "alembic.command",
    "alembic.config",
    "sqlalchemy.dialects.sqlite",
    "matplotlib.backends.backend_agg",
    "matplotlib.figure",
    "PIL.BmpImagePlugin",
    "PIL.GifImagePlugin",
    "PIL.ImageOps",
    "PIL.JpegImagePlugin",
    "PIL.PngImagePlugin",
    "PIL.PpmImagePlugin",
    "pandas.core.methods.to_dict",
    "pandas.io.formats.csvs",
    "pyarrow.json",
    "pyarrow.pandas_compat",
    "pydantic",
    "charset_normalizer",
    "click",
    "google_crc32c",
    "jinja2",
    "psutil",
    "regex",
    "rich.console",
    "rich.table",
    "ruamel.yaml",
)
"""What ingest, validate and register import."""
LIBRARIES = (
    "tensorflow",
    "tfx.components",
    "keras",
    "keras_tuner",
    "tensorflow_data_validation",
    "tensorflow_text",
    "tensorflow_transform",
    "tfx_bsl.cc.tfx_bsl_extension",
    "ydf",
    "ydf_tf",
    "apache_beam.runners.portability.fn_api_runner.fn_runner",
    "apache_beam.runners.portability.portable_runner",
    "apache_beam.typehints.intrinsic_one_ops",
    "apache_beam.typehints.opcodes",
    "setuptools",
    "sklearn.linear_model",
    "matplotlib.pyplot",
)
"""What the other stages import beside these, the large ones first; whatever is missing here, a stage imports itself."""


class NotForkableError(Exception):
    """The imports left something behind that a fork would break."""


def import_all(with_threads: Sequence[str], others: Sequence[str]) -> None:
    """Imports them; one that is not installed is left out. Raises: NotForkableError."""
    for name in with_threads:
        _import(name)
    before = set(os.listdir("/proc/self/task"))
    before_in_python = set(threading.enumerate())
    for name in others:
        _import(name)
    started = set(os.listdir("/proc/self/task")) - before
    in_python = [thread.name for thread in threading.enumerate() if thread not in before_in_python]
    if started or in_python:
        raise NotForkableError(f"the imports started threads: {len(started)}, of Python: {', '.join(in_python) or 'none'}")
    context = sys.modules.get("tensorflow.python.eager.context")
    if context is not None and context.context_safe() is not None:
        raise NotForkableError("the imports started TensorFlow's runtime")


def _import(name: str) -> None:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        # Of a package that another version of the library has not, or of an extra.
        print(f"left out: {error}", flush=True)


class Recorder(type(os.environ)):  # type: ignore[misc]  # the class has no public name
    """os.environ, noting which variables are asked for by name."""

    asked: set[str] = set()

    def __getitem__(self, name: str) -> str:
        # Going through all of them, as `copy` and `items` do, asks for none of them by name.
        if sys._getframe(1).f_code.co_name not in {"__iter__", "copy"}:  # noqa: SLF001
            self.asked.add(name)
        value: str = super().__getitem__(name)
        return value


@contextmanager
def recording() -> Iterator[set[str]]:
    """Notes the names of the environment variables that Python code asks for within the block."""
    plain = type(os.environ)
    environ: Any = os.environ
    Recorder.asked = set()
    environ.__class__ = Recorder
    try:
        yield Recorder.asked
    finally:
        environ.__class__ = plain
