"""Makes `.keras` files of the same model the same bytes: Keras writes the time, and memory addresses as ids of objects."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

_SHARED_OBJECT = re.compile(r'("shared_object_id": )(\d+)')
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first moment that a zip file knows


def number_shared_objects(config: str) -> str:
    """The JSON of a Keras config with the ids of shared objects replaced by 1, 2, … in the order of their appearance."""
    numbers: dict[str, int] = {}

    def number(match: re.Match[str]) -> str:
        return f"{match[1]}{numbers.setdefault(match[2], len(numbers) + 1)}"

    return _SHARED_OBJECT.sub(number, config)


def make_reproducible(path: Path) -> None:
    """Rewrites a `.keras` file without the time of saving and with numbered shared objects."""
    draft = path.with_name(f"{path.name}.new")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(draft, "w") as target:
        for name in sorted(source.namelist()):  # files of assets come as the disk lists them
            content = source.read(name)
            if name == "metadata.json":
                content = json.dumps({**json.loads(content), "date_saved": "1980-01-01@00:00:00"}).encode()
            elif name == "config.json":
                content = number_shared_objects(content.decode()).encode()
            target.writestr(zipfile.ZipInfo(name, _EPOCH), content)
    draft.replace(path)
