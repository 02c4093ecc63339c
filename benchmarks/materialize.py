"""`python -m benchmarks.materialize ROOT NAME`: what `transform.materialize` saves and costs, on a repository's own artifacts.

Processor seconds of writing the transformed examples of the training split once, and of one pass of tf.data over them, parsed,
against one over the raw examples, parsed and transformed. A pass is what a process does whose data fit in memory (train is
one, each attempt at tuning another), or each epoch where they do not. `breaks_even` is the number of passes after which it
was worth writing them; and beside it the bytes of a row, raw and transformed.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

REPEATS = 3
BATCH_SIZE = 8192


def measure(root: Path, name: str) -> dict[str, Any]:
    """The numbers of one pipeline, whose stages ingest to transform were run.

    Args:
        root: The repository.
        name: The pipeline.
    """
    import tensorflow as tf
    import tensorflow_transform as tft

    from components.tfrecord import count_split
    from components.transform.materialise import materialise
    from components.transform_graph import graph_function

    folder = root / "artifacts" / name
    output = tft.TFTransformOutput(str(folder / "transform_graph"))
    spec = output.transformed_feature_spec()
    apply = graph_function(output)
    num_records = count_split(folder / "examples", "train")

    def one_pass(examples: Path, read: Any) -> float:
        files = [str(file) for file in sorted((examples / "Split-train").iterdir())]
        batches = tf.data.TFRecordDataset(files, num_parallel_reads=len(files)).batch(BATCH_SIZE)
        batches = batches.map(read, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
        started = time.process_time()
        for _ in batches:
            pass
        return time.process_time() - started

    write, plain, raw = [], [], []
    for _ in range(REPEATS):
        with tempfile.TemporaryDirectory() as temporary:
            transformed = Path(temporary)
            started = time.process_time()
            materialise(folder / "transform_graph", folder / "examples", transformed, ["train"])
            write.append(time.process_time() - started)
            plain.append(one_pass(transformed, lambda records: tf.io.parse_example(records, spec)))
            transformed_bytes = sum(file.stat().st_size for file in transformed.rglob("*.tfrecord"))
        raw.append(one_pass(folder / "examples", apply))
    write_s, plain_s, raw_s = map(statistics.median, (write, plain, raw))
    return {
        "what": f"{name}: a pass over raw examples, transformed / over transformed ones",
        "num_records": num_records,
        "write_cpu_s": write_s,
        "pass_transformed_cpu_s": plain_s,
        "pass_raw_cpu_s": raw_s,
        "ratio": raw_s / plain_s,
        "breaks_even": write_s / (raw_s - plain_s) if raw_s > plain_s else None,
        "row_bytes_raw": sum(file.stat().st_size for file in (folder / "examples" / "Split-train").iterdir()) / num_records,
        "row_bytes_transformed": transformed_bytes / num_records,
    }


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1]), sys.argv[2]), indent=1))
