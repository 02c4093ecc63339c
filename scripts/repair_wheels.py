"""Lets two wheels built for glibc 2.39 run on glibc 2.34 and later.

`ml-metadata` and `tensorflow-data-validation` are published for `manylinux_2_39` only, so pip refuses them on Debian 12,
Ubuntu 22.04, RHEL 9 and Amazon Linux 2023. Their extensions need nothing that those systems lack but six symbols, each of
which has an older twin with the same meaning:

1. the symbols lose their version and take the name of the twin (`patchelf`);
2. the three symbol versions that are now unused are marked weak, so that the loader no longer insists on them;
3. the wheel's tag says what it now needs, and the wheel is packed again.

Usage: repair_wheels.py LOCK OUT_DIR WHEEL [WHEEL ...]
Every wheel must stand in LOCK with its sha256; one that does not is refused before anything is unpacked.
Exit codes: 0 done, 1 a wheel could not be repaired, 2 wrong arguments or a wheel that the lock does not know.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

RENAMED_SYMBOLS = {
    "__isoc23_strtol": "strtol",
    "__isoc23_strtoul": "strtoul",
    "__isoc23_strtoll": "strtoll",
    "__isoc23_strtoull": "strtoull",
    "__cxa_call_terminate": "_ZSt9terminatev",
    # iostream's one-time initialiser; neither library uses cout or cerr.
    "_ZSt21ios_base_library_initv": "_ZNSt8ios_base4InitC1Ev",
}
UNUSED_VERSIONS = {"GLIBC_2.38", "GLIBCXX_3.4.32", "CXXABI_1.3.15"}
VER_FLG_WEAK = 0x2
UPSTREAM_TAG, REPAIRED_TAG = "manylinux_2_39", "manylinux_2_34"


class RepairError(Exception):
    """A wheel that can't be repaired as described above."""


class LockError(Exception):
    """A wheel whose hash the lock does not hold."""


def check_hash(wheel: Path, lock: Path) -> None:
    """Raises LockError unless `lock` lists the sha256 of `wheel`."""
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if f"sha256:{digest}" not in lock.read_text():
        raise LockError(
            f"{wheel.name}: sha256 {digest} is not in {lock.name}. Expected the wheel that the lock names; "
            "delete the file and run setup again, or lock anew if the version was meant to change."
        )


def weaken_versions(library: Path) -> int:
    """Marks every need for one of UNUSED_VERSIONS as weak, in place; returns how many there were.

    Raises: RepairError if a symbol still wants such a version; weak or not, the loader would look for it in vain.
    """
    from elftools.elf.elffile import ELFFile
    from elftools.elf.gnuversions import GNUVerNeedSection, GNUVerSymSection

    offsets: list[int] = []
    names: dict[int, str] = {}
    with library.open("rb") as file:
        elf = ELFFile(file)
        needs, versions = elf.get_section_by_name(".gnu.version_r"), elf.get_section_by_name(".gnu.version")
        if not isinstance(needs, GNUVerNeedSection) or not isinstance(versions, GNUVerSymSection):
            return 0
        need_offset = needs["sh_offset"]
        for need, auxiliaries in needs.iter_versions():
            offset = need_offset + need["vn_aux"]
            for auxiliary in auxiliaries:
                if auxiliary.name in UNUSED_VERSIONS:
                    offsets.append(offset + 4)  # vna_hash is 4 bytes, then comes vna_flags
                    names[auxiliary["vna_other"]] = auxiliary.name
                offset += auxiliary["vna_next"]
            need_offset += need["vn_next"]
        wanted = sorted(
            f"{symbol.name}@{names[symbol['ndx']]}" for symbol in versions.iter_symbols() if symbol["ndx"] in names
        )
    if wanted:
        raise RepairError(
            f"{library.name}: still wants {', '.join(wanted)}. Expected only {', '.join(RENAMED_SYMBOLS)} to be newer than "
            f"glibc 2.34; add the older twins to RENAMED_SYMBOLS."
        )
    with library.open("r+b") as file:
        for offset in offsets:
            file.seek(offset)
            flags = int.from_bytes(file.read(2), "little") | VER_FLG_WEAK
            file.seek(offset)
            file.write(flags.to_bytes(2, "little"))
    return len(offsets)


def repair_library(library: Path) -> int:
    """Repairs one extension module in place; returns how many version needs were weakened."""
    patchelf = str(Path(sys.executable).parent / "patchelf")
    with tempfile.NamedTemporaryFile("w", suffix=".map") as names:
        names.write("".join(f"{old} {new}\n" for old, new in RENAMED_SYMBOLS.items()))
        names.flush()
        clear = [word for name in RENAMED_SYMBOLS for word in ("--clear-symbol-version", name)]
        subprocess.run([patchelf, *clear, str(library)], check=True)
        subprocess.run([patchelf, "--rename-dynamic-symbols", names.name, str(library)], check=True)
    return weaken_versions(library)


def repair(wheel: Path, lock: Path, out: Path) -> Path:
    """Writes the repaired copy of `wheel` to the folder `out` and returns its path.

    Raises: LockError if the lock does not know the wheel; RepairError if it is not one that needs this repair.
    """
    check_hash(wheel, lock)
    with tempfile.TemporaryDirectory() as temporary:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(temporary)
        root = Path(temporary)
        weakened = sum(repair_library(library) for library in sorted(root.rglob("*.so")))
        if not weakened:
            raise RepairError(f"{wheel.name}: no extension needs {', '.join(sorted(UNUSED_VERSIONS))}; nothing to repair.")
        (metadata,) = root.glob("*.dist-info/WHEEL")
        text = metadata.read_text()
        if UPSTREAM_TAG not in text:
            raise RepairError(f"{wheel.name}: expected the tag {UPSTREAM_TAG}, found {re.findall('Tag: .*', text)}.")
        metadata.write_text(text.replace(UPSTREAM_TAG, REPAIRED_TAG))
        out.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "wheel", "pack", "--dest-dir", str(out), str(root)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return out / wheel.name.replace(UPSTREAM_TAG, REPAIRED_TAG)


def main(argv: list[str]) -> int:
    """Repairs the wheels that the command line names; returns the exit code."""
    if len(argv) < 3:
        print(__doc__, file=sys.stderr)
        return 2
    lock, out, *wheels = map(Path, argv)
    try:
        for wheel in wheels:
            print(repair(wheel, lock, out))
    except LockError as error:
        print(f"repair_wheels: {error}", file=sys.stderr)
        return 2
    except (RepairError, OSError, subprocess.CalledProcessError, zipfile.BadZipFile) as error:
        print(f"repair_wheels: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
