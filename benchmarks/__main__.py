"""`make bench`: prints one table of ratios, each pair measured in the same run, and keeps it as benchmarks/results.json."""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from benchmarks.registry import BENCHMARKS
from benchmarks.results import RESULTS, measured_now, read, write
from benchmarks.timing import HEADER, row


def main(argv: Sequence[str] | None = None, path: Path = RESULTS) -> int:
    """Runs the benchmarks; returns the exit code: 1 if one of them failed, which the others outlive."""
    arguments = _parser().parse_args(argv)
    names = arguments.only or list(BENCHMARKS)
    size = "large" if arguments.large else "quick" if arguments.quick else "usual"
    failed = []
    print(HEADER)
    for name in names:
        results = []
        options = BENCHMARKS[name].options(size, arguments.rows)
        try:
            for result in BENCHMARKS[name].run(**options):
                results.append(result)
                print(row(result), flush=True)
        except Exception:  # noqa: BLE001  told here and by the exit code; hours of other measures must not be lost
            traceback.print_exc()
            failed.append(name)
            continue
        write({**read(path), name: measured_now(size, results)}, path)
    print(f"→ {path}")
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return int(bool(failed))


def _parser() -> argparse.ArgumentParser:
    names = "\n".join(f"  {name:<12} {benchmark.about}" for name, benchmark in BENCHMARKS.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        epilog=f"benchmarks:\n{names}\n\nResults of benchmarks that are not run stay in {RESULTS.name}.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", nargs="+", choices=list(BENCHMARKS), metavar="NAME", help="these alone")
    sizes = parser.add_mutually_exclusive_group()
    sizes.add_argument("--quick", action="store_true", help="little data, few repeats: whether it works, not how fast it is")
    sizes.add_argument("--large", action="store_true", help="also a million rows against stock TFX (20 minutes and more)")
    parser.add_argument("--rows", nargs="+", type=int, metavar="N", help="numbers of rows at which growth is measured")
    return parser


if __name__ == "__main__":
    sys.exit(main())
