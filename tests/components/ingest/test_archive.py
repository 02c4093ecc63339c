"""The directories of archives, and what is refused."""

from __future__ import annotations

import io
import stat
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest

from components.errors import UserError
from components.ingest.archive import read_directory, stream
from components.ingest.image_batch import MEMBER, UnusableImageError, read_members

FILES = {"b/2.txt": b"two", "a/1.txt": b"one " * 300, "a/ü.txt": b""}


def make_zip(path: Path, files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.mkdir("a") if hasattr(archive, "mkdir") else archive.writestr("a/", b"")
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def make_tar(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz" if path.suffix in {".gz", ".tgz"} else "w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def contents(path: Path) -> dict[str, bytes | str]:
    directory = read_directory(path)
    found = read_members(str(path), directory.members)
    shown = [each.problem if isinstance(each, UnusableImageError) else each for each in found]
    return dict(zip(directory.names.to_pylist(), shown, strict=True))


def message(path: Path) -> str:
    with pytest.raises(UserError) as error:
        read_directory(path)
    return str(error.value)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_zip(folder, method):
    assert list(contents(make_zip(Path("x.zip"), FILES, method)).items()) == sorted(FILES.items())


def test_tar(folder):
    assert list(contents(make_tar(Path("x.tar"), FILES)).items()) == sorted(FILES.items())


@pytest.mark.parametrize("name", ["x.tar.gz", "x.tgz"])
def test_packed_tar_keeps_its_order(folder, name):
    path = make_tar(Path(name), FILES)
    assert read_directory(path).names.to_pylist() == list(FILES)
    assert [(name, file.read()) for name, file in stream(path)] == list(FILES.items())


def test_a_program_may_stand_before_a_zip(folder):
    content = make_zip(Path("x.zip"), FILES).read_bytes()
    Path("y.zip").write_bytes(b"#!/bin/sh\n" + content)
    assert contents(Path("y.zip")) == FILES


def test_a_zip_with_sizes_of_64_bits(folder):
    with zipfile.ZipFile("x.zip", "w") as archive:
        for name, content in FILES.items():
            with archive.open(name, "w", force_zip64=True) as file:
                file.write(content)
    assert contents(Path("x.zip")) == FILES


def test_a_zip_whose_directory_has_64_bits(folder):
    """As of archives beyond 4 GiB or 65,535 members: sizes and offsets stand in the extra field, the end is another record."""
    content = make_zip(Path("x.zip"), {"1.txt": b"one"}, zipfile.ZIP_STORED).read_bytes()
    end = content.rindex(b"PK\x05\x06")
    count, _, start = struct.unpack_from("<HLL", content, end + 10)
    entries, position, rest = b"", start, count
    while rest:
        name, extra, comment = struct.unpack_from("<3H", content, position + 28)
        length = 46 + name + extra + comment
        entry = bytearray(content[position : position + length])
        packed, unpacked = struct.unpack_from("<LL", entry, 20)
        offset = struct.unpack_from("<L", entry, 42)[0]
        struct.pack_into("<LL", entry, 20, 0xFFFFFFFF, 0xFFFFFFFF)
        struct.pack_into("<H", entry, 30, 28)
        struct.pack_into("<L", entry, 42, 0xFFFFFFFF)
        entries += bytes(entry) + struct.pack("<HHQQQ", 1, 24, unpacked, packed, offset)
        position, rest = position + length, rest - 1
    directory_end = start + len(entries)
    end64 = struct.pack("<4sQHHLLQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, len(entries), start)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, directory_end, 1)
    last = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    Path("y.zip").write_bytes(content[:start] + entries + end64 + locator + last)
    with zipfile.ZipFile("y.zip") as archive:
        assert archive.read("1.txt") == b"one"
    assert contents(Path("y.zip")) == {"1.txt": b"one"}


@pytest.mark.parametrize("name", ["../x.txt", "a/../../x.txt", "/etc/x.txt", "C:/x.txt", "..\\x.txt"])
@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_names_that_lead_elsewhere(folder, make, name):
    path = make(Path("x.zip" if make is make_zip else "x.tar"), {name: b"x"})
    assert message(path) == (
        f"{path}: the member {name!r} leads out of the archive's folder. Expected names below it. "
        "Do not trust the archive; make it anew."
    )


@pytest.mark.parametrize(
    ("kind", "shown"), [(tarfile.SYMTYPE, "a link"), (tarfile.LNKTYPE, "a link"), (tarfile.CHRTYPE, "a device")]
)
@pytest.mark.parametrize("name", ["x.tar", "x.tgz"])
def test_links_and_devices_of_tar(folder, kind, shown, name):
    with tarfile.open(name, "w:gz" if name == "x.tgz" else "w") as archive:
        info = tarfile.TarInfo("a/1.txt")
        info.type, info.linkname = kind, "/etc/passwd"
        archive.addfile(info)
    assert message(Path(name)) == (
        f"{name}: the member 'a/1.txt' is {shown}. Expected files and folders. Make the archive anew without it."
    )


def test_links_of_zip(folder):
    with zipfile.ZipFile("x.zip", "w") as archive:
        info = zipfile.ZipInfo("a/1.txt")
        info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    assert message(Path("x.zip")) == (
        "x.zip: the member 'a/1.txt' is a link. Expected files and folders. Make the archive anew without it."
    )


def test_encrypted_and_strangely_compressed_members(folder):
    content = bytearray(make_zip(Path("x.zip"), {"1.txt": b"one"}, zipfile.ZIP_STORED).read_bytes())
    entry = content.rindex(b"PK\x01\x02")
    Path("y.zip").write_bytes(content[: entry + 8] + b"\x01\x00" + content[entry + 10 :])
    assert message(Path("y.zip")) == ("y.zip: the member '1.txt' is encrypted. Expected it to be open. Make the archive anew.")
    make_zip(Path("z.zip"), {"1.txt": b"one"}, zipfile.ZIP_LZMA)
    assert message(Path("z.zip")) == (
        "z.zip: the member '1.txt' is compressed by the method 14. Expected 0 (stored) or 8 (deflate). Make the archive anew."
    )


def test_what_is_no_archive(folder):
    for name, found, kind in (
        ("x.zip", "it has no directory at its end", "zip"),
        ("x.tar", "truncated header", "tar"),
        ("x.tgz", "not a gzip file", "tar"),
    ):
        Path(name).write_bytes(b"no archive at all")
        shown = message(Path(name))
        assert shown.startswith(f"{name}: cannot be read: {found}")
        assert shown.endswith(f". Expected a {kind} archive. Mend or remove the file.")


def test_a_zip_that_is_cut_off(folder):
    content = make_zip(Path("x.zip"), FILES).read_bytes()
    for length in (len(content) - 30, len(content) // 2, 10):
        Path("y.zip").write_bytes(content[:length])
        assert message(Path("y.zip")) == (
            "y.zip: cannot be read: it has no directory at its end. Expected a zip archive. Mend or remove the file."
        )


def test_damaged_members(folder):
    content = bytearray(make_zip(Path("x.zip"), {"1.txt": b"one one one one"}, zipfile.ZIP_STORED).read_bytes())
    start = content.index(b"one")
    content[start] ^= 1
    Path("x.zip").write_bytes(content)
    assert contents(Path("x.zip")) == {"1.txt": "its size or checksum is not the one that the archive has for it"}


def test_a_member_unpacks_to_no_more_than_it_declares(folder):
    make_zip(Path("x.zip"), {"1.txt": bytes(10_000_000)})
    members = read_directory(Path("x.zip")).members.copy()
    members["size"] = 10
    assert next(read_members("x.zip", members)).problem == "its size or checksum is not the one that the archive has for it"


def test_bombs_are_not_unpacked(folder):
    bomb = np_members(packed=100_000, size=100_000_000)
    Path("x.zip").write_bytes(b"")
    found = next(read_members("x.zip", bomb))
    assert (found.rule, found.problem, found.expected) == (
        "image",
        "100,000 bytes of the archive unpack to 100,000,000",
        "at most 200 times as many",
    )
    found = next(read_members("x.zip", np_members(packed=10**9, size=10**9)))
    assert (found.problem, found.expected) == ("the file has 1,000,000,000 bytes", "at most 536,870,912")


def np_members(packed: int, size: int):
    import numpy as np

    return np.array([(0, packed, size, 0, 8)], MEMBER)
