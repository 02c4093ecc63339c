"""All checks, one after the other."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from components import progress
from components.tracking.audit import database_problem, stored_models, stored_runs
from components.tracking.store import Store
from components.verify.cache import check_cache
from components.verify.finding import Finding
from components.verify.leftovers import check_leftovers
from components.verify.lock_file import read_recorded
from components.verify.models import Rehashed, check_models
from components.verify.runs import check_artifacts, check_running, check_runs
from components.verify.workspace import check_workspace, hash_workspace


@dataclass(frozen=True)
class Report:
    """What was looked at, and what was found.

    Attributes:
        findings: In the order of the checks.
        num_objects: Of DVC's cache.
        num_outputs: Of dvc.lock and .dvc files.
        num_runs, num_versions: Of the MLflow store.
        num_without_list: Of these versions, those of which only model.json could be compared.
        num_bytes: That were rehashed: the cache and the models.
    """

    findings: tuple[Finding, ...]
    num_objects: int
    num_outputs: int
    num_runs: int
    num_versions: int
    num_without_list: int
    num_bytes: int

    @property
    def is_sound(self) -> bool:
        """Whether nothing is left to mend."""
        return all(finding.mended for finding in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return {"is_sound": self.is_sound, **asdict(self)}


def verify(root: Path, store: Store, *, fix: bool = False) -> Report:
    """Holds everything against what was recorded.

    Args:
        root: The repository's root.
        store: The MLflow store; a SQLite file that is not there is not made.
        fix: Mends what can be mended without losing anything that is sound.

    Raises: UserError if dvc.lock or DVC's configuration can't be read, or the store does not answer.
    """
    findings = check_leftovers(root, fix=fix)
    recorded = read_recorded(root)
    hashed = hash_workspace(recorded)
    cached = check_cache(recorded, hashed, fix=fix)
    findings += cached.findings
    findings += check_workspace(recorded, hashed, cached.sound, cached.damaged, fix=fix)
    stages = {output.maker for output in recorded.outputs}
    problem = database_problem(store)
    num_runs, rehashed = 0, Rehashed([], 0, 0, 0)
    if problem is not None:
        fix_it = "bring it back from a backup; else set it aside and start afresh: mv mlruns mlruns.broken"
        findings.append(Finding("store", "error", store.shown, f"damaged: {problem}", fix_it))
    elif store.database is not None and not store.database.exists():
        findings += check_artifacts(root, store, {}, stages)
    else:
        progress.tell(f"runs: asking {store.shown}")
        findings += check_running(store, fix=fix)
        runs = stored_runs(store)
        num_runs = len(runs)
        findings += check_artifacts(root, store, runs, stages)
        findings += check_runs(store, runs)
        rehashed = check_models(store, stored_models(store), runs)
        findings += rehashed.findings
    return Report(
        findings=tuple(findings),
        num_objects=cached.num_objects,
        num_outputs=len(recorded.outputs),
        num_runs=num_runs,
        num_versions=rehashed.num_versions,
        num_without_list=rehashed.num_without_list,
        num_bytes=cached.num_bytes + rehashed.num_bytes,
    )
