"""The same components under DVC and under TFX's own LocalDagRunner: the same examples, statistics and metrics."""

from __future__ import annotations

import pytest

from tests.e2e.clone import Clone
from tests.e2e.test_repro import read_json
from tests.same_statistics import check_same_statistics

pytestmark = [pytest.mark.slow, pytest.mark.e2e]


def test_both_ways_give_the_same(second: Clone) -> None:
    import tensorflow_data_validation as tfdv

    folder = second.root / "artifacts" / "tfx"
    done = second.run("tensorline", "tfx", "taxi", "--to", str(folder))
    assert done.stdout.rstrip().endswith(f"done → {folder}")

    def output(component: str, key: str):
        (only,) = (folder / "artifacts" / component / key).iterdir()
        return only

    for split in ("train", "eval", "test"):
        ours = sorted(second.artifact("examples", f"Split-{split}").iterdir())
        theirs = sorted((output("Ingest", "examples") / f"Split-{split}").iterdir())
        assert [path.read_bytes() for path in ours] == [path.read_bytes() for path in theirs]
        ours_by_columns, by_tfdv = (
            tfdv.load_stats_binary(str(folder / f"Split-{split}" / "FeatureStats.pb")).datasets[0]
            for folder in (second.artifact("statistics"), output("StatisticsGen", "statistics"))
        )
        check_same_statistics(ours_by_columns, by_tfdv)
    assert read_json(output("ModelReport", "report") / "metrics.json") == read_json(second.artifact("report", "metrics.json"))
