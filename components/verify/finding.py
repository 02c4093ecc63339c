"""What `tensorline verify` finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning"]
"""`error`: something is lost, damaged or untrue; `warning`: nothing is lost, and it is not as it should be."""


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be.

    Attributes:
        check: Which check found it.
        severity: See `Severity`.
        where: The file, run or version that it is about.
        what: What was found, and what was expected.
        fix: How to mend it, or what is left to do.
        done: What --fix did about it; '' for nothing.
        mended: Whether nothing is left to do.
    """

    check: str
    severity: Severity
    where: str
    what: str
    fix: str
    done: str = ""
    mended: bool = False
