"""What the ingest has to tell."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from components.bridge.job import Job
from components.bridge.outcome import Outcome
from components.contact_sheet import rejected_sheet
from components.ingest.ingest import REJECTS_FILE, REPORT_FILE
from components.ingest.summary import summary


def outcome(job: Job, folders: Mapping[str, Path]) -> Outcome:
    """Counts by split, the bad records as a file of the run, rejected images as a picture, and the dataset by its digest."""
    folder = folders["ingest_report"]
    sheet = rejected_sheet(folder)
    report = json.loads((folder / REPORT_FILE).read_text(encoding="utf-8"))
    return Outcome(
        lines=summary(report).splitlines(),
        metrics={
            "num_records_in": report["num_records_in"],
            "num_rejects": report["num_rejects"],
            **({"num_thinned": report["num_thinned"]} if "num_thinned" in report else {}),
            **{f"num_examples_{split}": count for split, count in report["num_examples"].items()},
        },
        files={folder / REPORT_FILE: "ingest", folder / REJECTS_FILE: "ingest"},
        figures={} if sheet is None else {"ingest/rejected.png": sheet},
        dataset=(job.name, report["data_digest"], ", ".join(report["by_file"])),
    )
