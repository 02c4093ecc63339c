"""How much memory there is for more, to this process's control group as well as to the machine."""

from __future__ import annotations

import os

TO_START_BYTES = 4 << 30
"""With less at hand no server is started, which takes 1.3 GB, beside a stage."""
TO_STAY_BYTES = 1 << 30
"""With less at hand the server leaves."""


def available_bytes() -> int:
    """What can be had without swapping; of a container what its limit leaves."""
    with open("/proc/meminfo", encoding="ascii") as lines:
        amounts = dict(line.split(":", 1) for line in lines)
    available = int(amounts["MemAvailable"].split()[0]) * 1024
    left = _left_of_group()
    return available if left is None else min(available, left)


def _left_of_group(groups: str = "/sys/fs/cgroup") -> int | None:
    """What the limit of the control group (version 2) leaves; None where there is no limit, or none can be read."""
    try:
        with open("/proc/self/cgroup", encoding="utf-8") as lines:
            own = next((line.strip().split("::", 1)[1] for line in lines if line.startswith("0::")), None)
        if own is None:
            return None
        left = []
        while True:
            folder = groups + own.rstrip("/")
            if os.path.exists(f"{folder}/memory.max"):
                limit = _read(f"{folder}/memory.max")
                if limit != "max":
                    statistics = dict(line.split() for line in _read(f"{folder}/memory.stat").splitlines())
                    # Files that were read long ago are given back when memory is asked for.
                    used = int(_read(f"{folder}/memory.current")) - int(statistics["inactive_file"])
                    left.append(int(limit) - used)
            if own in {"", "/"}:
                return min(left, default=None)
            own = own.rpartition("/")[0]
    except OSError:
        return None


def _read(path: str) -> str:
    with open(path, encoding="ascii") as file:
        return file.read().strip()
