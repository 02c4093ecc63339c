"""`tensorline predict NAME --input FILES --output FILE`: the champion's answers for new records."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click

from components.errors import UserError

_PROGRESS_EVERY_S = 2.0


@click.command("predict")
@click.argument("name")
@click.option(
    "--input", "path", required=True, metavar="PATH", help="File, folder, archive or pattern, as data.path takes it."
)
@click.option("--output", required=True, metavar="FILE", type=click.Path(path_type=Path), help=".parquet, .csv or .jsonl.")
@click.option("--version", metavar="N", help="Of the registered model; the champion if left out.")
@click.option("--keep", multiple=True, metavar="COLUMN", help="Copy a column of the input, as an id; may be given again.")
@click.option("--explain", is_flag=True, help="Say what each answer owes to which column, pixel or word; slower.")
@click.option(
    "--beam", "through_beam", is_flag=True, help="Run on the Beam runner of params.yaml, whose workers share the files."
)
def command(
    name: str, path: str, output: Path, version: str | None, keep: tuple[str, ...], *, explain: bool, through_beam: bool
) -> None:
    """Predict new records with the champion of pipeline NAME, or another version.

    They are read as the pipeline's section `data` says; the label may be missing. Paths are from the repository's root. What
    can't be read goes to OUTPUT's name with .rejects.csv.
    """
    from components.bridge.job import Job
    from components.predict.model import Model
    from components.predict.output import check_output
    from components.predict.predict import Name, predict
    from components.tracking.registry import champion, model_version
    from components.tracking.store import open_store

    check_output(output)
    root = Path.cwd()
    job = Job.load(name, root)
    model_name = job.params.register_.model_name
    store = open_store(root)
    with tempfile.TemporaryDirectory() as scratch:
        if version is None:
            found = champion(store, model_name, Path(scratch))
            if found is None:
                raise UserError(
                    f"model '{model_name}' has no champion in {store.shown}. Expected one: dvc repro register@{name}; "
                    "or name a version: --version N."
                )
        else:
            found = model_version(store, model_name, version, Path(scratch))
        model = Model(found.folder)
        named = Name(model_name, found.version)
        on_beam = None
        if through_beam:
            from components.bridge.beam import new_pipeline
            from components.bridge.beam_check import check_beam
            from components.predict.beam import OnBeam

            check_beam(job.shared.beam)
            on_beam = OnBeam(partial(new_pipeline, job.shared.beam), found.folder, output.parent)
        columns = list(dict.fromkeys(keep))
        done = predict(
            job.params.data,
            job.reviewed_schema,
            model,
            named,
            path,
            output,
            columns,
            _progress(),
            explain=explain,
            on_beam=on_beam,
        )
    click.echo(
        f"{model_name}, version {found.version}: {done.num_records:,} records, {done.num_predictions:,} predictions in "
        f"{output}, {sum(done.by_rule.values()):,} rejects in {done.rejects}; {_speed(done.num_records, done.seconds)}"
    )
    if done.by_rule:
        click.echo(f"rejected by rule: {', '.join(f'{rule} {count:,}' for rule, count in done.by_rule.items())}")
    if done.num_short:
        click.echo(f"{done.num_short:,} rows end no window, and have no forecast")
    if done.explained is not None:
        click.echo(f"explanations to look at: {done.explained / 'index.html'}")
    if done.absent:
        click.echo(f"taken as missing, since no record has them: {', '.join(done.absent)}", err=True)
    if done.num_nonfinite:
        click.echo(
            f"{done.num_nonfinite:,} predictions are NaN or infinite: look for extreme values in their records.", err=True
        )


def _progress() -> Callable[[int, float], None]:
    """Tells now and then how far it is."""
    shown_at = 0.0

    def show(num_records: int, seconds: float) -> None:
        nonlocal shown_at
        if seconds - shown_at >= _PROGRESS_EVERY_S:
            shown_at = seconds
            print(f"{num_records:,} records, {_speed(num_records, seconds)}", file=sys.stderr, flush=True)

    return show


def _speed(num_records: int, seconds: float) -> str:
    return f"{seconds:.1f} s, {num_records / max(seconds, 1e-3):,.0f} a second"
