"""How long a run took."""

from __future__ import annotations

from components.tracking.run_file import RunRef
from components.tracking.store import Store


def duration_s(store: Store, ref: RunRef) -> float | None:
    """Seconds from the start of the run to its end; None if the store knows no such run, or no end of it."""
    from mlflow.exceptions import MlflowException

    try:
        info = store.client.get_run(ref.run_id).info
    except MlflowException:
        return None
    return None if info.end_time is None else (info.end_time - info.start_time) / 1000
