"""Where an integral from 0 to 1 is measured, and when it is near enough."""

from __future__ import annotations

import numpy as np

NUM_POINTS = (16, 64, 256)
"""So many points at first; more for those examples whose sum is not near enough, until they run out."""
TOLERANCE = 0.01
"""Of the answer's distance from that of the baseline: how much may be missing from what the columns get."""
_OF_ALL = 0.1
"""Where contributions cancel out, the distance says little: at least this part of them all, whatever their signs, counts."""


def gauss_legendre(num_points: int) -> tuple[np.ndarray, np.ndarray]:
    """Points and weights, float32 [num_points]: exact for polynomials up to the degree 2 * num_points - 1.

    A network is none, but with as many points the sum is far nearer than the Riemann sum of the tutorial.
    """
    points, weights = np.polynomial.legendre.leggauss(num_points)
    return ((points + 1.0) / 2.0).astype(np.float32), (weights / 2.0).astype(np.float32)


def far(gap: np.ndarray, distance: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Which examples miss more than TOLERANCE; bool [N].

    Args:
        gap: What is missing, [N].
        distance: From the answer to the baseline's, [N].
        total: Of the attributions' absolute values, [N].
    """
    return np.abs(gap) > TOLERANCE * np.maximum(np.abs(distance), _OF_ALL * total)
