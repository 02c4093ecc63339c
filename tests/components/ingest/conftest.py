"""What the tests of ingest share."""

import pytest


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty working directory."""
    folder = tmp_path / "Übung 1"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder
