"""The same content in two splits, or under two labels, is found; beyond the bound, estimated."""

from __future__ import annotations

from components.validate.repeats import RepeatCounts, Repeats, content_key


def test_repeats_leaks_and_conflicts_are_counted() -> None:
    repeats = Repeats()
    told = [
        repeats.add(content_key(content), split, label)
        for content, split, label in (
            (b"once", 0, 0),
            (b"twice", 0, 1),
            (b"twice", 0, 1),
            (b"leak", 0, 0),
            (b"leak", 2, 0),
            (b"leak", 2, 0),
            (b"conflict", 0, 1),
            (b"conflict", 1, 0),
        )
    ]
    assert told == [(None, False)] * 4 + [(None, True), (None, False), (None, False), (1, True)]
    assert repeats.counts() == RepeatCounts(4, 4, 2, 1, is_exact=True)


def test_beyond_the_bound_the_numbers_are_estimates() -> None:
    repeats = Repeats(max_contents=500)
    for split in (0, 2):
        for index in range(8000):
            if split == 0 or index % 4 == 0:
                repeats.add(content_key(b"%d" % index), split, 0)
    counts = repeats.counts()
    assert not counts.is_exact
    assert len(repeats._seen) <= 500
    assert abs(counts.num_distinct - 8000) < 1200
    assert abs(counts.num_in_two_splits - 2000) < 600
    assert counts.num_repeated == counts.num_in_two_splits
