"""What a process must have in common with the server to be forked from it, and what a fork can be given.

A forked process has the interpreter and the imported libraries of its server. Whatever shaped them when they started must be
as it is where the stage was started, or the stage runs cold.
"""

from __future__ import annotations

import _locale
import os
import resource
import signal
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from components.warm import streams

MATTERS = (
    *("ABSL_", "ARROW_", "CUDA_", "GLIBC_", "GRPC_", "HIP_", "JEMALLOC_", "KERAS_", "KMP_", "LANG", "LC_", "LD_", "MALLOC_"),
    *("MIOPEN_", "MKL_", "MLFLOW_", "MPL", "NCCL_", "NPY_", "NUMEXPR_", "NUMPY_", "NVIDIA_", "OMP_", "ONEDNN_", "OPENBLAS_"),
    *("PROTOCOL_BUFFERS_", "PYTHON", "ROCM_", "TF_", "TF2_", "TPU_", "TQDM_", "TZ", "XLA_", "ZE_"),
)
"""How the names begin of what native code reads when it is loaded, or some library reads by going through everything.
What Python code asks for by name while it is imported is noticed (`libraries.Recorder`)."""
READ_LATER = frozenset(
    {
        # Of the terminal, or looked up again whenever it is needed.
        *("COLUMNS", "EDITOR", "LINES", "OLDPWD", "PATH", "PWD", "SHELL", "SHLVL", "TERM", "TERM_PROGRAM", "_"),
        *("TEMP", "TMP", "TMPDIR"),  # `child` has them looked up again
        *("MLFLOW_ENABLE_ASYNC_LOGGING", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_REGISTRY_URI"),
        *("MLFLOW_RUN_ID", "MLFLOW_S3_ENDPOINT_URL", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN"),
        *("MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_USERNAME", "PYTEST_CURRENT_TEST"),
        "PYTHONUTF8",  # what it does is compared (`encodings`)
        *("TF_CLI_CONFIG_FILE", "TF_CONFIG"),  # the first is Terraform's; the second is read when a strategy is made
    }
)
_NAMESPACES = ("mnt", "net", "pid", "user", "ipc", "uts")
_LIMITS = tuple(sorted(name for name in dir(resource) if name.startswith("RLIMIT_")))
_SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE)


def shaping(environment: Mapping[str, str], read: Iterable[str] = ()) -> dict[str, str]:
    """The variables of `environment` that shape libraries when they are imported, and those of `read`."""
    asked = set(read)
    return {
        name: value
        for name, value in environment.items()
        if (name.startswith(MATTERS) or name in asked) and name not in READ_LATER
    }


def of_this_process() -> dict[str, Any]:
    """What must be equal, as JSON types, by what it is called in a message."""
    return {
        "the options of Python": [
            str(sys.flags).replace(f"utf8_mode={sys.flags.utf8_mode}", ""),
            list(sys.warnoptions),
            sorted(f"{name}={value}" for name, value in sys._xoptions.items() if name != "utf8"),  # noqa: SLF001
        ],
        "the encoding of texts": encodings(),
        "user and groups": [*os.getresuid(), *os.getresgid(), *sorted(os.getgroups())],
        "the processors that may be used": sorted(os.sched_getaffinity(0)),
        "the priority": os.getpriority(os.PRIO_PROCESS, 0),
        "the namespaces (containers)": [os.readlink(f"/proc/self/ns/{name}") for name in _NAMESPACES],
    }


def encodings() -> list[str]:
    """Of files, and of names."""
    text = "utf-8" if sys.flags.utf8_mode else _locale.nl_langinfo(_locale.CODESET).lower()
    return [text, sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()]


def to_pass_on() -> dict[str, Any]:
    """What a fork is given so that it has what this process has; files go beside it. JSON types."""
    umask = os.umask(0o077)
    os.umask(umask)
    return {
        "environment": dict(os.environ),
        "arguments": sys.argv,
        "path": sys.path,
        "main": _main(),
        "umask": umask,
        "limits": {name: list(resource.getrlimit(getattr(resource, name))) for name in _LIMITS},
        "ignored": [number for number in _SIGNALS if signal.getsignal(number) == signal.SIG_IGN],
        "blocked": [int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, ())],
        "streams": [streams.form(stream) for stream in (sys.stdin, sys.stdout, sys.stderr)],
    }


def limits_out_of_reach(limits: Mapping[str, list[int]]) -> list[str]:
    """Which of these limits (soft, hard) this process can't take on."""
    if os.geteuid() == 0:
        return []
    return [name for name, (_, hard) in limits.items() if _above(hard, resource.getrlimit(getattr(resource, name))[1])]


def take_limits(limits: Mapping[str, list[int]]) -> None:
    """Sets this process's limits."""
    for name, (soft, hard) in limits.items():
        number = getattr(resource, name)
        if resource.getrlimit(number) != (soft, hard):
            resource.setrlimit(number, (soft, hard))


def _above(limit: int, other: int) -> bool:
    return other != resource.RLIM_INFINITY and (limit == resource.RLIM_INFINITY or limit > other)


def _main() -> dict[str, str]:
    """The program, as `python -m` or a script's path."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    return {"module": spec.name} if spec is not None else {"script": os.path.abspath(sys.argv[0])}
