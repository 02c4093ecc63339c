"""`python -m benchmarks.stock [COPIES …]`: both pipelines on as many copies of taxi, one after the other; prints the table.

Prints seconds and the peak of memory (the resident set of all processes together, looked at every 0.2 s) of: everything from
nothing, again with nothing changed, and again with another batch size (which is a parameter of training alone).
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.stock.pipeline import SPLITS
from tests.e2e.clone import make_clone

ROOT = Path(__file__).parents[2]
PARAMS = """\
recipe: pipelines.stock_taxi.recipe:StockTaxi
data:
  path: data/stock_taxi/*.csv
  derive: {big_tipper: tips > 0.2 * fare}
  drop: [tips]
  label: big_tipper
  split: {train: 0.7, eval: 0.15, test: 0.15}
  on_bad_record: quarantine
validate: {on_anomaly: warn}
transform: {}
model: {}
tune: {}
train: {epochs: 1, batch_size: 40, early_stopping: null, initial_bias: zero, deterministic: false}
evaluate: {thresholds: {accuracy: {min: 0.6}}}
register: {model_name: stock_taxi}
"""


@dataclass(frozen=True)
class Cost:
    """Of a command, its children included."""

    seconds: float
    peak_bytes: int


def measure(command: list[str], cwd: Path, log: Path) -> Cost:
    """Runs a command to its end. Raises: RuntimeError with its log if it fails."""
    peak = 0
    with log.open("ab") as out:
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=cwd, stdout=out, stderr=out)
        stop = threading.Event()

        def watch() -> None:
            nonlocal peak
            while not stop.wait(0.2):
                peak = max(peak, _resident(process.pid))

        watcher = threading.Thread(target=watch)
        watcher.start()
        code = process.wait()
        seconds = time.perf_counter() - started
        stop.set()
        watcher.join()
    if code:
        raise RuntimeError(f"{command} left with {code}:\n{log.read_text(errors='replace')[-3000:]}")
    return Cost(seconds, peak)


def _resident(pid: int) -> int:
    total = 0
    try:
        parent = psutil.Process(pid)
        for process in (parent, *parent.children(recursive=True)):
            try:
                total += process.memory_info().rss
            except psutil.NoSuchProcess:
                continue
    except psutil.NoSuchProcess:
        pass
    return total


def prepare(folder: Path, copies: int) -> tuple[Path, Path]:
    """(repository in which `dvc repro register@stock_taxi` works, folder of the CSV), with taxi `copies` times over."""
    root = folder / "ours"
    root.mkdir()
    make_clone(root)
    header, *rows = (ROOT / "data/taxi/trips.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    data = root / "data" / "stock_taxi"
    data.mkdir()
    with (data / "trips.csv").open("w", encoding="utf-8") as file:
        file.write(header)
        for _ in range(copies):
            file.writelines(rows)
    pipeline = root / "pipelines" / "stock_taxi"
    pipeline.mkdir()
    (pipeline / "params.yaml").write_text(PARAMS, encoding="utf-8")
    shutil.copy(Path(__file__).with_name("recipe.py"), pipeline / "recipe.py")
    (root / "schemas" / "stock_taxi.pbtxt").write_text("# none yet\n", encoding="utf-8")
    shared = root / "params.yaml"
    entry = "pipelines:\n  stock_taxi: {data: data/stock_taxi, recipe: pipelines/stock_taxi/recipe.py}\n"
    shared.write_text(shared.read_text(encoding="utf-8").replace("pipelines:\n", entry, 1), encoding="utf-8")
    return root, data


def main(copies: int) -> dict[str, dict[str, float]]:
    """Returns, and prints, case → seconds and bytes of both, and the ratios."""
    results: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        root, data = prepare(folder, copies)
        ours_log, stock_log = folder / "ours.log", folder / "stock.log"
        ours = [str(Path(sys.executable).with_name("dvc")), "repro", "register@stock_taxi"]
        stock = [sys.executable, "-m", "benchmarks.stock.pipeline", str(data), str(folder / "stock")]
        for case in ("everything", "nothing changed", "train changed"):
            if case == "train changed":
                params = root / "pipelines" / "stock_taxi" / "params.yaml"
                params.write_text(PARAMS.replace("batch_size: 40", "batch_size: 41"), encoding="utf-8")
                stock.append("1001")
            pair = measure(stock, ROOT, stock_log), measure(ours, root, ours_log)
            (stock_s, stock_b), (ours_s, ours_b) = ((each.seconds, each.peak_bytes) for each in pair)
            results[case] = {
                "ours_s": ours_s, "stock_s": stock_s, "ratio": ours_s / stock_s,
                "ours_bytes": ours_b, "stock_bytes": stock_b, "bytes_ratio": ours_b / stock_b,
            }  # fmt: skip
            print(
                f"×{copies} {case:<16} {ours_s:7.1f} s  {stock_s:7.1f} s  ratio {ours_s / stock_s:.2f}    "
                f"{ours_b / 1e9:5.2f} GB  {stock_b / 1e9:5.2f} GB  ratio {ours_b / stock_b:.2f}",
                flush=True,
            )
        print("stock, by component:", stock_log.read_text(errors="replace").splitlines()[-1])
        print("\n".join(line for line in ours_log.read_text(errors="replace").splitlines() if " done in " in line))
    return results


if __name__ == "__main__":
    found = {f"x{each}": main(int(each)) for each in sys.argv[1:] or ["1", "67"]}
    Path(__file__).with_name("results.json").write_text(json.dumps({"splits": SPLITS, **found}, indent=1) + "\n")
