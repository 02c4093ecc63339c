"""A stage that the warm server forked is as one that was started in the shell."""

from __future__ import annotations

from tests.components.warm.conftest import Repository


def test_x(repository: Repository) -> None:
    pid = repository.warm_up()
    print(pid, repository.ask("status"))
    repository.stage("import os\nprint(os.getpid(), sys.argv)\nreturn 7")
    print(repository.run("a", "b"))
    print(repository.ask("stop"), repository.log())
    repository.has_left(pid)
