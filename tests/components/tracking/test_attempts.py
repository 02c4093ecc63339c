"""What MLflow remembers of attempts to retrain, and of the champion."""

from __future__ import annotations

import json
from dataclasses import replace

from components.tracking.attempts import RETRAIN, Attempt, ChampionFacts, champion_facts, last_attempts, last_training
from components.tracking.moves import move_champion
from components.tracking.provenance import GitState
from components.tracking.runs import start_stage_run
from components.tracking.store import Store

GIT = GitState("c0ffee", "main", dirty=False, diff="", untracked=())
TRIED = Attempt("", "refused", "auc 0.8 is less than 0.9", "ab12", ("1", "2"), "4", "")


def test_there_is_nothing_before_the_first_run(store: Store) -> None:
    assert last_attempts(store, "taxi") == []
    assert last_training(store, "taxi") is None
    assert champion_facts(store, "taxi") is None
    assert store.client.get_experiment_by_name("taxi") is None  # asking makes none


def test_attempts_come_back_the_newest_first(store: Store) -> None:
    for attempt in (TRIED, replace(TRIED, outcome=None, why="", spans=(), version=None)):
        with start_stage_run(
            store, "taxi", RETRAIN, params={}, git=GIT, dependencies={}, data_digest="d", tags=attempt.tags()
        ) as run:
            pass
    newest, first = last_attempts(store, "taxi")
    assert newest.run_id == run.ref.run_id
    assert (newest.outcome, newest.why, newest.spans, newest.version, newest.data) == (None, "", (), None, "ab12")
    assert replace(first, at="", run_id="") == TRIED
    assert first.at.endswith("+00:00")
    assert last_training(store, "taxi") is None


def test_what_is_known_of_the_champion(store: Store) -> None:
    with start_stage_run(store, "taxi", "train", params={}, git=GIT, dependencies={}, data_digest="d1") as run:
        pass
    store.client.create_registered_model("taxi")
    tags = {"tensorline.metrics": json.dumps({"auc": 0.9})}
    for run_id in (run.ref.run_id, "0" * 32):  # the second is of a store elsewhere
        store.client.create_model_version("taxi", "file:///nowhere", run_id, tags=tags)
    for version, digest in (("1", "d1"), ("2", None)):
        with store.lock():
            move_champion(store, "taxi", "promote", version, "better")
        found = champion_facts(store, "taxi")
        assert found is not None
        assert replace(found, registered_at="") == ChampionFacts(version, "", digest, {"auc": 0.9})
    trained = last_training(store, "taxi")
    assert trained is not None
    assert trained <= found.registered_at
