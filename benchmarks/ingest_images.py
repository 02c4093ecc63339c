"""Our ingest of images against what nobody can do without: two processes of plain Pillow that decode them and keep nothing."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.timing import compare

FASHION = Path("data/fashion/fashion_5k.zip")
NUM_PHOTOS, WIDTH, HEIGHT = 1_000, 640, 480
_DECODE = """
import io, sys, zipfile
from PIL import Image
path, part = sys.argv[1], int(sys.argv[2])
if path.endswith(".zip"):
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist()[part::2]:
            Image.open(io.BytesIO(archive.read(name))).load()
else:
    from pathlib import Path
    for name in sorted(file for file in Path(path).rglob("*") if file.is_file())[part::2]:
        with Image.open(name) as image:
            image.load()
"""
_INGEST = """
import json, resource, sys, tempfile, time
from pathlib import Path
from components.ingest.ingest import ingest
from components.params.models import DataParams
with tempfile.TemporaryDirectory() as folder:
    data = DataParams(format="images", path=sys.argv[1], label="label")
    start, before = time.perf_counter(), time.process_time()
    ingest(data, None, Path(folder, "examples"), Path(folder, "report"))
    seconds = time.perf_counter() - start
import gc; gc.collect()  # the workers end, so that they are counted
own, workers = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
print(json.dumps({
    "seconds": seconds,
    "cpu_s": own.ru_utime + own.ru_stime - before + workers.ru_utime + workers.ru_stime,
    "peak_mib": (own.ru_maxrss + 2 * workers.ru_maxrss) / 1024,
}))
"""


def run(copies: tuple[int, ...] = (1, 10)) -> Iterator[dict[str, Any]]:
    """Yields the results for small images, so many times fashion's, in folders too, and photographs."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for number in copies:
            archive = _multiplied(folder / f"x{number}.zip", number)
            num_images = 5_000 * number
            found = _ingest(archive)
            started = time.perf_counter()
            _decode(archive)
            baseline_s = time.perf_counter() - started
            yield {
                "what": f"ingest of {num_images:,} images of 28×28 / plain Pillow",
                "ours_s": found["seconds"],
                "baseline_s": baseline_s,
                "ratio": found["seconds"] / baseline_s,
                "images_per_s": num_images / found["seconds"],
                # Of a machine that does other work too, the time of its processors tells more.
                "images_per_cpu_s": num_images / found["cpu_s"],
                "peak_mib": found["peak_mib"],
                "repeats": 1,
            }
        counter = iter(range(1000))
        classes = folder / "classes"
        with zipfile.ZipFile(FASHION) as source:
            source.extractall(classes)
        yield compare(
            "ingest of 5,000 images in class folders / plain Pillow",
            lambda: _ingest_here(classes, folder / f"out{next(counter)}"),
            lambda: _decode(classes),
            repeats=3,
        )
        photos = _photographs(folder / "photos")
        yield compare(
            f"ingest of {NUM_PHOTOS:,} photographs / plain Pillow",
            lambda: _ingest_here(photos, folder / f"out{next(counter)}"),
            lambda: _decode(photos),
            repeats=3,
        )


def _ingest(path: Path) -> dict[str, Any]:
    """In a process of its own, so that its memory is that of the ingest; the workers' is that of the largest, twice."""
    done = subprocess.run([sys.executable, "-c", _INGEST, str(path)], check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _ingest_here(path: Path, out: Path) -> None:
    from components.ingest.ingest import ingest
    from components.params.models import DataParams

    ingest(DataParams(format="images", path=str(path), label="label"), None, out / "examples", out / "report")


def _decode(path: Path) -> None:
    workers = [subprocess.Popen([sys.executable, "-c", _DECODE, str(path), str(part)]) for part in range(2)]
    codes = [worker.wait() for worker in workers]
    if any(codes):
        raise RuntimeError("a process that decodes failed")


def _multiplied(path: Path, copies: int) -> Path:
    """Fashion's images that many times over, each copy with the pixels of the original and a comment of its own."""
    with zipfile.ZipFile(FASHION) as source, zipfile.ZipFile(path, "w") as archive:
        for name in source.namelist():
            content = source.read(name)
            folder, _, file = name.rpartition("/")
            for copy in range(copies):
                archive.writestr(f"{folder}/{copy}_{file}", _commented(content, copy) if copy else content)
    return path


def _commented(png: bytes, number: int) -> bytes:
    import struct
    import zlib

    body = b"tEXtcopy\0%d" % number
    end = len(png) - 12  # of IEND
    return png[:end] + struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body)) + png[end:]


def _photographs(folder: Path) -> Path:
    """Gradients with noise, which compress about as photographs do."""
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    for number in range(NUM_PHOTOS):
        slopes = rng.uniform(-0.4, 0.4, (3, 2))
        pixels = 128 + np.stack([x * (columns - WIDTH / 2) + y * (rows - HEIGHT / 2) for x, y in slopes], axis=-1)
        pixels += rng.normal(0, 8, pixels.shape)
        content = io.BytesIO()
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(content, "JPEG", quality=88)
        path = folder / f"class{number % 5}" / f"{number:04d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.getvalue())
    return folder
