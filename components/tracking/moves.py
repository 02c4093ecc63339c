"""The champion: a registered model's version under the alias `champion`, and the append-only record of its moves.

Each move is a tag on the registered model. It is written before the alias moves: a kill in between leaves a record too many,
which the next move notices, never one too few.
"""

from __future__ import annotations

import json
import secrets
import socket
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Literal

from components.errors import UserError
from components.tracking.process import user_name
from components.tracking.redaction import redact
from components.tracking.registry_lock import registry_lock
from components.tracking.store import Store

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion, RegisteredModel

CHAMPION = "champion"
ROLLED_BACK = "tensorline.rolled_back"
OVERRIDDEN = "tensorline.overridden"
MoveKind = Literal["promote", "rollback", "override", "found"]
"""What moved the champion: the gate, a rollback, a person over the gate, or something that is not Tensorline."""
_MOVE_PREFIX = "tensorline.move."


@dataclass(frozen=True)
class Move:
    """One move of the champion.

    Attributes:
        at: UTC, ISO 8601.
        by: user@host.
        kind: `promote` is the gate's, `override` a person's; `found` records that the alias was moved by other means than
            Tensorline's, or that a move was interrupted.
        from_version, to_version: None where there was no champion.
        why: In words.
    """

    at: str
    by: str
    kind: MoveKind
    from_version: str | None
    to_version: str | None
    why: str


def history(store: Store, model_name: str) -> list[Move]:
    """Every move of the champion, oldest first. Raises: UserError if there is no such model."""
    return _moves(registered_model(store, model_name))


def rollback(store: Store, model_name: str, why: str, to: str | None = None) -> Move:
    """Moves the champion back to the version that was champion before, or to version `to`; returns the move.

    The version that it leaves is not promoted again by itself, however often its stage reruns; `to` brings it back.

    Raises: UserError if there is no such model, champion or version, or nothing to go back to.
    """
    registered_model(store, model_name)
    with registry_lock(store, model_name):
        current = champion_version(store, model_name)
        if current is None:
            raise UserError(f"model '{model_name}' has no champion in {store.shown}. Expected one; dvc repro makes one.")
        versions = {str(version.version) for version in versions_of(store, model_name)}
        target = to if to is not None else _previous(history(store, model_name), str(current.version), versions)
        if target is None:
            raise UserError(
                f"model '{model_name}': version {current.version} is the first champion. Expected one before it to go "
                f"back to; to choose another version, give --to (there are: {', '.join(sorted(versions, key=int))})."
            )
        if target not in versions or target == str(current.version):
            problem = "is the champion already" if target == str(current.version) else "does not exist"
            raise UserError(
                f"model '{model_name}': version {target} {problem}. Expected another of: "
                f"{', '.join(sorted(versions, key=int))}."
            )
        move = move_champion(store, model_name, "rollback", target, why)
        store.client.set_model_version_tag(model_name, current.version, ROLLED_BACK, f"{move.at} by {move.by}: {move.why}")
        store.client.delete_model_version_tag(model_name, target, ROLLED_BACK)
    return move


def promote(store: Store, model_name: str, version: str, why: str) -> Move:
    """Makes a version the champion because a person says so, whatever the gate said; returns the move.

    The version's own verdict stays as it is, and a tag tells who has overridden it, when and why.

    Raises: UserError if there is no such model or version, it is the champion already, or no reason is given.
    """
    if not why.strip():
        raise UserError("--why: expected why this version is to be the champion, got nothing. It is recorded in the history.")
    registered_model(store, model_name)
    with registry_lock(store, model_name):
        current = champion_version(store, model_name)
        versions = {str(each.version) for each in versions_of(store, model_name)}
        if version not in versions or (current is not None and str(current.version) == version):
            problem = "does not exist" if version not in versions else "is the champion already"
            raise UserError(
                f"model '{model_name}': version {version} {problem}. Expected another of: "
                f"{', '.join(sorted(versions, key=int)) or 'none is registered'}."
            )
        move = move_champion(store, model_name, "override", version, why)
        store.client.set_model_version_tag(model_name, version, OVERRIDDEN, f"{move.at} by {move.by}: {move.why}")
        store.client.delete_model_version_tag(model_name, version, ROLLED_BACK)
    return move


def move_champion(store: Store, model_name: str, kind: Literal["promote", "rollback", "override"], to: str, why: str) -> Move:
    """Moves the alias and records it; the caller holds `registry_lock`."""
    model = registered_model(store, model_name)
    current = model.aliases.get(CHAMPION)
    current = str(current) if current is not None else None
    moves = _moves(model)
    recorded = moves[-1].to_version if moves else None
    if recorded != current:
        _record(store, model_name, "found", (recorded, current), "not moved by Tensorline, or a move was interrupted")
    move = _record(store, model_name, kind, (current, to), why)
    store.client.set_registered_model_alias(model_name, CHAMPION, to)
    return move


def champion_version(store: Store, model_name: str) -> ModelVersion | None:
    """The version under the alias `champion`; None if there is none, or no such model."""
    from mlflow.exceptions import MlflowException

    try:
        return store.client.get_model_version_by_alias(model_name, CHAMPION)
    except MlflowException as error:
        if error.error_code not in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
            raise
        return None


def versions_of(store: Store, model_name: str, condition: str = "") -> list[ModelVersion]:
    """All versions of a model that fulfil a further `condition`, in MLflow's search language."""
    found, token = [], None
    while True:
        page = store.client.search_model_versions(f"name = '{model_name}'{condition}", page_token=token)
        found += page
        token = page.token
        if not token:
            return found


def registered_model(store: Store, model_name: str) -> RegisteredModel:
    """The registered model. Raises: UserError if there is none."""
    from mlflow.exceptions import MlflowException

    try:
        return store.client.get_registered_model(model_name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
    known = ", ".join(model.name for model in store.client.search_registered_models()) or "none"
    raise UserError(
        f"no model is registered as '{model_name}' in {store.shown} (registered: {known}). Expected one; "
        "dvc repro registers it."
    )


def _moves(model: RegisteredModel) -> list[Move]:
    # A tag's name begins with the time, so names sort by it.
    return [Move(**json.loads(value)) for name, value in sorted(model.tags.items()) if name.startswith(_MOVE_PREFIX)]


def _record(
    store: Store,
    model_name: str,
    kind: MoveKind,
    versions: tuple[str | None, str | None],
    why: str,
) -> Move:
    now = datetime.now(timezone.utc)
    move = Move(now.isoformat(timespec="seconds"), f"{user_name()}@{socket.gethostname()}", kind, *versions, redact(why))
    stamp = f"{_MOVE_PREFIX}{now:%Y%m%dT%H%M%S.%f}Z-"
    # The order of the moves is that of their names, also where the clock of whoever moved last was ahead of this one.
    last = max((name for name in registered_model(store, model_name).tags if name.startswith(_MOVE_PREFIX)), default="")
    name = f"{stamp if stamp > last else f'{last}-'}{secrets.token_hex(2)}"
    store.client.set_registered_model_tag(model_name, name, json.dumps(asdict(move), ensure_ascii=False))
    return move


def _previous(moves: list[Move], current: str, versions: set[str]) -> str | None:
    """The champion before `current`: a rollback undoes the moves since its target was champion, so that two go back twice."""
    stack: list[str] = []
    for move in moves:
        to = move.to_version
        if to is None:
            continue
        if move.kind == "rollback" and to in stack:
            del stack[stack.index(to) + 1 :]
        elif not stack or stack[-1] != to:
            stack.append(to)
    while stack and (stack[-1] == current or stack[-1] not in versions):
        stack.pop()
    return stack[-1] if stack else None
