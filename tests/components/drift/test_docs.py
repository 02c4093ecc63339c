"""docs/drift.md tells the truth: its section is valid, and holds the defaults."""

from __future__ import annotations

import re

from ruamel.yaml import YAML

from components.drift.build import MAX_LISTED, MAX_NUMBERS, MAX_SAMPLE
from components.drift.compare import MIN_EXPECTED
from components.drift.report import MAX_PICTURES
from components.params.models import DriftParams, ValidateParams
from tests.conftest import ROOT

TEXT = (ROOT / "docs" / "drift.md").read_text(encoding="utf-8")


def test_the_section_holds_the_defaults() -> None:
    (section,) = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    params = ValidateParams.model_validate(YAML(typ="safe", pure=True).load(section)["validate"])
    assert params.drift == DriftParams(ignore=["trip_start_timestamp"])


def test_the_numbers_are_those_of_the_code() -> None:
    assert f"a sample of {MAX_SAMPLE:,} different records (fewer of more than {MAX_NUMBERS // MAX_SAMPLE} numeric" in TEXT
    assert f"the {MAX_LISTED:,} most frequent ones" in TEXT
    assert f"fewer than {MIN_EXPECTED:g} to either side" in TEXT
    assert f"(at most {MAX_PICTURES})" in TEXT
