"""Two saves of one model are the same bytes, and still that model."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.train.keras_archive import make_reproducible, number_shared_objects


def test_shared_objects_are_numbered_as_they_appear() -> None:
    config = '[{"shared_object_id": 987}, {"shared_object_id": 12, "units": 12}, {"shared_object_id": 987}]'
    assert number_shared_objects(config) == (
        '[{"shared_object_id": 1}, {"shared_object_id": 2, "units": 12}, {"shared_object_id": 1}]'
    )


@pytest.mark.slow
def test_two_saves_are_the_same_bytes(tmp_path: Path) -> None:
    import keras
    import numpy as np

    keras.utils.set_random_seed(1)
    inputs = {"x": keras.Input([3], name="x")}
    shared = keras.layers.Dense(2)
    model = keras.Model(inputs, keras.layers.add([shared(inputs["x"]), shared(-inputs["x"])]))
    for name in ("a.keras", "b.keras"):
        model.save(tmp_path / name)
        make_reproducible(tmp_path / name)
    assert (tmp_path / "a.keras").read_bytes() == (tmp_path / "b.keras").read_bytes()
    loaded = keras.saving.load_model(tmp_path / "a.keras", safe_mode=True)
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.testing.assert_array_equal(loaded({"x": x}), model({"x": x}))
