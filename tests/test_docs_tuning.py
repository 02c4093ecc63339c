"""docs/tuning.md tells the truth: its sections are valid, and its numbers are the code's."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
from ruamel.yaml import YAML

from components.params.models import TuneParams

TEXT = (Path(__file__).parents[1] / "docs" / "tuning.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("section", re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL))
def test_sections_are_valid(section: str) -> None:
    assert TuneParams.model_validate(YAML(typ="safe", pure=True).load(section)["tune"])  # raises otherwise


def test_every_algorithm_is_told() -> None:
    told = re.findall(r"^\| `(\w+)` \|", TEXT, re.MULTILINE)
    assert tuple(told) == get_args(TuneParams.model_fields["algorithm"].annotation)


@pytest.mark.slow  # imports KerasTuner
def test_the_numbers_are_the_codes() -> None:
    from components.tune.importance import MIN_TRIALS
    from components.tune.oracles import MAX_OUT_OF_MEMORY, MAX_STARTS
    from components.tune.search import NUM_HOPELESS

    assert (MIN_TRIALS, MAX_OUT_OF_MEMORY, MAX_STARTS, NUM_HOPELESS) == (6, 2, 6, 3)
    assert "from six completed trials on" in TEXT
    assert "the second time that the Linux kernel killed" in TEXT
    assert "and the sixth time in any case" in TEXT
    assert "When the first three trials fail" in TEXT
