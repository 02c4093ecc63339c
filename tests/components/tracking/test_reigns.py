"""Reigns out of moves: from when to when, by whom, and what nobody knows."""

from __future__ import annotations

from components.tracking.moves import Move
from components.tracking.reigns import Reign, reigns_of


def move(hour: int, kind: str, before: str | None, to: str | None) -> Move:
    return Move(f"2026-11-23T{hour:02}:00:00+00:00", "ann@desk", kind, before, to, f"why {hour}")  # type: ignore[arg-type]


def at(hour: int) -> str:
    return f"2026-11-23T{hour:02}:00:00+00:00"


def test_one_ends_as_the_next_begins() -> None:
    found = reigns_of([move(1, "promote", None, "1"), move(2, "override", "1", "2"), move(3, "rollback", "2", "1")], "1")
    assert found == [
        Reign("1", at(1), at(2), "ann@desk", "promote", "why 1"),
        Reign("2", at(2), at(3), "ann@desk", "override", "why 2"),
        Reign("1", at(3), None, "ann@desk", "rollback", "why 3", is_champion=True),
    ]


def test_when_someone_else_moved_the_alias_nobody_knows() -> None:
    found = reigns_of([move(1, "promote", None, "1"), move(5, "found", "1", "2"), move(5, "promote", "2", "3")], "3")
    assert found == [
        Reign("1", at(1), None, "ann@desk", "promote", "why 1"),
        Reign("2", None, at(5), None, "found", "why 5"),
        Reign("3", at(5), None, "ann@desk", "promote", "why 5", is_champion=True),
    ]


def test_a_move_that_was_not_noticed_yet() -> None:
    found = reigns_of([move(1, "promote", None, "1")], "4")
    assert found == [
        Reign("1", at(1), None, "ann@desk", "promote", "why 1"),
        Reign("4", None, None, None, "found", "not moved by Tensorline", is_champion=True),
    ]


def test_there_may_be_no_champion() -> None:
    assert reigns_of([], None) == []
    without = [move(1, "promote", None, "1"), move(3, "found", "1", None), move(3, "promote", None, "2")]
    assert reigns_of(without, None) == [
        Reign("1", at(1), None, "ann@desk", "promote", "why 1"),
        Reign("2", at(3), None, "ann@desk", "promote", "why 3"),
    ]
