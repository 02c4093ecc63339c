"""Keeps out everyone else who changes a registered model: promotions at the same moment would not know of each other.

On a SQLite store that is a lock of the file system. A server has no lock, nor any way to change something only if it is still
as it was read; so people queue up by tags on the registered model, as customers do in Lamport's bakery ("A new solution of
Dijkstra's concurrent programming problem", CACM 17(8), 1974). It asks only that what was written is seen by all who read
afterwards. Whoever is in the queue gives a sign of life every few seconds; a tag that no longer changes is that of a process
which was killed, and the next one takes it away. No clock of one machine is compared with that of another.
"""

from __future__ import annotations

import json
import logging
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from components import progress
from components.errors import TensorlineError
from components.tracking.process import user_name
from components.tracking.store import Store

BEAT_S = 3.0
STALE_S = 30.0
PREFIX = "tensorline.lock."
_POLL_S = 0.2
_TELL_AFTER_S = 2.0
_logger = logging.getLogger(__name__)


@contextmanager
def registry_lock(store: Store, model_name: str) -> Iterator[None]:
    """Waits until nobody else changes the registered model, and keeps them out while the block runs.

    Raises: TensorlineError if others had to take this process for dead, as one whose machine was suspended.
    """
    if store.database is not None:
        with store.lock():
            yield
        return
    place = _Place(store, model_name)
    try:
        place.draw()
        place.wait()
        with place.beating():
            yield
        lost = place.key not in place.tags()
    finally:
        store.client.delete_registered_model_tag(model_name, place.key)
    if lost:
        raise TensorlineError(
            f"model '{model_name}' in {store.shown}: this process gave no sign of life for {STALE_S:.0f} s while it changed "
            "the model, and others went on. Expected a machine that is not suspended, and a network that stays: look at "
            "tensorline history, and run it again if the change is not there."
        )


@dataclass
class _Place:
    """A place in the queue.

    Attributes:
        ticket: The smaller, the earlier; 0 until it is drawn.
        seen: Key of another place → its text, and when it last changed, by this process's clock.
    """

    store: Store
    model_name: str
    key: str = field(default_factory=lambda: f"{PREFIX}{secrets.token_hex(8)}")
    ticket: int = 0
    num_beats: int = 0
    seen: dict[str, tuple[str, float]] = field(default_factory=dict)

    def draw(self) -> None:
        """Takes the ticket after all that there are; 0 meanwhile tells others to wait for it."""
        self.beat()
        self.ticket = 1 + max((place["ticket"] for place in self.others().values()), default=0)
        self.beat()

    def wait(self) -> None:
        """Returns once everyone before this place is gone."""
        began = beaten = time.monotonic()
        told = False
        while ahead := [other for key, other in self.others().items() if (other["ticket"], key) < (self.ticket, self.key)]:
            now = time.monotonic()
            if not told and now - began > _TELL_AFTER_S:
                progress.tell(f"waits for {ahead[0]['by']}, who changes model '{self.model_name}'")
                told = True
            if now - beaten > BEAT_S:
                self.beat()
                beaten = now
            time.sleep(_POLL_S)

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Gives a sign of life now and then, in a thread."""
        done = threading.Event()

        def beat() -> None:
            while not done.wait(BEAT_S):
                try:
                    if self.key not in self.tags():
                        return  # taken away: not to be put back behind whoever went on
                    self.beat()
                except Exception as error:  # noqa: BLE001  the next beat may get through; if none does, the end tells
                    _logger.warning("no sign of life could be given: %s", error)

        thread = threading.Thread(target=beat, name="registry-lock", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def beat(self) -> None:
        self.num_beats += 1
        text = {"ticket": self.ticket, "by": f"{user_name()}@{socket.gethostname()}", "beat": self.num_beats}
        self.store.client.set_registered_model_tag(self.model_name, self.key, json.dumps(text))

    def others(self) -> dict[str, dict[str, Any]]:
        """The other places; those of the dead are taken away."""
        now = time.monotonic()
        found = {key: text for key, text in self.tags().items() if key != self.key}
        for key, text in list(found.items()):
            if key not in self.seen or self.seen[key][0] != text:
                self.seen[key] = (text, now)
            elif now - self.seen[key][1] > STALE_S:
                _logger.warning("model '%s': a killed process held the lock: %s", self.model_name, text)
                self.store.client.delete_registered_model_tag(self.model_name, key)
                del found[key]
        return {key: json.loads(text) for key, text in found.items()}

    def tags(self) -> dict[str, str]:
        tags = self.store.client.get_registered_model(self.model_name).tags
        return {key: text for key, text in tags.items() if key.startswith(PREFIX)}
