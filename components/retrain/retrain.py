"""One pipeline: the facts, the decision, the build, and what came of it."""

from __future__ import annotations

import glob
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from components.bridge.job import Job
from components.errors import TensorlineError, UserError
from components.retrain.built import Artifacts, read_artifacts
from components.retrain.decide import Decision, Facts, decide
from components.retrain.fresh import Fresh, measure_fresh
from components.retrain.heartbeat import Heartbeat, heartbeat_file, read_heartbeat, shown_time, write_heartbeat
from components.retrain.raw_data import look
from components.retrain.report import Story, headline, report
from components.retrain.repro import Built, repro
from components.tracking.attempts import (
    RETRAIN,
    Attempt,
    AttemptOutcome,
    ChampionFacts,
    champion_facts,
    last_attempts,
    last_training,
)
from components.tracking.provenance import git_state
from components.tracking.registry import champion
from components.tracking.run_log import RunLog
from components.tracking.runs import start_stage_run
from components.tracking.store import Store, open_store

EXIT_STOPPED = 3
NOTHING_NEW = "nothing that the stages read has changed: the same data, parameters and code give the same model"
BUILT_BEFORE = "DVC took the model that it had built of the same data, parameters and code before; the champion stays"


class _BuildFailedError(TensorlineError):
    """So that the attempt's MLflow run is closed as failed."""


@dataclass(frozen=True)
class Result:
    """What came of one pipeline.

    Attributes:
        story: The whole of it.
        beat: The heartbeat that was written; None of a dry run.
    """

    story: Story
    beat: Heartbeat | None

    @property
    def exit_code(self) -> int:
        """0: done, or nothing to do; 1: a failure; 3: a stage refused the data, and they are still there.

        A model that the gate refuses is what the gate is for, and no failure.
        """
        if self.story.dry:
            return 0
        return EXIT_STOPPED if self.story.is_stopped else int(self.story.outcome == "failed")

    @property
    def retrained(self) -> bool:
        """Whether something was built to its end, so that dvc.lock is worth keeping."""
        built = self.story.built
        return built is not None and built.done and built.new_lock

    def as_dict(self) -> dict[str, Any]:
        """For programs, as JSON types."""
        story = self.story
        return {
            "pipeline": story.name,
            "headline": headline(story),
            "retrain": story.decision.retrain,
            "decision": story.decision.why,
            "triggers": {each.name: {"fired": each.fired, "why": each.why} for each in story.decision.triggers},
            "outcome": story.outcome,
            "why": story.why,
            "retrained": self.retrained,
            "ran": list(story.built.ran) if story.built else [],
            "stopped_at": story.built.stopped_at if story.built else None,
            "version": (story.after.registration or {}).get("version") if story.outcome in ("promoted", "refused") else None,
            "champion": story.champion,
            "run_id": story.run.run_id if story.run else None,
            "due_by": self.beat.due_by if self.beat else None,
            "exit_code": self.exit_code,
        }


def retrain(
    name: str,
    root: Path,
    *,
    force: bool = False,
    dry_run: bool = False,
    labelled: str | None = None,
    on_line: Callable[[str], None] = lambda line: None,
) -> Result:
    """Decides, and builds the pipeline anew if there is a reason.

    Args:
        name: The pipeline.
        root: The repository's root, which is the working directory.
        force: Whatever the triggers and the cooldown say.
        dry_run: Only decides; writes neither a heartbeat nor a run.
        labelled: Freshly labelled records, in place of the parameter retrain.fresh.
        on_line: Called with each line of DVC and the stages.

    Raises: ParamsError, UserError: if there is no such pipeline, or what is asked for can't be; nothing was built then.
    """
    now = datetime.now(timezone.utc)
    job, store = Job.load(name, root), open_store(root)
    beat = read_heartbeat(root, name)
    before = read_artifacts(root / "artifacts" / name)
    facts = _facts(job, store, beat, before, labelled)
    decision = decide(job.params.retrain, facts, now, force=force)
    git = git_state(root)
    story = Story(
        name,
        decision,
        facts,
        outcome=None,
        why="",
        built=None,
        before=before,
        after=before,
        champion=facts.champion.version if facts.champion else None,
        commit=f"{git.commit or git.problem}{', with changes that are not committed' if git.dirty else ''}",
        run=None,
        tracking=store.shown if store.uri.startswith(("http://", "https://")) else None,
        dry=dry_run,
    )
    if dry_run:
        return Result(story, None)
    attempt = facts.attempts[0] if facts.attempts else None
    if decision.retrain or decision.validate_first:
        story, attempt = _attempt(job, store, story, on_line)
    beat = Heartbeat(
        name,
        now.isoformat(timespec="seconds"),
        (now + timedelta(hours=job.params.retrain.heartbeat_hours)).isoformat(timespec="seconds"),
        story.decision.why,
        story.champion,
        attempt,
    )
    write_heartbeat(root, beat)
    return Result(story, beat)


def _facts(job: Job, store: Store, beat: Heartbeat | None, before: Artifacts, labelled: str | None) -> Facts:
    found = champion_facts(store, job.params.register_.model_name)
    if found is None and beat is not None and beat.champion is not None:
        raise UserError(
            f"{store.shown} knows no champion of '{job.params.register_.model_name}', but {heartbeat_file(job.name)} says "
            f"that version {beat.champion} was it at {shown_time(beat.checked_at)}. Expected the same MLflow store each time, "
            "or else every model would be the first: set MLFLOW_TRACKING_URI to the team's server (docs/retraining.md), or "
            "remove the file."
        )
    attempts = {each.run_id: each for each in last_attempts(store, job.name)}
    if beat is not None and beat.attempt is not None:
        attempts.setdefault(beat.attempt.run_id, beat.attempt)
    return Facts(
        champion=found,
        data=look(job),
        attempts=sorted(attempts.values(), key=lambda each: each.at, reverse=True),
        last_training=last_training(store, job.name),
        drift=before.drift,
        ingest=before.ingest,
        fresh=_fresh(job, store, found, labelled),
    )


def _fresh(job: Job, store: Store, found: ChampionFacts | None, labelled: str | None) -> Fresh | None:
    path = labelled or job.params.retrain.fresh
    if found is None or path is None:
        return None
    if labelled is None and not glob.glob(path, root_dir=job.root, recursive=True):  # noqa: PTH207  absolute patterns too
        return None  # none have come yet
    with tempfile.TemporaryDirectory(prefix="tensorline-") as scratch:
        files = champion(store, job.params.register_.model_name, Path(scratch))
        assert files is not None  # noqa: S101  for the type checker: it is there
        return measure_fresh(job, files.folder, found, path)


def _attempt(job: Job, store: Store, story: Story, on_line: Callable[[str], None]) -> tuple[Story, Attempt]:
    """Builds, in an MLflow run that keeps what came of it."""
    data = story.facts.data
    at = datetime.now(timezone.utc).isoformat(timespec="seconds")
    attempt = Attempt(at, None, "", data.folder, data.spans or (), None, "")
    try:
        with start_stage_run(
            store,
            job.name,
            RETRAIN,
            params={"retrain": job.params.retrain.model_dump(mode="json")},
            git=git_state(job.root),
            dependencies={},
            data_digest=data.digest,
            tags=attempt.tags(),
        ) as run:
            story = replace(story, run=run.ref)
            story = _build(job, store, story, on_line)
            attempt = _came_to(story, attempt, run)
            if story.outcome == "failed":
                raise _BuildFailedError(story.why)
    except _BuildFailedError:
        pass  # told by the story; it was raised to close the run as failed
    return story, attempt


def _came_to(story: Story, attempt: Attempt, run: RunLog) -> Attempt:
    """The attempt with its outcome, which the run is told too."""
    registration = story.after.registration or {}
    version = registration.get("version") if story.outcome in ("promoted", "refused") else None
    attempt = replace(attempt, outcome=story.outcome, why=story.why, version=version, run_id=run.ref.run_id)
    run.set_tags(attempt.tags())
    run.log_text(report([story], {}, max_bytes=2**20), "retrain.md")
    return attempt


def _build(job: Job, store: Store, story: Story, on_line: Callable[[str], None]) -> Story:
    decision: Decision = story.decision
    validated = None
    if decision.validate_first:
        built = repro(job.root, job.name, "validate", on_line)
        after = read_artifacts(job.root / "artifacts" / job.name)
        story = replace(story, built=built, after=after)
        if not built.done:
            return _stopped(story, built)
        validated = built
        facts = replace(story.facts, drift=after.drift)
        decision = decide(job.params.retrain, facts, datetime.now(timezone.utc), validated=True)
        story = replace(story, decision=decision, facts=facts)
        if not decision.retrain:
            return replace(story, outcome="unchanged", why=decision.why)
    built = repro(job.root, job.name, "register", on_line)
    if validated is not None:
        built = replace(built, ran=(*validated.ran, *built.ran), new_lock=validated.new_lock or built.new_lock)
    story = replace(story, built=built, after=read_artifacts(job.root / "artifacts" / job.name))
    if not built.done:
        return _stopped(story, built)
    found = champion_facts(store, job.params.register_.model_name)
    registration = story.after.registration
    before, now = story.champion, found.version if found else None
    story = replace(story, champion=now)
    if "register" not in built.ran or registration is None:
        return replace(story, outcome="unchanged", why=BUILT_BEFORE if built.new_lock else NOTHING_NEW)
    outcome: AttemptOutcome = (
        "refused" if registration["verdict"] == "refused" else "promoted" if now != before else "unchanged"
    )
    return replace(story, outcome=outcome, why=registration["reason"])


def _stopped(story: Story, built: Built) -> Story:
    first = built.message.splitlines()[0]
    return replace(story, outcome="stopped" if built.refused else "failed", why=f"{built.stopped_at or 'dvc'}: {first}")
