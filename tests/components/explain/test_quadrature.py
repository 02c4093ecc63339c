"""Integrals from 0 to 1, and which are not near enough."""

from __future__ import annotations

import numpy as np

from components.explain.quadrature import NUM_POINTS, far, gauss_legendre


def test_polynomials_are_exact() -> None:
    points, weights = gauss_legendre(NUM_POINTS[0])
    for degree in range(2 * NUM_POINTS[0]):
        np.testing.assert_allclose((weights * points**degree).sum(), 1 / (degree + 1), rtol=1e-5)


def test_a_kink_needs_more_points() -> None:
    errors = []
    for number in NUM_POINTS:
        points, weights = gauss_legendre(number)
        errors.append(abs(float((weights * (points > 0.3)).sum()) - 0.7))
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.01


def test_far() -> None:
    gap = np.array([0.009, 0.011, -0.011, 0.004, 0.006])
    distance = np.array([1.0, 1.0, -1.0, 0.0, 0.0])  # of the last two the contributions cancel out
    assert far(gap, distance, np.full(5, 5.0)).tolist() == [False, True, True, False, True]
