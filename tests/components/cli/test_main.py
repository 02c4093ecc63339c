"""`tensorline`: exit codes and messages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from components.cli import COMMANDS, find_root, main
from components.errors import UserError

ROOT = Path(__file__).parents[3]


def test_every_command_exists_and_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    for name in COMMANDS:
        assert f"\n  {name} " in shown
        assert main([name, "--help"]) == 0


def test_a_mistake_leaves_with_2_and_one_message(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert main(["params", "tax"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("tensorline: params.yaml: pipelines: no pipeline is named 'tax'. Did you mean 'taxi'?")
    assert main(["no-such-command"]) == 2


def test_outside_a_repository(tmp_path: Path) -> None:
    with pytest.raises(UserError) as raised:
        find_root(tmp_path)
    assert str(raised.value) == (
        f"{tmp_path}: not inside a Tensorline repository. Expected dvc.yaml and params.yaml here or above; cd there."
    )


def test_the_root_is_found_from_below() -> None:
    assert find_root(ROOT / "components" / "cli") == ROOT


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from components.cli import main; main(['--help']);"
        "print([name for name in ('tensorflow', 'mlflow', 'tfx', 'pandas', 'pyarrow', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_summary_of_a_pipeline_that_has_not_run(tmp_path: Path) -> None:
    from components.cli.summary import places, row

    assert row(tmp_path, "taxi") == ("taxi", "–", "–", "–")
    assert places(tmp_path, "taxi") == "no report yet"
