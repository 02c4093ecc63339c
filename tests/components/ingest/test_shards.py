"""How many files a split gets, and that the files are the same however many cores wrote them."""

import os
from pathlib import Path

import pytest

from components.ingest import shards
from components.ingest.ingest import ingest
from components.ingest.shards import num_shards
from components.params.models import DataParams

DATA = DataParams(path="data.csv", label="y")
ROOT = Path(__file__).parents[3]


def sized(path: Path, num_bytes: int) -> Path:
    """A file of so many bytes, which takes no room."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.truncate(num_bytes)
    return path


@pytest.mark.parametrize(
    ("mebibytes", "expected"), [(0, 4), (64, 4), (65, 16), (512, 16), (513, 17), (1024, 32), (10 * 2**20, 10_000)]
)
def test_by_size(tmp_path: Path, mebibytes: int, expected: int) -> None:
    assert num_shards(DATA, [sized(tmp_path / "a.csv", mebibytes * 2**20)]) == expected


def test_folders_and_files_together(tmp_path: Path) -> None:
    inputs = [sized(tmp_path / "a.csv", 32 * 2**20), tmp_path / "images"]
    sized(tmp_path / "images" / "cats" / "1.png", 31 * 2**20)
    (tmp_path / "images" / "gone.png").symlink_to("nowhere")
    assert num_shards(DATA, inputs) == 4
    sized(tmp_path / "images" / "dogs" / "1.png", 2 * 2**20)
    assert num_shards(DATA, inputs) == 16


def test_as_the_parameters_say(tmp_path: Path) -> None:
    assert num_shards(DataParams(path="data.csv", label="y", num_shards=1), [sized(tmp_path / "a.csv", 2**32)]) == 1


def test_the_same_files_on_one_core_and_on_many(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = (ROOT / "data/taxi/trips.csv").read_text().splitlines(keepends=True)[:2_001]
    Path("data.csv").write_text("".join([*lines, "1,2\n"]))
    monkeypatch.setattr("components.ingest.csv_source.BLOCK_BYTES", 1 << 14)  # many blocks
    monkeypatch.setattr(shards, "LARGE_BYTES", 0)
    written = {}
    for cores in (1, 2, 7):
        monkeypatch.setattr(os, "cpu_count", lambda cores=cores: cores)
        out = Path(f"out{cores}")
        data = DataParams(path="data.csv", label="trip_miles", on_bad_record="quarantine")
        report = ingest(data, None, out / "examples", out / "report")
        assert (report["num_records_in"], report["num_rejects"]) == (2_001, 1)
        written[cores] = {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}
    assert len(written[1]) == 3 * 16 + 2
    assert written[1] == written[2] == written[7]
