"""Who was champion from when to when, made of the record of its moves (mlflow#2169 asks for it)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from components.tracking.moves import Move, MoveKind, champion_version, history
from components.tracking.store import Store

NOT_OURS = "not moved by Tensorline"


@dataclass(frozen=True)
class Reign:
    """One version's time as champion.

    Attributes:
        version: Its number.
        since: When it began, UTC, ISO 8601; None where nobody knows, as it was not Tensorline that moved the alias.
        until: When it ended; None where nobody knows, and of the champion that is.
        by: user@host; None where nobody knows.
        kind: What moved the champion to it.
        why: In words.
        is_champion: Whether it is the champion now.
    """

    version: str
    since: str | None
    until: str | None
    by: str | None
    kind: MoveKind
    why: str
    is_champion: bool = False


def reigns(store: Store, model_name: str) -> list[Reign]:
    """Every reign, oldest first. Raises: UserError if there is no such model."""
    moves = history(store, model_name)
    current = champion_version(store, model_name)
    return reigns_of(moves, str(current.version) if current else None)


def reigns_of(moves: Sequence[Move], current: str | None) -> list[Reign]:
    """The reigns that `moves` tell of, where `current` is the champion now.

    A move that Tensorline found had happened at some time before: it ends and begins a reign at an unknown time.
    """
    found: list[Reign] = []
    for index, move in enumerate(moves):
        if move.to_version is None:
            continue
        following = moves[index + 1] if index + 1 < len(moves) else None
        ours = move.kind != "found"
        found.append(
            Reign(
                version=move.to_version,
                since=move.at if ours else None,
                until=following.at if following is not None and following.kind != "found" else None,
                by=move.by if ours else None,
                kind=move.kind,
                why=move.why,
                is_champion=following is None and move.to_version == current,
            )
        )
    recorded = moves[-1].to_version if moves else None
    if current is not None and recorded != current:
        found.append(Reign(current, None, None, None, "found", NOT_OURS, is_champion=True))
    return found
