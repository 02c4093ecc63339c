"""The sample of each class depends on the contents alone."""

from __future__ import annotations

from components.validate.sample import Sample


def drawn(order: list[int]) -> list[tuple[str, list[int]]]:
    sample: Sample[int] = Sample(3, max_groups=2)
    for key in order:
        sample.add("even" if key % 2 == 0 else "odd", key, key)
    return list(sample.groups())


def test_the_least_keys_of_each_group_in_whatever_order_they_come() -> None:
    keys = [7 * index % 20 for index in range(40)]
    assert drawn(keys) == drawn(sorted(keys)) == [("even", [0, 2, 4]), ("odd", [1, 3, 5])]


def test_later_groups_are_left_out() -> None:
    sample: Sample[str] = Sample(3, max_groups=1)
    sample.add("first", 1, "a")
    assert not sample.wants("second", 0)
    sample.add("second", 0, "b")
    assert list(sample.groups()) == [("first", ["a"])]
