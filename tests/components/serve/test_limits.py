"""The token bucket, on a clock of its own."""

from __future__ import annotations

import pytest

from components.serve.limits import TokenBucket


def test_a_burst_and_then_the_rate() -> None:
    now = 0.0
    bucket = TokenBucket(rate=2.0, burst=3.0, clock=lambda: now)
    assert [bucket.take() for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]
    now = 0.25
    assert bucket.take() == pytest.approx(0.25)
    now = 0.5
    assert [bucket.take(), bucket.take()] == [0.0, pytest.approx(0.5)]
    now = 100.0
    assert [bucket.take() for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]
