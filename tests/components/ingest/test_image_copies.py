"""Copies of images: counted, refused where they are not wanted, and never in two splits."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from components.errors import RecordError
from components.ingest.copies import _RECENT, ENTRY, Seen
from tests.components.ingest.image_files import png
from tests.components.ingest.test_image_source import FILES, examples, rejects, run, write_folder


def test_seen_counts_as_a_dictionary_does():
    rng = np.random.default_rng(0)
    seen, counts, firsts, start = Seen(), Counter(), {}, 0
    for _ in range(40):
        digests = rng.integers(0, 150_000, 4_000).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        numbers = np.arange(start, start + len(digests)) * 2
        copies, found = seen.add(digests, numbers)
        for digest, number, num_copies, first in zip(digests.tolist(), numbers.tolist(), copies, found, strict=True):
            assert num_copies == counts[digest]
            assert first == firsts.setdefault(digest, number)
            counts[digest] += 1
        start += len(digests)
    assert len(counts) > _RECENT  # so that both the sorted and the recent ones were asked
    assert seen.num_copies == start - len(counts)
    assert ENTRY.itemsize == 16


def test_copies_share_a_split_and_are_counted(folder):
    files = {**FILES, **{f"dog/copy{number}.png": FILES["cat/00.png"] for number in range(3)}}
    write_folder(Path("pets"), files)
    report = run(path="pets")
    assert report["images"]["num_copies"] == 3
    found = [
        [example["image_copies"] for example in examples(split) if example["image"] == FILES["cat/00.png"]]
        for split in ("train", "eval", "test")
    ]
    assert sorted(map(len, found)) == [0, 0, 4]
    assert sorted(max(found, key=len)) == [0, 1, 2, 3]


def test_copies_that_are_not_wanted(folder):
    write_folder(Path("pets"), {**FILES, "dog/copy.png": FILES["cat/00.png"]})
    params = {"path": "pets", "images": {"image": {"duplicates": "reject"}}}
    with pytest.raises(RecordError) as error:
        run(**params)
    assert str(error.value) == (
        "pets/dog/copy.png: the image is the same as pets/cat/00.png. Expected every image once, as duplicates: reject of "
        "data.images demands. Remove it, or set data.on_bad_record: quarantine to set such rows aside."
    )
    report = run(**params, on_bad_record="quarantine")
    assert report["by_rule"] == {"duplicate": 1}
    assert [tuple(reject.values()) for reject in rejects()] == [
        ("pets/dog/copy.png", "31", "", "pets/cat/00.png", "duplicate", "dog/copy.png"),
    ]
    assert [path.name for path in Path("report/rejected").iterdir()] == ["001_duplicate.png"]


def test_copies_never_lie_in_two_splits(folder):
    names = sorted(FILES)
    for split, part in (("train", names[::2]), ("eval", names[1::4]), ("test", names[3::4])):
        write_folder(Path("pets") / split, {name: FILES[name] for name in part})
    write_folder(Path("pets/test"), {"dog/zz.png": FILES[names[0]]})
    splits = {split: f"pets/{split}" for split in ("train", "eval", "test")}
    with pytest.raises(RecordError) as error:
        run(split={"by": "files", **splits})
    assert str(error.value) == (
        "pets/test/dog/zz.png: the image is the same as pets/train/cat/00.png, which is in the split train. Expected copies "
        "in one split. Remove one of them, or set data.on_bad_record: quarantine to set such rows aside."
    )
    report = run(split={"by": "files", **splits}, on_bad_record="quarantine")
    assert report["by_rule"] == {"duplicate": 1}
    assert report["num_examples"] == {"train": 20, "eval": 10, "test": 10}


def test_a_bad_record_is_the_first_of_none(folder):
    """The copy of an image that was set aside for its own fault is good."""
    write_folder(Path("pets"), {**FILES, "aa.png": png(999), "dog/copy.png": png(999)})
    report = run(path="pets", images={"image": {"duplicates": "reject"}}, on_bad_record="quarantine")
    assert report["by_rule"] == {"label": 1}
    assert [example["label"] for example in examples() if example["image"] == png(999)] == [b"dog"]
