from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from components.tracking.provenance import GitState, digest_paths, git_state


def git(root: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=Ann", "-c", "user.email=ann@example.org", "-c", "commit.gpgsign=false")
    return subprocess.run(["git", *identity, *arguments], cwd=root, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):  # set where tests run in a git hook
        monkeypatch.delenv(name, raising=False)
    root = tmp_path / "a repository"
    root.mkdir()
    git(root, "init", "--quiet", "--initial-branch=trunk")
    (root / "größe.py").write_text("size = 1\n", encoding="utf-8")
    (root / "dvc.lock").write_text("schema: '2.0'\n", encoding="utf-8")
    return root


def test_outside_git(tmp_path: Path) -> None:
    problem = "fatal: not a git repository (or any of the parent directories): .git"
    assert git_state(tmp_path) == GitState(None, None, dirty=False, diff="", untracked=(), problem=problem)


def test_before_the_first_commit(repository: Path) -> None:
    untracked = GitState(None, "trunk", dirty=True, diff="", untracked=("größe.py",), problem="no commit yet")
    assert git_state(repository) == untracked
    git(repository, "add", "größe.py")
    staged = git_state(repository)
    assert staged.untracked == ()
    assert staged.dirty
    assert staged.diff.endswith("+++ b/größe.py\n@@ -0,0 +1 @@\n+size = 1\n")


def test_clean_then_dirty(repository: Path) -> None:
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "--message=first")
    commit = git(repository, "rev-parse", "HEAD")
    for folder in ("artifacts", "mlruns"):
        (repository / folder).mkdir()
        (repository / folder / "made.json").write_text("{}", encoding="utf-8")
    (repository / "dvc.lock").write_text("schema: '2.1'\n", encoding="utf-8")
    (repository / "pipelines" / "taxi").mkdir(parents=True)
    (repository / "pipelines" / "taxi" / "heartbeat.json").write_text("{}", encoding="utf-8")
    assert git_state(repository) == GitState(commit, "trunk", dirty=False, diff="", untracked=())

    (repository / "größe.py").write_text("size = 2\npassword = 'hunter2'\n", encoding="utf-8")
    (repository / "new file.txt").touch()
    dirty = git_state(repository)
    assert (dirty.commit, dirty.branch, dirty.dirty, dirty.untracked) == (commit, "trunk", True, ("new file.txt",))
    assert dirty.diff.endswith("@@ -1 +1,2 @@\n-size = 1\n+size = 2\n+password = ***\n")


def test_a_long_diff_is_cut_visibly(repository: Path) -> None:
    (repository / "long.csv").write_text("1,2,3\n" * 200_000, encoding="utf-8")
    git(repository, "add", "long.csv")
    diff = git_state(repository).diff
    assert diff.endswith("\n… cut here: the diff has 1,400,127 characters, 1,000,000 are kept\n")
    assert len(diff) == 1_000_000 + len("\n… cut here: the diff has 1,400,127 characters, 1,000,000 are kept\n")


def test_digest_paths(tmp_path: Path) -> None:
    (tmp_path / "data" / "sub").mkdir(parents=True)
    (tmp_path / "data" / "a.csv").write_text("1\n", encoding="utf-8")
    (tmp_path / "data" / "sub" / "b.csv").write_text("2\n", encoding="utf-8")
    (tmp_path / "link").symlink_to(tmp_path / "data")
    one, two = (hashlib.sha256(text).hexdigest() for text in (b"1\n", b"2\n"))
    folder = hashlib.sha256(f"a.csv\0{one}\nsub/b.csv\0{two}\n".encode()).hexdigest()
    expected = {"data": folder, "data/a.csv": one, "link": folder, "gone": "missing"}
    assert digest_paths(["data", Path("data/a.csv"), "link", "gone"], tmp_path) == expected

    (tmp_path / "data" / "__pycache__").mkdir()
    (tmp_path / "data" / "__pycache__" / "x.pyc").touch()
    assert digest_paths(["data"], tmp_path) == {"data": folder}
    (tmp_path / "data" / "a.csv").rename(tmp_path / "data" / "c.csv")
    assert digest_paths(["data"], tmp_path) != {"data": folder}
