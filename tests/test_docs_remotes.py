"""docs/remotes.md and docs/verify.md tell the truth: their lines work, and what they name is there."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
REMOTES = (ROOT / "docs" / "remotes.md").read_text(encoding="utf-8")
VERIFY = (ROOT / "docs" / "verify.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_lines_for_dvc(tmp_path: Path) -> None:
    found = re.findall(r"`(dvc remote [^`]+)`|^(dvc remote .+)$", REMOTES, re.MULTILINE)
    folder, s3, endpoint, google, azure, *own = [line for pair in found for line in pair if line]
    assert len(own) == 2
    urls = {}
    for name, lines in {"folder": [folder], "s3": [s3, endpoint, *own], "google": [google], "azure": [azure]}.items():
        config = tmp_path / name / ".dvc" / "config"
        config.parent.mkdir(parents=True)
        config.write_text((ROOT / ".dvc" / "config").read_text().replace("[core]", "[core]\n    no_scm = true"))
        for line in lines:
            command = [sys.executable, "-m", "dvc", *shlex.split(line)[1:]]
            environment = {**os.environ, "DVC_NO_ANALYTICS": "1"}
            subprocess.run(command, cwd=tmp_path / name, env=environment, check=True, capture_output=True)
        text = config.read_text()
        assert "remote = team" in text
        assert not re.search("KEY|SECRET", text)
        urls[name] = re.findall(r"url = (.*)", text)[1:]
    assert urls == {
        "folder": ["/mnt/team/dvc"],
        "s3": ["s3://BUCKET/dvc", "https://HOST"],
        "google": ["gs://BUCKET/dvc"],
        "azure": ["azure://CONTAINER/dvc"],
    }
    written = (tmp_path / "s3" / ".dvc" / "config.local").read_text()
    assert re.findall(r"    (\w+ = .*)", written) == ["access_key_id = KEY", "secret_access_key = SECRET"]


@pytest.mark.slow
def test_the_options_of_the_server_are_mlflows() -> None:
    done = subprocess.run([sys.executable, "-m", "mlflow", "server", "--help"], capture_output=True, text=True, check=True)
    (block,) = re.findall(r"```bash\n(MLFLOW_SERVER.*?)```", REMOTES, re.DOTALL)
    options = set(re.findall(r"--[a-z-]+", block)) | {"--app-name"}
    assert options == {
        "--host",
        "--port",
        "--workers",
        "--backend-store-uri",
        "--artifacts-destination",
        "--allowed-hosts",
        "--app-name",
    }
    assert options <= set(re.findall(r"--[a-z-]+", done.stdout))


@pytest.mark.parametrize("page", [REMOTES, VERIFY])
def test_the_tests_and_pages_that_are_named_are_there(page: str) -> None:
    for name in re.findall(r"`(tests/[\w/.]+)`", page):
        assert (ROOT / name).is_file(), name
    for target in re.findall(r"\]\(([^)#]+)\)", page):
        assert (ROOT / "docs" / target).exists(), target
