"""Which workers train together, and which of them this process is: TF_CONFIG, as Kubernetes operators set it.

    {"cluster": {"chief": ["a:2222"], "worker": ["b:2222", "c:2222"]}, "task": {"type": "worker", "index": 0}}

The chief is worker 0 here, whether TF_CONFIG calls it chief or names workers alone; the others follow it. The format is of
https://www.tensorflow.org/guide/distributed_training#TF_CONFIG.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components.errors import TensorlineError, UserError

VARIABLE = "TF_CONFIG"
FIRST_PORT = 23456
"""Of workers on this machine whose addresses nobody gave."""

_EXAMPLE = '{"cluster": {"worker": ["host:port", …]}, "task": {"type": "worker", "index": 0}}'
_POLL_S = 0.2


@dataclass(frozen=True)
class Cluster:
    """The workers that train together.

    Attributes:
        addresses: host:port of each, the chief's first.
        index: Which of them this process is.
    """

    addresses: tuple[str, ...]
    index: int

    @property
    def is_chief(self) -> bool:
        """Whether this process logs, saves and exports."""
        return self.index == 0

    def as_tf_config(self) -> str:
        """The value of TF_CONFIG, in which the chief is worker 0."""
        return json.dumps({"cluster": {"worker": self.addresses}, "task": {"type": "worker", "index": self.index}})

    def wait_for(self, indices: list[int], timeout_s: float) -> None:
        """Returns when these workers can be reached. Raises: TensorlineError if one can't within `timeout_s`."""
        end = time.monotonic() + timeout_s
        for index in indices:
            while (problem := _unreachable(self.addresses[index])) is not None:
                if time.monotonic() > end:
                    raise TensorlineError(
                        f"Worker {index} at {self.addresses[index]} can't be reached from worker {self.index} within "
                        f"{timeout_s:g} s (train.worker_timeout_s): {problem}. Start all {len(self.addresses)} workers, "
                        "with the same addresses, and let them reach each other's ports."
                    )
                time.sleep(_POLL_S)


def from_environment() -> Cluster | None:
    """The cluster that TF_CONFIG describes; None if it is not set.

    Raises: UserError if TF_CONFIG is malformed, or names no place for this process.
    """
    text = os.environ.get(VARIABLE, "")
    if not text.strip():
        return None
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise _refused(f"not JSON ({error})") from None
    if not isinstance(value, dict):
        raise _refused(f"a JSON object is needed, got {json.dumps(value)}")
    for key in ("cluster", "task"):
        if not isinstance(value.get(key), dict):
            raise _refused(f"{key}: missing, or no object")
    jobs = _jobs(value["cluster"])
    return Cluster((*jobs.get("chief", ()), *jobs.get("worker", ())), _index(value["task"], jobs))


def index_of_follower() -> int | None:
    """Which worker this process is, if TF_CONFIG is sound and makes it another than the chief."""
    try:
        cluster = from_environment()
    except UserError:
        return None  # whoever needs the cluster will tell
    return None if cluster is None or cluster.is_chief else cluster.index


def parse_address(text: str) -> tuple[str, int]:
    """(host, port). Raises: ValueError if `text` is not host:port."""
    host, _, port = text.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(f"expected host:port, got '{text}'")
    return host, int(port)


def _jobs(given: Mapping[str, Any]) -> dict[str, list[str]]:
    if unknown := sorted(set(given) - {"chief", "worker"}):
        raise _refused(f"cluster.{unknown[0]}: multi_worker has a chief and workers only")
    for job, addresses in given.items():
        if not isinstance(addresses, list) or not addresses or not all(isinstance(each, str) for each in addresses):
            raise _refused(f"cluster.{job}: expected a list of host:port, got {json.dumps(addresses)}")
        for address in addresses:
            try:
                parse_address(address)
            except ValueError as error:
                raise _refused(f"cluster.{job}: {error}") from None
    if not given:
        raise _refused("cluster: no worker")
    if len(given.get("chief", [""])) > 1:
        raise _refused(f"cluster.chief: expected one address, got {len(given['chief'])}")
    everyone = [address for addresses in given.values() for address in addresses]
    if repeated := sorted({address for address in everyone if everyone.count(address) > 1}):
        raise _refused(f"cluster: {repeated[0]} is there twice")
    return dict(given)


def _index(task: Mapping[str, Any], jobs: Mapping[str, list[str]]) -> int:
    """The place of the task among chief and workers."""
    job, index = task.get("type"), task.get("index")
    if not isinstance(job, str) or job not in jobs:
        raise _refused(f"task.type: expected {' or '.join(sorted(jobs))}, which the cluster has, got {json.dumps(job)}")
    if isinstance(index, str) and index.isascii() and index.isdigit():  # some operators write it so
        index = int(index)
    number = len(jobs[job])
    if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < number:
        raise _refused(f"task.index: the cluster has {job} 0 to {number - 1}, got {json.dumps(index)}")
    return index if job == "chief" else index + len(jobs.get("chief", ()))


def _refused(problem: str) -> UserError:
    return UserError(f"{VARIABLE}: {problem}. Expected {_EXAMPLE}; mend the environment variable {VARIABLE}, or unset it.")


def _unreachable(address: str) -> str | None:
    """Why nobody answers at `address`; None if somebody does."""
    host, port = parse_address(address)
    try:
        socket.create_connection((host.strip("[]"), port), timeout=2.0).close()
    except OSError as error:
        return error.strerror or str(error)
    return None
