"""A SavedModel is loaded after the modules that its graph needs, and only known ones are imported."""

from __future__ import annotations

import re
import sys

import pytest
import tensorflow as tf

from components import saved_model
from components.errors import TensorlineError
from components.saved_model import import_libraries, load


def test_a_model_without_libraries(tmp_path):
    module = tf.Module()
    module.weight = tf.Variable(3.0)
    tf.saved_model.save(module, str(tmp_path / "Format-Serving"))
    (tmp_path / "model.json").write_text("{}", encoding="utf-8")
    assert load(tmp_path).weight.numpy() == 3.0


def test_libraries_are_imported_before_the_model_is_loaded(tmp_path, monkeypatch):
    # Only the order is tested: once the ops are in this process, no model can lack them.
    done = []
    monkeypatch.setattr(saved_model.importlib, "import_module", lambda name: done.append(f"import {name}"))
    monkeypatch.setattr(tf.saved_model, "load", lambda path: done.append(f"load {path}"))
    (tmp_path / "model.json").write_text('{"libraries": ["tensorflow_text"]}', encoding="utf-8")
    load(tmp_path)
    assert done == ["import tensorflow_text", f"load {tmp_path}/Format-Serving"]


def test_an_unknown_module_is_not_imported(tmp_path):
    (tmp_path / "model.json").write_text('{"libraries": ["antigravity"]}', encoding="utf-8")
    message = (
        "model.json: libraries: the model asks for the module 'antigravity'. Expected one of tensorflow_text, ydf_tf: "
        "don't use a model from a source that you don't trust."
    )
    with pytest.raises(TensorlineError, match=f"^{re.escape(message)}$"):
        load(tmp_path)
    assert "antigravity" not in sys.modules


def test_a_module_that_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_text", None)
    message = (
        "model.json: libraries: the model needs the module 'tensorflow_text', which can't be imported (import of "
        "tensorflow_text halted; None in sys.modules). Expected it to be installed: run make setup."
    )
    with pytest.raises(TensorlineError, match=f"^{re.escape(message)}$"):
        import_libraries(["tensorflow_text"])


def test_no_model_json(tmp_path):
    path = tmp_path / "model.json"
    message = f"{path}: [Errno 2] No such file or directory: '{path}'. Expected what the train stage writes: rerun train."
    with pytest.raises(TensorlineError, match=f"^{re.escape(message)}$"):
        load(tmp_path)
