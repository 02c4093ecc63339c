"""A repository with the pipeline `stock_taxi`: taxi's rows many times over, and a recipe that does as stock TFX's example."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

from tests.e2e.clone import Clone, make_clone

ROOT = Path(__file__).parents[2]
NAME = "stock_taxi"
NUM_ROWS = 15_002
"""Of data/taxi/trips.csv."""
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


def prepare(folder: Path, copies: int) -> tuple[Path, Path]:
    """(repository in which `dvc repro register@stock_taxi` works, folder of the CSV), with taxi `copies` times over."""
    return prepare_rows(folder, NUM_ROWS * copies)


def prepare_rows(folder: Path, num_rows: int) -> tuple[Path, Path]:
    """Likewise, with the first rows of taxi, which begins anew when it ends."""
    root = folder / "ours"
    root.mkdir()
    make_clone(root)
    data = root / "data" / NAME
    data.mkdir()
    write_rows(data / "trips.csv", num_rows)
    pipeline = root / "pipelines" / NAME
    pipeline.mkdir()
    (pipeline / "params.yaml").write_text(PARAMS, encoding="utf-8")
    shutil.copy(Path(__file__).with_name("recipe.py"), pipeline / "recipe.py")
    (root / "schemas" / f"{NAME}.pbtxt").write_text("# none yet\n", encoding="utf-8")
    shared = root / "params.yaml"
    entry = f"pipelines:\n  {NAME}: {{data: data/{NAME}, recipe: pipelines/{NAME}/recipe.py}}\n"
    shared.write_text(shared.read_text(encoding="utf-8").replace("pipelines:\n", entry, 1), encoding="utf-8")
    return root, data


def write_rows(path: Path, num_rows: int) -> None:
    """A CSV of the first rows of taxi, which begins anew when it ends."""
    header, *rows = (ROOT / "data/taxi/trips.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    with path.open("w", encoding="utf-8") as file:
        file.write(header)
        file.writelines(itertools.islice(itertools.cycle(rows), num_rows))


def environment(root: Path) -> dict[str, str]:
    """Of commands that work in the repository."""
    # The example builds its network of tf.keras, which importing TFT makes Keras 2, unless it is told otherwise.
    return {**Clone(root).environment(), "TF_USE_LEGACY_KERAS": "0"}
