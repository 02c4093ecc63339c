"""The lock of a server, on a store that is asked to behave like one: it is made of tags alone."""

from __future__ import annotations

import json
import re
import threading
import time

import pytest

from components import progress
from components.errors import TensorlineError
from components.tracking import registry_lock as module
from components.tracking.registry_lock import PREFIX, registry_lock
from components.tracking.store import Store


@pytest.fixture
def server(store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store without a file to lock, with the registered model taxi; signs of life come fast."""
    store.client.create_registered_model("taxi")
    store.__dict__["database"] = None
    monkeypatch.setattr(module, "BEAT_S", 0.1)
    monkeypatch.setattr(module, "STALE_S", 1.0)
    monkeypatch.setattr(module, "_POLL_S", 0.02)
    return store


def lock_tags(server: Store) -> list[str]:
    return [key for key in server.client.get_registered_model("taxi").tags if key.startswith(PREFIX)]


def test_one_at_a_time(server: Store) -> None:
    inside: list[int] = []
    most: list[int] = []

    def change(number: int) -> None:
        for _ in range(2):
            with registry_lock(server, "taxi"):
                inside.append(number)
                most.append(len(inside))
                time.sleep(0.05)
                inside.remove(number)

    threads = [threading.Thread(target=change, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 6
    assert lock_tags(server) == []


def test_who_works_long_keeps_it_and_who_waits_is_told(server: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_TELL_AFTER_S", 0.2)
    monkeypatch.setattr(module, "user_name", lambda: "ann")
    monkeypatch.setattr("socket.gethostname", lambda: "desk")
    order: list[str] = []
    told: list[str] = []

    def second() -> None:
        with registry_lock(server, "taxi"):
            order.append("second")

    with progress.hearing(told.append):
        with registry_lock(server, "taxi"):
            thread = threading.Thread(target=second)
            thread.start()
            time.sleep(2.5 * module.STALE_S)
            order.append("first")
        thread.join()
    assert order == ["first", "second"]
    assert told == ["waits for ann@desk, who changes model 'taxi'"]


def test_what_a_killed_process_held_is_taken_away(server: Store) -> None:
    for ticket in (0, 3):  # one was killed while it drew its ticket, one while it held the lock
        text = json.dumps({"ticket": ticket, "by": "bob@gone", "beat": 5})
        server.client.set_registered_model_tag("taxi", f"{PREFIX}{ticket}", text)
    started = time.monotonic()
    with registry_lock(server, "taxi"):
        waited = time.monotonic() - started
        assert len(lock_tags(server)) == 1
    assert waited >= module.STALE_S
    assert lock_tags(server) == []


def test_who_was_taken_for_dead_is_told(server: Store) -> None:
    message = (
        f"model 'taxi' in {server.uri}: this process gave no sign of life for 1 s while it changed the model, and others went "
        "on. Expected a machine that is not suspended, and a network that stays: look at tensorline history, and run it again "
        "if the change is not there."
    )

    def change() -> None:
        with registry_lock(server, "taxi"):
            (key,) = lock_tags(server)
            server.client.delete_registered_model_tag("taxi", key)
            time.sleep(3 * module.BEAT_S)  # it is not put back behind whoever went on
            assert lock_tags(server) == []

    with pytest.raises(TensorlineError, match=f"^{re.escape(message)}$"):
        change()
