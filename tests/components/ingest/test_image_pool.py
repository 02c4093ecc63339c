"""The processes that read images: results in order, errors told, nothing left behind."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest

from components.errors import TensorlineError
from components.ingest.image_batch import MEMBER, Task, process
from components.ingest.image_codec import Limits
from components.ingest.image_pool import ImagePool
from tests.components.ingest.image_files import png

LIMITS = Limits(10_000, "reject")


def tasks(folder: Path) -> list[Task]:
    """Images as files, as bytes, as an archive's members and as pixels; one of each is bad, but for the pixels."""
    for number in range(4):
        (folder / f"{number}.png").write_bytes(png(number)[: None if number else 9])
    contents = [png(4), b"no image", png(5)]
    archive = folder / "x.bin"
    archive.write_bytes(png(6) + png(7)[:-12])
    members = [(0, len(png(6)), len(png(6)), 0, -1), (len(png(6)), len(png(7)) - 12, len(png(7)) - 12, 0, -1)]
    return [
        Task(LIMITS, paths=[f"{folder}/{number}.png" for number in range(4)] + [f"{folder}/none.png"]),
        Task(LIMITS, lengths=[len(content) for content in contents], blob=b"".join(contents)),
        Task(LIMITS, archive=str(archive), members=np.array(members, MEMBER)),
        Task(LIMITS, shape=(2, 3, 1), blob=bytes(range(12))),
        Task(LIMITS),
    ] * 5


def test_processes_do_what_one_does(folder):
    work = tasks(folder)
    pool = ImagePool(2, num_here=0)
    try:
        found = list(pool.in_order((number, [task]) for number, task in enumerate(work)))
        assert [number for number, _ in found] == list(range(len(work)))
        for task, (_, (images,)) in zip(work, found, strict=True):
            expected = process(task)
            assert images.table.tobytes() == expected.table.tobytes()
            assert images.blob == expected.blob
            assert images.faults == expected.faults
        assert [(fault.index, fault.rule) for fault in found[0][1][0].faults] == [(0, "image"), (4, "missing_file")]
    finally:
        workers = list(pool._processes)
        pool.close()
    assert [worker.returncode for worker in workers] == [0, 0]


def test_few_images_start_no_process(folder):
    pool = ImagePool(2, num_here=13)
    work = tasks(folder)[:4]
    for task in work:
        pool.submit(task).result()
    assert not pool._processes
    pool.submit(work[0]).result()
    assert len(pool._processes) == 2
    pool.close()


def test_a_killed_process_is_told(folder):
    pool = ImagePool(1, num_here=0)
    task = tasks(folder)[0]
    pool.submit(task).result()
    os.kill(pool._processes[0].pid, signal.SIGKILL)
    with pytest.raises(TensorlineError) as error:
        pool.submit(task).result()
    assert str(error.value) == (
        f"ingest: a process that decodes images ended by signal 9, at {folder}/0.png or one of those that follow it. "
        "Is there too little memory? Lower max_pixels of data.images."
    )
    pool.close()


def test_a_failure_in_a_process_is_told(folder, capfd):
    pool = ImagePool(1, num_here=0)
    with pytest.raises(TensorlineError) as error:
        pool.submit(Task(LIMITS, archive="none.zip", members=np.zeros(1, MEMBER))).result()
    assert str(error.value) == (
        "ingest: a process that decodes images ended with exit code 1, at none.zip or one of those that follow it. "
        "Its own message stands above."
    )
    assert "No such file or directory: 'none.zip'" in capfd.readouterr().err
    pool.close()
