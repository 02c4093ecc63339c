"""`python -m components.bridge.kubeflow_step`: one step of a pipeline that `kubeflow` wrote down, in its container.

The project's components work on files. Vertex AI mounts every bucket under /gcs (Cloud Storage FUSE), so what the step is
told as gs://BUCKET/… is /gcs/BUCKET/… to the component, and gs://BUCKET/… again in what the step tells. A component that is
handed gs://… itself would write to a folder of that name in the container, which is lost with it.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from components.environment import prepare
from components.errors import TensorlineError, UserError

MOUNT_VARIABLE = "TENSORLINE_BUCKETS"
"""Names the folder in which buckets are mounted, where it is not MOUNT."""
MOUNT = "/gcs"
_TOLD = "--json_serialized_invocation_args"
_BUCKET = re.compile(r"gs://([^/\"\\]+)")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs TFX's entry point with the buckets' folders; returns the exit code: 0 done, 1 failure, 2 the user's mistake."""
    prepare()
    try:
        run_step(list(sys.argv[1:] if argv is None else argv), Path(os.environ.get(MOUNT_VARIABLE, MOUNT)))
    except TensorlineError as error:
        print(f"kubeflow_step: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def run_step(args: list[str], mount: Path) -> None:
    """Runs the executor that `args` name, as Kubeflow gives them.

    Raises: UserError if a bucket is not mounted; whatever the executor raises.
    """
    from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_run_executor

    position = args.index(_TOLD) + 1
    told = args[position]
    for bucket in sorted(set(_BUCKET.findall(told))):
        if not (mount / bucket).is_dir():
            raise UserError(
                f"gs://{bucket}: no folder {mount / bucket}. Expected the bucket to be mounted there, as Vertex AI does; "
                f"elsewhere mount it (gcsfuse), and name the folder above it in {MOUNT_VARIABLE}."
            )
    args[position] = _BUCKET.sub(lambda found: f"{mount}/{found[1]}", told)
    outputs = json.loads(args[position])["outputs"]
    for made in outputs.get("artifacts", {}).values():
        for artifact in made["artifacts"]:
            Path(artifact["uri"]).mkdir(parents=True, exist_ok=True)  # a bucket has no folders, and Kubeflow makes none
    parsed = kubeflow_v2_run_executor._parse_flags(["kubeflow_step", *args])  # noqa: SLF001
    kubeflow_v2_run_executor._run_executor(*_without_program(parsed))  # noqa: SLF001
    output = Path(outputs["outputFile"])
    output.write_text(output.read_text(encoding="utf-8").replace(f"{mount}/", "gs://"), encoding="utf-8")


def _without_program(parsed: tuple[object, list[str]]) -> tuple[object, list[str]]:
    """The parser leaves the program's name among the arguments that it does not know."""
    known, rest = parsed
    return known, rest[1:]


if __name__ == "__main__":
    sys.exit(main())
