"""Makes a proposed pipeline part of the repository: all of it, or nothing."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from components.errors import TensorlineError, UserError
from components.new.place import Place, copy_data
from components.new.propose import Proposal
from components.new.render import flow
from components.params.load import SHARED_FILE, load_pipeline, load_shared, pipeline_file

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_BLOCK = re.compile(r"^pipelines:[ \t]*(\{\}[ \t]*)?(#.*)?$", re.MULTILINE)


@dataclass(frozen=True)
class Written:
    """What there is now: files from the repository's root, and the bytes that were copied."""

    files: list[str]
    num_bytes: int


def check_name(name: str, root: Path) -> None:
    """Raises a UserError if no pipeline can be named so, or one is."""
    if not _NAME.fullmatch(name):
        raise UserError(
            f"'{name}': is no name of a pipeline. Expected small letters, digits and _, a letter first, as churn_2."
        )
    if name in load_shared(root).pipelines:
        raise UserError(f"{SHARED_FILE}: a pipeline is named '{name}' already. Choose another name, or remove that line.")
    for place in (Path("pipelines", name), Path("schemas", f"{name}.pbtxt"), Path("artifacts", name)):
        if os.path.lexists(root / place):
            raise UserError(f"{place}: is there already. Expected a new name. Choose another one, or remove what is there.")


def write(name: str, pattern: str, proposal: Proposal, place: Place, root: Path) -> Written:
    """Writes pipelines/NAME, schemas/NAME.pbtxt and a line of params.yaml, and copies the data where they must be.

    All is made aside, loaded as a stage loads it, and moved into place; params.yaml, which makes it a pipeline, comes last.

    Raises: UserError if the data can't be copied; TensorlineError if what was proposed is not valid.
    """
    shared = (root / SHARED_FILE).read_text(encoding="utf-8")
    field = "recipes/" + proposal.recipe.partition(".")[0]
    line = f"  {name}: {{data: {flow(place.folder)}, recipe: {field}}}"
    scratch = Path(tempfile.mkdtemp(prefix=f".new-{name}-", dir=root))
    moved: list[Path] = []
    try:
        (scratch / "pipelines" / name).mkdir(parents=True)
        (scratch / "schemas").mkdir()
        (scratch / SHARED_FILE).write_text(with_pipeline(shared, line), encoding="utf-8")
        (scratch / pipeline_file(name)).write_text(proposal.text(place.pattern), encoding="utf-8")
        (scratch / "pipelines" / name / "dvc.yaml").write_text(dvc_file(name, proposal.kind), encoding="utf-8")
        (scratch / "schemas" / f"{name}.pbtxt").write_text(
            f"# None yet: validate infers it. Review and adopt it: tensorline schema {name} --accept\n", encoding="utf-8"
        )
        try:
            load_pipeline(name, scratch)
        except UserError as error:
            raise TensorlineError(
                f"what was proposed for {name} is not valid; nothing was written. Please report it, with the head of the "
                f"data:\n{error}"
            ) from error
        num_bytes = copy_data(place, pattern, scratch / "data") if place.copies else 0
        moves = [(f"pipelines/{name}", f"pipelines/{name}"), (f"schemas/{name}.pbtxt", f"schemas/{name}.pbtxt")]
        if place.copies:
            moves.append(("data", place.folder))
        for source, target in moves:
            (root / target).parent.mkdir(exist_ok=True)
            (scratch / source).rename(root / target)
            moved.append(root / target)
        shutil.copymode(root / SHARED_FILE, scratch / SHARED_FILE)
        (scratch / SHARED_FILE).replace(root / SHARED_FILE)
    except BaseException:
        for path in moved:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        raise
    finally:
        shutil.rmtree(scratch)
    return Written([pipeline_file(name), f"pipelines/{name}/dvc.yaml", f"schemas/{name}.pbtxt", SHARED_FILE], num_bytes)


def with_pipeline(shared: str, line: str) -> str:
    """The text of params.yaml with one more pipeline, behind those that are built; comments stay where they are.

    Raises: UserError if the pipelines don't stand there one a line.
    """
    header = _BLOCK.search(shared)
    if header is None:
        raise UserError(
            f"{SHARED_FILE}: no line 'pipelines:' with a pipeline a line below it. Add the line yourself: {line.strip()}"
        )
    last = reached = header.end() + 1
    for row in shared[reached:].splitlines(keepends=True):
        reached += len(row)
        if row.strip() and not row.lstrip().startswith("#"):
            if not row[0].isspace():
                break
            last = reached
    before = _opened(shared, header) + "\n" + shared[header.end() + 1 : last]
    return before + ("" if before.endswith("\n") else "\n") + f"{line}\n" + shared[last:]


def _opened(shared: str, header: re.Match[str]) -> str:
    """The text up to the end of the line 'pipelines:', without an empty {}."""
    return shared[: header.start()] + re.sub(r":[ \t]*\{\}", ":", header[0]).rstrip()


def dvc_file(name: str, kind: str) -> str:
    """What `dvc metrics` and `dvc plots` show of a pipeline.

    Args:
        name: Of the pipeline.
        kind: Of its task.
    """
    report = f"../../artifacts/{name}/report"
    plots = {
        "regression": f"""\
  - {name} residuals:
      template: scatter
      x: predicted
      y: {{{report}/residuals.csv: residual}}
""",
        "scored": "",
    }.get(
        kind,
        f"""\
  - {name} calibration:
      template: linear
      x: mean_score
      y: {{{report}/calibration.csv: fraction_positive}}
  - {name} confusion:
      template: confusion
      x: actual
      y: {{{report}/confusion.csv: predicted}}
""",
    )
    shown = "`dvc metrics show` and `dvc plots show` read" if plots else "`dvc metrics show` reads"
    return (
        f"# What {shown} of this pipeline; its stages stand in the dvc.yaml of the root.\n"
        f"metrics:\n  - {report}/metrics.json\n" + (f"plots:\n{plots}" if plots else "")
    )
