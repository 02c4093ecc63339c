"""Repairs a wheel made of the TFDV that is installed here, and refuses what it must refuse."""

from __future__ import annotations

import ctypes
import hashlib
import os
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from scripts import repair_wheels

WHEEL_NAME = "tensorflow_data_validation-1.21.0-cp311-cp311-manylinux_2_39_x86_64.whl"
REPAIRED_NAME = "tensorflow_data_validation-1.21.0-cp311-cp311-manylinux_2_34_x86_64.whl"
LIBRARY = "tensorflow_data_validation/pywrap/tensorflow_data_validation_extension.so"


def make_wheel(folder: Path, libraries: dict[str, bytes], tag: str = "manylinux_2_39_x86_64") -> Path:
    """A wheel that holds only `libraries`, under the name of TFDV's."""
    wheel = folder / WHEEL_NAME
    info = "tensorflow_data_validation-1.21.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, content in libraries.items():
            archive.writestr(name, content)
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tensorflow_data_validation\nVersion: 1.21.0\n")
        archive.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: cp311-cp311-{tag}\n")
        archive.writestr(f"{info}/RECORD", "")
    return wheel


def make_lock(folder: Path, *wheels: Path) -> Path:
    lock = folder / "requirements.lock"
    digests = [hashlib.sha256(wheel.read_bytes()).hexdigest() for wheel in wheels]
    lock.write_text("tensorflow-data-validation==1.21.0" + "".join(f" \\\n    --hash=sha256:{digest}" for digest in digests))
    return lock


@pytest.fixture
def installed_library() -> bytes:
    """As published where glibc is 2.39 or later, else already repaired, which the repair must bear as well."""
    return metadata.distribution("tensorflow-data-validation").locate_file(LIBRARY).read_bytes()


def version_flags(library: Path) -> dict[str, int]:
    """Needed symbol version → its flags."""
    with library.open("rb") as file:
        needs = ELFFile(file).get_section_by_name(".gnu.version_r")
        return {item.name: item["vna_flags"] for _, auxiliaries in needs.iter_versions() for item in auxiliaries}


def without_weak_flags(library: Path) -> dict[str, int]:
    """Sets all flags of `library` back to 0, in place; returns what they are then."""
    with library.open("rb") as file:
        needs = ELFFile(file).get_section_by_name(".gnu.version_r")
        content = bytearray(library.read_bytes())
        need_offset = needs["sh_offset"]
        for need, auxiliaries in needs.iter_versions():
            offset = need_offset + need["vn_aux"]
            for auxiliary in auxiliaries:
                content[offset + 4 : offset + 6] = b"\0\0"
                offset += auxiliary["vna_next"]
            need_offset += need["vn_next"]
    library.write_bytes(content)
    return version_flags(library)


def test_repair_of_the_real_library(tmp_path: Path, installed_library: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    wheel = make_wheel(tmp_path, {LIBRARY: installed_library})
    lock = make_lock(tmp_path, wheel)
    out = tmp_path / "out ü"

    assert repair_wheels.main([str(lock), str(out), str(wheel)]) == 0

    assert capfd.readouterr().out == f"{out / REPAIRED_NAME}\n"
    with zipfile.ZipFile(out / REPAIRED_NAME) as archive:
        archive.extractall(tmp_path / "unpacked")
    unpacked = tmp_path / "unpacked"
    tags = (unpacked / "tensorflow_data_validation-1.21.0.dist-info" / "WHEEL").read_text()
    assert tags == "Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: cp311-cp311-manylinux_2_34_x86_64\n"
    library = unpacked / LIBRARY
    with library.open("rb") as file:
        symbols = {symbol.name for symbol in ELFFile(file).get_section_by_name(".dynsym").iter_symbols()}
    assert symbols & repair_wheels.RENAMED_SYMBOLS.keys() == set()
    weak = {name for name, flags in version_flags(library).items() if flags & repair_wheels.VER_FLG_WEAK}
    assert weak == repair_wheels.UNUSED_VERSIONS & version_flags(library).keys() != set()
    ctypes.CDLL(str(library), mode=os.RTLD_NOW)


def test_weaken_versions_touches_only_the_unused(tmp_path: Path, installed_library: bytes) -> None:
    library = tmp_path / "extension.so"
    library.write_bytes(installed_library)
    repair_wheels.repair_library(library)
    repaired = library.read_bytes()
    before = without_weak_flags(library)
    assert set(before.values()) == {0}

    num_weakened = repair_wheels.weaken_versions(library)

    assert library.read_bytes() == repaired
    assert version_flags(library) == {
        name: repair_wheels.VER_FLG_WEAK if name in repair_wheels.UNUSED_VERSIONS else 0 for name in before
    }
    assert num_weakened == len(repair_wheels.UNUSED_VERSIONS & before.keys())


def test_a_version_that_a_symbol_still_wants_is_refused(
    tmp_path: Path, installed_library: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = tmp_path / "extension.so"
    library.write_bytes(installed_library)
    with library.open("rb") as file:
        elf = ELFFile(file)
        needs = elf.get_section_by_name(".gnu.version_r").iter_versions()
        index = next(item["vna_other"] for _, items in needs for item in items if item.name == "GLIBC_2.14")
        versions = elf.get_section_by_name(".gnu.version").iter_symbols()
        wanted = sorted(f"{symbol.name}@GLIBC_2.14" for symbol in versions if symbol["ndx"] == index)
    monkeypatch.setattr(repair_wheels, "UNUSED_VERSIONS", {"GLIBC_2.14"})

    with pytest.raises(repair_wheels.RepairError, match=r"^extension\.so: still wants ") as refusal:
        repair_wheels.weaken_versions(library)

    assert str(refusal.value) == (
        f"extension.so: still wants {', '.join(wanted)}. Expected only __isoc23_strtol, __isoc23_strtoul, __isoc23_strtoll, "
        "__isoc23_strtoull, __cxa_call_terminate, _ZSt21ios_base_library_initv to be newer than glibc 2.34; "
        "add the older twins to RENAMED_SYMBOLS."
    )
    assert library.read_bytes() == installed_library


def test_a_wheel_that_the_lock_does_not_know_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wheel = make_wheel(tmp_path, {LIBRARY: b"what somebody else put there"})
    lock = make_lock(tmp_path)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()

    assert repair_wheels.main([str(lock), str(tmp_path / "out"), str(wheel)]) == 2

    assert capsys.readouterr().err == (
        f"repair_wheels: {WHEEL_NAME}: sha256 {digest} is not in requirements.lock. Expected the wheel that the lock names; "
        "delete the file and run setup again, or lock anew if the version was meant to change.\n"
    )
    assert not (tmp_path / "out").exists()


def test_a_wheel_without_such_needs_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wheel = make_wheel(tmp_path, {})
    assert repair_wheels.main([str(make_lock(tmp_path, wheel)), str(tmp_path / "out"), str(wheel)]) == 1
    assert capsys.readouterr().err == (
        f"repair_wheels: {WHEEL_NAME}: no extension needs CXXABI_1.3.15, GLIBCXX_3.4.32, GLIBC_2.38; nothing to repair.\n"
    )


def test_a_wheel_with_another_tag_is_refused(
    tmp_path: Path, installed_library: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    wheel = make_wheel(tmp_path, {LIBRARY: installed_library}, tag="linux_x86_64")
    assert repair_wheels.main([str(make_lock(tmp_path, wheel)), str(tmp_path / "out"), str(wheel)]) == 1
    assert capsys.readouterr().err == (
        f"repair_wheels: {WHEEL_NAME}: expected the tag manylinux_2_39, found ['Tag: cp311-cp311-linux_x86_64'].\n"
    )


def test_a_file_that_is_no_wheel_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wheel = tmp_path / WHEEL_NAME
    wheel.write_text("no zip")
    assert repair_wheels.main([str(make_lock(tmp_path, wheel)), str(tmp_path / "out"), str(wheel)]) == 1
    assert capsys.readouterr().err == "repair_wheels: File is not a zip file\n"


def test_too_few_arguments_show_the_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert repair_wheels.main(["requirements.lock"]) == 2
    assert capsys.readouterr().err == f"{repair_wheels.__doc__}\n"
