"""`tensorline verify`: is everything still as it was recorded."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import click


@click.command("verify")
@click.option("--fix", is_flag=True, help="Mend what can be mended, and tell what was done.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def command(fix: bool, as_json: bool) -> None:
    """Hold DVC's cache, the artifacts, the runs and the models against what was recorded.

    Leaves with 0 if all is sound, else with 1; with --fix, if something is left to do. Without --fix it changes nothing.
    """
    from components import progress
    from components.tracking.store import open_store
    from components.verify.verify import verify

    root = Path.cwd()
    started = time.monotonic()
    with progress.hearing(lambda text: click.echo(text, err=True)):
        report = verify(root, open_store(root), fix=fix)
    if as_json:
        click.echo(json.dumps(report.as_dict(), indent=1, ensure_ascii=False))
        sys.exit(0 if report.is_sound else 1)
    for finding in report.findings:
        click.echo(f"{'mended' if finding.mended else finding.severity} · {finding.check} · {finding.where}: {finding.what}")
        if finding.done:
            click.echo(f"    done: {finding.done}")
        if not finding.mended:
            click.echo(f"    mend: {finding.fix}")
    click.echo(
        f"{report.num_objects:,} objects in DVC's cache, {report.num_outputs:,} outputs, {report.num_runs:,} runs, "
        f"{report.num_versions:,} model versions; {report.num_bytes / 1e6:,.1f} MB rehashed in "
        f"{time.monotonic() - started:.1f} s"
    )
    if report.num_without_list:
        versions = "1 version has" if report.num_without_list == 1 else f"{report.num_without_list:,} versions have"
        click.echo(f"{versions} no recorded digests of the files: only model.json was compared")
    left = sum(not finding.mended for finding in report.findings)
    mended = len(report.findings) - left
    told = f"{left:,} to mend" if left else "all is sound"
    click.echo(f"{told}, {mended:,} mended" if mended else told)
    sys.exit(1 if left else 0)
