"""How much memory there is for more, to this process's control group as well as to the machine."""

from __future__ import annotations

TO_START_BYTES = 4 << 30
"""With less at hand no server is started, which takes 1.3 GB, beside a stage."""
TO_STAY_BYTES = 1 << 30
"""With less at hand the server leaves."""


def available_bytes() -> int:
    """What can be had without swapping; of a container what its limit leaves."""
    with open("/proc/meminfo", encoding="ascii") as lines:
        amounts = dict(line.split(":", 1) for line in lines)
    available = int(amounts["MemAvailable"].split()[0]) * 1024
    own = _own_group()
    left = None if own is None else left_of_group(own)
    return available if left is None else min(available, left)


def left_of_group(own: str, groups: str = "/sys/fs/cgroup") -> int | None:
    """What the limits of a control group, and of those around it, leave; None where there is no limit to be read.

    Args:
        own: The group's path, beginning with a slash.
        groups: Where the groups are mounted (version 2).
    """
    left = []
    while own.strip("/"):
        try:
            limit = _read(f"{groups}{own}/memory.max")
            if limit != "max":
                statistics = dict(line.split() for line in _read(f"{groups}{own}/memory.stat").splitlines())
                # Files that were read long ago are given back when memory is asked for.
                used = int(_read(f"{groups}{own}/memory.current")) - int(statistics["inactive_file"])
                left.append(int(limit) - used)
        except OSError:  # a container may not see the groups around it
            pass
        own = own.rpartition("/")[0]
    return min(left, default=None)


def _own_group() -> str | None:
    try:
        lines = _read("/proc/self/cgroup").splitlines()
    except OSError:
        return None
    return next((line.split("::", 1)[1] for line in lines if line.startswith("0::")), None)


def _read(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read().strip()
