"""Attributions of transformed features belong to raw columns, and none is lost."""

from __future__ import annotations

import numpy as np

from recipes.tabular.attribution import by_column
from recipes.tabular.params import Hash
from recipes.tabular.plan import Category, Cross, Number, Plan


def test_every_piece_finds_its_column() -> None:
    import tensorflow as tf

    company = Category("Company", "company", Hash(kind="hash", num_buckets=10))
    hour = Category("hour", "hour", range(24))
    numbers = (
        Number("fare", log=False, num_buckets=5, indicator=True),
        Number("miles", log=False, num_buckets=None, indicator=False),
        Number("age", log=True, num_buckets=3, indicator=True),
    )
    plan = Plan(numbers, (company, hour), (Cross("company_x_hour", (company, hour), 100),))
    # Z-scores of all numbers, then the inner pieces of fare (3) and age (1).
    found = by_column(
        plan,
        {
            "numeric": tf.constant([[1.0, 2.0, 4.0, 0.1, 0.2, 0.3, 0.5]]),
            "missing": tf.constant([[10.0, 20.0]]),
            "company": tf.constant([[100.0]]),
            "hour": tf.constant([[200.0]]),
            "company_x_hour": tf.constant([[8.0]]),
        },
    )
    expected = {"fare": 1.0 + 0.6 + 10.0, "miles": 2.0, "age": 4.0 + 0.5 + 20.0, "Company": 104.0, "hour": 204.0}
    assert found.keys() == expected.keys()
    np.testing.assert_allclose([values[0] for values in found.values()], list(expected.values()), rtol=1e-6)
