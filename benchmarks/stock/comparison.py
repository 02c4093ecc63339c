"""The whole pipeline against stock TFX's, on the same rows: everything from nothing, by stage; again with nothing changed; and
again with other parameters of training alone. Our side is `dvc repro`, tracking and register included, as a user would run it.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.cost import Cost, measure
from benchmarks.stock.repository import NAME, NUM_ROWS, PARAMS, ROOT, environment, prepare
from benchmarks.timing import pair

CASES = ("everything", "nothing changed", "train changed")
COUNTERPARTS = {
    "ingest": ("CsvExampleGen",),
    "validate": ("StatisticsGen", "SchemaGen", "ExampleValidator"),
    "transform": ("Transform",),
    "train": ("Trainer",),
    "evaluate": ("latest_blessed_model_resolver", "Evaluator"),
    "register": ("Pusher",),
}
"""Stage → the components that do as much; `tune` is ours alone. Its time holds its start and DVC's work on its outputs."""
_OUR_PHASE = re.compile(r"Running stage '(\w+)@")
_STOCK_PHASE = re.compile(r"^component (\w+)$")
_MANY_ROWS = 100_000


def run(copies: Sequence[int] = (1,), repeats: int | None = None) -> Iterator[dict[str, Any]]:
    """Yields the results for each number of copies of taxi, with time and memory.

    Args:
        copies: Of 15,002 rows each.
        repeats: Of the whole comparison, of which medians are taken; None for three, and one where rows are many.
    """
    for number in copies:
        num_rows = NUM_ROWS * number
        times = repeats or (1 if num_rows > _MANY_ROWS else 3)
        rounds = [_round(number) for _ in range(times)]
        for case in CASES:
            ours, stock = ([each[case][side] for each in rounds] for side in (0, 1))
            yield pair(f"{num_rows:,} rows, {case} / stock TFX", ours, stock) | {"num_rows": num_rows, "case": case}
        for stage, components in COUNTERPARTS.items():
            ours = [each["everything"][0].phases[stage] for each in rounds]
            stock = [_joined(each["everything"][1], components) for each in rounds]
            what = f"{num_rows:,} rows, {stage} / {' + '.join(name for name in components if name[0].isupper())}"
            yield pair(what, ours, stock, with_cpu=False) | {"num_rows": num_rows, "stage": stage}


def _round(copies: int) -> dict[str, tuple[Cost, Cost]]:
    """Case → the costs of ours and of stock TFX; stock TFX goes first."""
    found = {}
    with tempfile.TemporaryDirectory(prefix="tensorline-") as temporary:
        folder = Path(temporary)
        root, data = prepare(folder, copies)
        variables = environment(root)
        ours = [str(Path(sys.executable).with_name("dvc")), "repro", f"register@{NAME}"]
        stock = [sys.executable, "-m", "benchmarks.stock.pipeline", str(data), str(folder / "stock")]
        try:
            for case in CASES:
                if case == "train changed":
                    params = root / "pipelines" / NAME / "params.yaml"
                    params.write_text(PARAMS.replace("batch_size: 40", "batch_size: 41"), encoding="utf-8")
                    stock.append("1001")
                stock_cost = measure(stock, ROOT, folder / "stock.log", phase=_STOCK_PHASE)
                found[case] = measure(ours, root, folder / "ours.log", variables, _OUR_PHASE), stock_cost
        finally:
            stop = [str(Path(sys.executable).with_name("tensorline")), "warm", "stop"]
            subprocess.run(stop, cwd=root, env=variables, check=True, capture_output=True)
    return found


def _joined(cost: Cost, components: Sequence[str]) -> Cost:
    """Of several components, one after the other."""
    phases = [cost.phases[name] for name in components]
    return Cost(sum(each.seconds for each in phases), 0.0, max(each.peak_bytes for each in phases))
