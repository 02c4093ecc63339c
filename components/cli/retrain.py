"""`tensorline retrain NAME…`: builds a pipeline anew if there is a reason, and says what came of it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from components.errors import TensorlineError, UserError

if TYPE_CHECKING:
    from components.retrain.retrain import Result

_WORST = (1, 2, 3, 0)
"""Exit codes, the one first that tells most."""


@click.command("retrain")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--force", is_flag=True, help="Whatever the triggers and the cooldown say.")
@click.option("--dry-run", is_flag=True, help="Only decide: build nothing, write nothing.")
@click.option("--labelled", metavar="FILES", help="Freshly labelled records, in place of retrain.fresh.")
@click.option("--report", "file", metavar="FILE.md", type=click.Path(path_type=Path), help="Write the report there.")
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON; all else goes to standard error.")
@click.option("--heartbeat-check", is_flag=True, help="Only say whether the schedule still runs; 1 if a check is overdue.")
def command(
    names: tuple[str, ...],
    force: bool,
    dry_run: bool,
    labelled: str | None,
    file: Path | None,
    as_json: bool,
    heartbeat_check: bool,
) -> int:
    """Build pipelines NAMES anew where there is a reason; all of params.yaml if none is named.

    Reasons, and how long to wait after an attempt, stand in the section `retrain` of pipelines/NAME/params.yaml. Exit codes:
    0 done, or nothing to do (a model that the gate refuses is no failure), 1 a failure, 2 a mistake of the user, 3 a stage
    refused the data.
    """
    from components.params.load import load_shared

    root = Path.cwd()
    wanted = list(dict.fromkeys(names)) or list(load_shared(root).pipelines)
    if heartbeat_check:
        return _check(root, wanted)
    if labelled is not None and len(wanted) != 1:
        raise UserError(f"--labelled: whose records are they? Expected one pipeline, got {', '.join(wanted)}. Name one.")
    if file is not None and not file.parent.is_dir():
        raise UserError(f"--report: {file.parent} is no folder. Expected one to write {file.name} to; make it.")

    from components.retrain.github import tell
    from components.retrain.report import report
    from components.retrain.retrain import retrain

    results: list[Result] = []
    problems: dict[str, str] = {}
    codes: list[int] = []
    for name in wanted:
        try:
            result = retrain(name, root, force=force, dry_run=dry_run, labelled=labelled, on_line=_show)
        except TensorlineError as error:
            if len(wanted) == 1:
                raise
            problems[name] = str(error)
            codes.append(error.exit_code)
            print(f"tensorline: {error}", file=sys.stderr)
            continue
        results.append(result)
        codes.append(result.exit_code)
        _print(result, err=as_json)
    text = report([each.story for each in results], problems)
    if file is not None:
        file.write_text(text, encoding="utf-8")
    tell(results, text, os.environ)
    if as_json:
        click.echo(json.dumps([each.as_dict() for each in results], indent=1, ensure_ascii=False))
    return next(code for code in _WORST if code in codes)


def _show(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _print(result: Result, *, err: bool) -> None:
    from components.retrain.report import headline

    story = result.story
    click.echo(headline(story), err=err)
    for trigger in story.decision.triggers:
        click.echo(f"  {'yes' if trigger.fired else 'no ':<3}  {trigger.name:<12} {trigger.why}", err=err)
    click.echo(f"  {'retrain' if story.decision.retrain else 'wait'}: {story.decision.why}", err=err)
    if story.outcome is not None:
        click.echo(f"  {story.outcome}: {story.why}", err=err)


def _check(root: Path, names: Sequence[str]) -> int:
    """Says of each pipeline when its last check was; returns the exit code."""
    from datetime import datetime, timezone

    from components.retrain.heartbeat import overdue, read_heartbeat, shown_time

    late = False
    for name in names:
        beat = read_heartbeat(root, name)
        if beat is None:
            click.echo(f"{name}: no check yet; tensorline retrain {name} makes the first")
        elif (problem := overdue(beat, datetime.now(timezone.utc))) is not None:
            late = True
            click.echo(problem)
        else:
            click.echo(f"{name}: checked at {shown_time(beat.checked_at)}, the next is due by {shown_time(beat.due_by)}")
    return int(late)
