"""The report: whole, short enough, and harmless whatever data say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from components.params.models import RetrainParams
from components.retrain.built import Artifacts
from components.retrain.decide import Facts, decide
from components.retrain.raw_data import RawData
from components.retrain.report import MAX_BYTES, headline, report
from components.retrain.repro import Built
from tests.components.retrain.stories import AFTER, CHAMPION, DRIFT, INGEST, NOW, VERDICT, feature, story

WHOLE = """\
# taxi: version 4 refused

Auc 0.9000 against the champion's 0.9100 is an improvement of -0.0100.

## Decision

**Retrain**: new span 2.

| trigger | a reason | what was found |
| --- | --- | --- |
| forced | no | not asked for |
| champion | no | version 3, of 2026-11-01 04:30 UTC |
| data | **yes** | new span 2 |
| drift | no | nothing is known of drift |
| skew | no | no requests are logged |
| performance | no | no freshly labelled records |
| schedule | no | retrain.every_days is not set |

## Data

|  | the build before | now |
| --- | --- | --- |
| records read | 1,000 | 2,000 |
| rejects | 2 | 2 |
| examples, train | 698 | 1,398 |
| examples, eval | 150 | 300 |
| examples, test | 150 | 300 |
| files | 1 | 2 |
| spans found | `1` | `1`, `2` |
| spans used | `1` | `1`, `2` |

| column | before | now |
| --- | --- | --- |
| `fare` | number | string |
| `tolls` | not there | number |

## Drift

Against champion, version 3 (1,398 training examples now, 698 then): **1 of 2 features drift**.

| feature | kind | distance | limit | p | drift |
| --- | --- | --- | --- | --- | --- |
| `fare` | numeric | ks 0.2500 | 0.1000 | 1.00e-09 | **yes** |
| `miles` | numeric | ks 0.0200 | 0.1000 | 0.7000 | no |

## Metrics

On the test split (300 examples); in brackets, bootstrap intervals.

| metric | this model | champion, same examples | improvement | champion, when registered |
| --- | --- | --- | --- | --- |
| **auc** | 0.9000 [0.8800, 0.9200] | 0.9100 | -0.0100 [-0.0200, +0.0010] | 0.9100 |
| log_loss | 0.3300 [0.3000, 0.3600] | – | – | 0.3100 |
| calibration | – | – | – | – |

## Slices

| slice | examples | auc |
| --- | --- | --- |
| `payment_type = Card` | 280 | 0.8900 [0.8600, 0.9100] |
| `payment_type = @cash \\| <b>` | 20, few | – |

## Verdict

**Refused**: auc 0.9000 against the champion's 0.9100 is an improvement of -0.0100.

| check | passed | why |
| --- | --- | --- |
| thresholds | yes | every threshold is met |
| latency | not asked | there is no limit |
| champion | **no** | auc is not better |

- The interval of the improvement holds 0: this test split can't tell candidate and champion apart.

## Where it comes from

- commit `0123456789`
- champion now: version 3
- stages that ran: ingest, validate, transform, tune, train, evaluate, register
- this attempt: MLflow run [`run-retrain`](https://mlflow.example.com/#/experiments/1/runs/run-retrain)
"""


def test_the_whole_report() -> None:
    stages = ("ingest", "validate", "transform", "tune", "train", "evaluate", "register")
    links = [
        f"- {stage}: MLflow run [`run-{stage}`](https://mlflow.example.com/#/experiments/1/runs/run-{stage})"
        for stage in stages
    ]
    assert report([story()], {}) == WHOLE + "\n".join(links) + "\n"


def test_of_files_of_earlier_versions() -> None:
    verdict = {key: VERDICT[key] for key in ("promote", "reason", "champion")}
    ingest = {key: value for key, value in INGEST.items() if key != "spans"}
    after = replace(AFTER, ingest=ingest, drift=None, verdict=verdict, intervals={}, runs={})
    text = report([story(before=Artifacts(), after=after, tracking=None)], {})
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        "## Decision",
        "## Data",
        "## Metrics",
        "## Slices",
        "## Verdict",
        "## Where it comes from",
    ]
    assert "\n| records read | – | 1,000 |\n" in text
    assert "\nWhat the build before read is not known here (no `ingest.json`: `dvc pull` brings it).\n" in text
    assert "\n| **auc** | 0.9000 [0.8800, 0.9200] | 0.9100 | -0.0100 [-0.0200, +0.0010] | 0.9100 |\n" in text
    assert "\n- this attempt: MLflow run `run-retrain`\n" in text


def test_what_a_stage_refused() -> None:
    message = "data/taxi/2.csv:1: no column 'fare'.\n```\n@team # see\nMend the header."
    built = Built(("ingest",), "ingest", message, refused=True)
    text = report([story(outcome="stopped", why="ingest: no column 'fare'", built=built, after=Artifacts())], {})
    assert text.startswith("# taxi: stopped by ingest\n\nIngest: no column 'fare'.\n")
    assert f"\n## What ingest said\n\n````text\n{message}\n````\n" in text
    assert "## Metrics" not in text


def test_a_report_of_an_earlier_build_is_not_told_again() -> None:
    text = report([story(outcome="unchanged", why="nothing new", built=Built(()))], {})
    assert "## Verdict" not in text
    assert "\n- stages that ran: none, nothing that they read has changed\n" in text


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"outcome": None, "built": None}, "taxi: not retrained"),
        ({"outcome": None, "built": None, "dry": True}, "taxi: would be retrained"),
        ({"outcome": "promoted", "champion": "4"}, "taxi: version 4 promoted"),
        ({"outcome": "unchanged"}, "taxi: nothing new"),
        ({"outcome": "failed", "built": Built((), None, "no dvc.yaml")}, "taxi: failed"),
        ({"outcome": "failed", "built": Built(("train",), "train", "killed")}, "taxi: failed in train"),
    ],
)
def test_headlines(changes: dict, expected: str) -> None:
    assert headline(story(**changes)) == expected


def test_it_fits_whatever_there_is_to_tell() -> None:
    features = [feature(f"column {number} " + "值" * 190, 0.3, 1e-5, drifted=True) for number in range(3000)]
    slices = [{**AFTER.slices[2], "values": f"{number} " + "值" * 500} for number in range(5000)]
    after = replace(AFTER, drift={**DRIFT, "features": features}, slices=[AFTER.slices[0], *slices])
    text = report([story(after=after)], {})
    assert len(text.encode()) < MAX_BYTES
    assert "\n… and 2,970 more features.\n" in text
    assert "## Where it comes from" in text
    several = report([story(after=after), story(outcome=None, built=None)], {"mpg": "params.yaml: no such file. " * 5000})
    assert len(several.encode()) < MAX_BYTES
    assert several.count("\n# ") == 2
    stopped = story(outcome="stopped", why="x" * 100_000, built=Built(("ingest",), "ingest", "y" * 200_000, refused=True))
    cut = report([stopped], {})
    assert len(cut.encode()) < MAX_BYTES
    assert cut.endswith("\n… cut here: the whole report is in the MLflow run.\n")


def test_what_was_built_comes_first() -> None:
    waiting = story(name="mpg", outcome=None, built=None)
    assert [line for line in report([waiting, story()], {"fashion": "no."}).splitlines() if line.startswith("# ")] == [
        "# taxi: version 4 refused",
        "# mpg: not retrained",
        "# fashion: not looked at",
    ]


def test_a_refusal_stands_until_the_data_change() -> None:
    from components.tracking.attempts import Attempt

    data = RawData("folder-4", "digest-4", None, None)
    tried = Attempt("2026-11-22T00:00:00+00:00", "stopped", "no column", "folder-4", (), None, "r")
    facts = Facts(CHAMPION, data, [tried])
    waits = story(facts=facts, decision=decide(RetrainParams(), facts, NOW), outcome=None, built=None)
    assert not waits.decision.retrain
    assert waits.is_stopped
    assert not replace(waits, facts=replace(facts, data=replace(data, folder="mended"))).is_stopped
