"""What a search tells: the best, what failed, what mattered; and its pictures."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytestmark = pytest.mark.slow  # imports TFX


def trial(number: int, score: float | None, **values: Any) -> dict[str, Any]:
    done = score is not None
    return {
        "id": str(number),
        "status": "COMPLETED" if done else "FAILED",
        "score": score,
        "best_epoch": 0,
        "hyperparameters": {"tuner/epochs": 2, **values},
        "epochs": [{"val_auc": score}] if done else [],
        "reason": None if done else "out of memory: no more to be had",
    }


TRIALS = [
    *(trial(number, 0.9 - 0.1 * (number % 2), rate=10.0**-number, units=16 + 16 * (number % 2)) for number in range(7)),
    trial(7, None, rate=1.0, units=64),
]


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    best, results = tmp_path / "best_hyperparameters", tmp_path / "tuner_results"
    best.mkdir()
    results.mkdir()
    (best / "best_hyperparameters.txt").write_text(json.dumps({"values": TRIALS[0]["hyperparameters"]}))
    content = {"objective": "val_auc", "direction": "max", "max_trials": 20, "out_of_time": True, "trials": TRIALS}
    (results / "trials.json").write_text(json.dumps(content))
    return {"best_hyperparameters": best, "tuner_results": results}


def test_a_search_is_told(folders: dict[str, Path]) -> None:
    from components.tune.outcome import outcome

    found = outcome(SimpleNamespace(name="taxi"), folders)  # type: ignore[arg-type]
    assert found.lines == [
        "best of 8 trials: rate 1, units 16",
        "stopped after 8 of 20 trials: tune.max_minutes is over",
        "trial 7 failed, skipped: out of memory: no more to be had",
        "importance (η² of Kruskal and Wallis' H): units 1.00, rate 0.00",
        "all trials: tensorline trials taxi",
    ]
    assert found.params == {"best.rate": 1.0, "best.units": 16}
    assert found.metrics == {
        "num_trials": 8,
        "num_trials_failed": 1,
        "best_score": 0.9,
        "importance.units": pytest.approx(1.0),
        "importance.rate": 0.0,
    }
    assert list(found.figures) == ["search/parallel_coordinates.png", "search/importance.png"]
    assert [(each.name, each.status, each.reason) for each in found.trials][-1] == (
        "trial-7",
        "FAILED",
        "out of memory: no more to be had",
    )


def test_every_completed_trial_is_a_line_and_the_best_stands_out(folders: dict[str, Path]) -> None:
    from components.plot_style import COLOURS
    from components.tune.plots import parallel_coordinates

    completed = TRIALS[:7]
    for direction, best in (("max", 0.9), ("min", 0.8)):
        (axis,) = parallel_coordinates(completed, ["rate", "units"], "val_auc", direction).axes
        lines = [line for line in axis.lines if len(line.get_xdata()) == 3]
        assert len(lines) == 7
        (marked,) = [line for line in lines if str(line.get_color()) == COLOURS[1]]
        assert marked.get_ydata()[2] == pytest.approx(1.0 if best == 0.9 else 0.0)
        assert [label.get_text() for label in axis.get_xticklabels()] == ["rate", "units", "val_auc"]
    # A wide range is drawn by its logarithm.
    (axis,) = parallel_coordinates(completed, ["rate"], "val_auc", "max").axes
    heights = sorted(line.get_ydata()[0] for line in axis.lines if len(line.get_xdata()) == 2 and line.get_marker() == ".")
    assert heights == pytest.approx([number / 6 for number in range(7)])


def test_a_failed_search_still_has_its_trials(folders: dict[str, Path]) -> None:
    from components.tune.outcome import failed_outcome

    assert len(failed_outcome(SimpleNamespace(name="taxi"), folders).trials) == 8  # type: ignore[arg-type]
    assert failed_outcome(SimpleNamespace(name="taxi"), {}).trials == []  # type: ignore[arg-type]
