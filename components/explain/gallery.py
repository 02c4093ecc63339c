"""A folder of explanations to look at: overlays of images, and a page that shows images or texts with what moved the answer.

The page needs nothing from outside. It shows the first MAX_SHOWN explanations; of images there is an overlay each.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from components.explain.overlay import AGAINST, TOWARDS

MAX_SHOWN = 1000
PAGE = "index.html"
_ATTRIBUTION = "attribution_"


class Gallery:
    """Stands under its name once it is whole, in place of an older one; use as a context.

    Attributes:
        folder: Its name.
        names: Columns of pictures, which become columns of the names of their files.

    Args:
        folder: To be made.
        schema: Of the columns that it is given.
    """

    def __init__(self, folder: Path, schema: pa.Schema) -> None:
        self.folder = folder
        self.names = [each.name for each in schema if pa.types.is_binary(each.type)]
        self._columns = [name for name in schema.names if name.startswith(_ATTRIBUTION)]
        self._partial = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
        self._shown: list[dict[str, Any]] = []
        self._number = 0

    def __enter__(self) -> Gallery:
        self._partial.mkdir(parents=True)
        return self

    def add(self, columns: dict[str, pa.Array]) -> dict[str, pa.Array]:
        """Takes the next rows of the table, and gives them back with the names of files in place of pictures."""
        number = len(columns["explained"])
        columns = dict(columns)
        for name in self.names:
            files = [f"{self._number + row:07d}.png" for row in range(number)]
            for file, picture in zip(files, columns[name], strict=True):
                (self._partial / file).write_bytes(picture.as_py())
            columns[name] = pa.array([f"{self.folder.name}/{file}" for file in files], pa.string())
        self._number += number
        wanted = max(0, MAX_SHOWN - len(self._shown))
        taken = ["file", "row", "explained", "explained_value", "explained_baseline", *self._columns]
        self._shown += pa.table({name: columns[name].slice(0, wanted) for name in taken}).to_pylist()
        return columns

    def publish(self) -> None:
        """Writes the page, and gives the folder its name."""
        from jinja2 import Environment, FileSystemLoader

        environment = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True)
        template = environment.get_template("explained.html.jinja")
        names = [name.removeprefix(_ATTRIBUTION) for name in self._columns]
        page = template.render(
            columns=list(zip(self._columns, names, strict=True)),
            pictures=bool(self.names),
            rows=[_row(row, self._columns) for row in self._shown] if not self.names else self._shown,
            number=self._number,
            towards=_css(TOWARDS),
            against=_css(AGAINST),
        )
        (self._partial / PAGE).write_text(page, encoding="utf-8")
        if self.folder.exists():
            shutil.rmtree(self.folder)
        self._partial.replace(self.folder)

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._partial, ignore_errors=True)


def _row(row: dict[str, Any], columns: Sequence[str]) -> dict[str, Any]:
    """The words of each column with how strongly they are coloured, from -1 to 1."""
    for name in columns:
        strongest = max((abs(word["attribution"]) for word in row[name]), default=0.0) or 1.0
        row[name] = [{**word, "strength": word["attribution"] / strongest} for word in row[name]]
    return row


def _css(colour: Sequence[int]) -> str:
    return ", ".join(map(str, colour))
