"""DVC as a subprocess: what it ran, and what the stage said that stopped."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from components.retrain.repro import Built, _read, repro

STAGES = """\
stages:
  ingest:
    foreach: [birds]
    do:
      cmd: "cat data > out_${item}"
      deps:
        - data
      outs:
        - out_${item}
  register:
    foreach: [birds]
    do:
      cmd: >-
        grep -q good out_${item} || { printf '\\n${item} · register: the data are bad.\\nMend them.\\n' >&2; exit CODE; };
        echo made > fin_${item}
      deps:
        - out_${item}
      outs:
        - fin_${item}
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text("[core]\n    analytics = false\n")
    (tmp_path / "dvc.yaml").write_text(STAGES.replace("CODE", "2"), encoding="utf-8")
    (tmp_path / "data").write_text("good\n")
    return tmp_path


def test_what_dvc_builds_and_what_a_stage_refuses(repository: Path) -> None:
    lines: list[str] = []
    assert repro(repository, "birds", "register", lines.append) == Built(("ingest", "register"), new_lock=True)
    assert lines[0] == "Running stage 'ingest@birds':"
    assert repro(repository, "birds", "register", lines.append) == Built(())
    (repository / "data").write_text("bad\n")
    built = repro(repository, "birds", "register", lines.append)
    message = "the data are bad.\nMend them."
    assert built == Built(("ingest", "register"), "register", message, refused=True, new_lock=True)
    (repository / "dvc.yaml").write_text(STAGES.replace("CODE", "1"), encoding="utf-8")
    assert repro(repository, "birds", "register", lines.append) == Built(("register",), "register", message)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["ERROR: dvc.yaml is invalid"], Built((), None, "ERROR: dvc.yaml is invalid")),
        ([], Built((), None, "dvc repro left with 255 and said nothing")),
        (
            [
                "Running stage 'ingest@birds':",
                "> python -m components.ingest birds",
                "birds · ingest    started; the libraries' log: artifacts/birds/logs/ingest.log",
                "",
                "birds · ingest: failed with OSError: disk full",
                "The whole story: artifacts/birds/logs/ingest.log",
                "ERROR: failed to reproduce 'ingest@birds': failed to run: python -m components.ingest birds, exited with 1",
            ],
            Built(
                ("ingest",),
                "ingest",
                "failed with OSError: disk full\nThe whole story: artifacts/birds/logs/ingest.log",
            ),
        ),
        (
            ["Running stage 'ingest@birds':", "Killed", "ERROR: failed to run: x, exited with -9"],
            Built(("ingest",), "ingest", "Running stage 'ingest@birds':\nKilled\nERROR: failed to run: x, exited with -9"),
        ),
    ],
)
def test_what_went_wrong(lines: list[str], expected: Built) -> None:
    assert _read("birds", lines, 255) == expected
