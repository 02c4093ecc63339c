"""`tensorline`: what DVC and MLflow do not do.

One command a module, imported only when it is called, so that `tensorline --help` answers at once.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from components.environment import prepare
from components.errors import TensorlineError, UserError

COMMANDS = {
    "compare": "Prints the metrics of several pipelines side by side.",
    "doctor": "Checks the machine and the repository, and names the fix for each failure.",
    "drift": "Compares data with the champion's, train with eval, or training with requests.",
    "history": "Shows which version was champion, from when to when, by whom and why.",
    "ingest-check": "Tells what raw data hold, before any pipeline exists, and what would be rejected.",
    "new": "Proposes a pipeline for data of your own, with the reasons, and writes it.",
    "params": "Prints a pipeline's parameters, defaults filled in.",
    "predict": "Predicts new records with the champion, or another version.",
    "promote": "Makes a version champion because you say so, whatever the gate said.",
    "retrain": "Builds a pipeline anew if there is a reason (new data, drift, …), and reports what came of it.",
    "rollback": "Makes the champion before this one champion again.",
    "schema": "Shows the schema of a pipeline's data; --accept adopts it as the reviewed one.",
    "serve": "Serves the champion over HTTP, as TensorFlow Serving does.",
    "summary": "Prints a table of the pipelines and their models.",
    "tfx": "Runs a pipeline with TFX's own LocalDagRunner instead of DVC.",
    "train": "Runs the stage train of a pipeline, also as one of several workers.",
    "trials": "Prints every trial of a pipeline's last search, the best first.",
    "verify": "Holds everything against what was recorded; --fix mends what can be mended.",
    "warm": "Tells of the server that starts stages at once, or stops it.",
}
WARM = ("predict", "tfx", "train")
"""Those that need TensorFlow: the warm server runs them, if they are called as a program."""


class _LazyGroup(click.Group):
    def list_commands(self, context: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"components.cli.{name.replace('-', '_')}").command
        return command

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
def group() -> None:
    """From CSV files, image folders and text to trained, evaluated and registered TensorFlow models."""


def find_root(start: Path | None = None) -> Path:
    """The repository's root: the nearest folder, from `start` upwards, with dvc.yaml and params.yaml.

    Raises: UserError if there is none.
    """
    start = (start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        if (folder / "dvc.yaml").is_file() and (folder / "params.yaml").is_file():
            return folder
    raise UserError(f"{start}: not inside a Tensorline repository. Expected dvc.yaml and params.yaml here or above; cd there.")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code: 0 done, 1 failure, 2 the user's mistake."""
    prepare()
    try:
        if not (argv or sys.argv[1:]) or set(argv or sys.argv[1:]) & {"-h", "--help"}:
            pass  # help is to be had everywhere
        else:
            os.chdir(find_root())
            sys.path.insert(0, str(Path.cwd()))  # this clone's code, not that of the clone the environment was made in
            if argv is None and sys.argv[1] in WARM:
                from components.warm.client import begin

                exit_code, _ = begin(f"tensorline {sys.argv[1]}")
                if exit_code is not None:
                    return exit_code
        result = group.main(args=argv, prog_name="tensorline", standalone_mode=False)
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.Abort:
        print("tensorline: stopped.", file=sys.stderr)
        return 130
    except click.ClickException as error:
        error.show()
        return 2
    except TensorlineError as error:
        print(f"tensorline: {error}", file=sys.stderr)
        return error.exit_code
    return result if isinstance(result, int) else 0  # of a command that leaves by context.exit


if __name__ == "__main__":
    sys.exit(main())
