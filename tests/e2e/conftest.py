"""The clones that the end-to-end tests share."""

from __future__ import annotations

import pytest

from tests.e2e.clone import Clone, make_clone


@pytest.fixture(scope="session")
def first(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A clone in a folder with spaces and letters beyond ASCII, rebuilt; tests may add to it and must put it back."""
    root = tmp_path_factory.mktemp("first") / "Größe und  数据"
    root.mkdir()
    clone = make_clone(root)
    clone.run("dvc", "repro")
    return clone


@pytest.fixture(scope="session")
def second(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """Another clone with another name, rebuilt up to the evaluation."""
    root = tmp_path_factory.mktemp("second") / "other"
    root.mkdir()
    clone = make_clone(root)
    clone.run("dvc", "repro", "evaluate@taxi")
    return clone
