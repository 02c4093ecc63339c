"""The report of a retraining, in Markdown: for a pull request, a job's summary, and the MLflow run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components.retrain.built import STAGES, Artifacts
from components.retrain.decide import Decision, Facts
from components.retrain.markdown import code, fenced, number, plain, table
from components.retrain.repro import Built
from components.tracking.attempts import AttemptOutcome
from components.tracking.run_file import RunRef

MAX_BYTES = 65_536
"""GitHub takes no longer comment or description; it counts characters, of which none is shorter than a byte."""
_ROWS = (60, 30, 15, 8, 4, 1)
"""Rows a table, from generous to few, until the report fits."""
_SPLITS = ("train", "eval", "test")


@dataclass(frozen=True)
class Story:
    """All that a report is written from.

    Attributes:
        name: The pipeline.
        decision: Whether to retrain, and why.
        facts: What it rests on.
        outcome: None if nothing was built.
        why: Of the outcome.
        built: What DVC did; None if it was not asked.
        before, after: The stages' files before the build and now.
        champion: The version that is champion now.
        commit: As shown to people.
        run: Of the attempt.
        tracking: Address of the MLflow server, to link to; None for a file.
        dry: Nothing was to be done.
    """

    name: str
    decision: Decision
    facts: Facts
    outcome: AttemptOutcome | None
    why: str
    built: Built | None
    before: Artifacts
    after: Artifacts
    champion: str | None
    commit: str
    run: RunRef | None
    tracking: str | None
    dry: bool = False

    @property
    def is_stopped(self) -> bool:
        """Whether a stage refused the data that lie there, now or at the last attempt with them."""
        if self.outcome is not None:
            return self.outcome == "stopped"
        tried = next((each for each in self.facts.attempts if each.data == self.facts.data.folder), None)
        return tried is not None and tried.outcome == "stopped"


def headline(story: Story) -> str:
    """The title, in a few words."""
    registration = story.after.registration or {}
    stage = story.built.stopped_at if story.built else None
    told = {
        None: "would be retrained" if story.dry and story.decision.retrain else "not retrained",
        "promoted": f"version {story.champion} promoted",
        "refused": f"version {registration.get('version')} refused",
        "unchanged": "nothing new",
        "stopped": f"stopped by {stage}",
        "failed": f"failed in {stage}" if stage else "failed",
    }
    return f"{story.name}: {told[story.outcome]}"


def report(stories: Sequence[Story], problems: Mapping[str, str], max_bytes: int = MAX_BYTES) -> str:
    """The report of one pipeline or several, what was built first; each gets its share of `max_bytes` (UTF-8).

    Args:
        stories: One a pipeline.
        problems: Pipeline → what kept it from being looked at.
        max_bytes: What the reader takes.
    """
    told = sorted(stories, key=lambda story: story.outcome is None)
    share = max_bytes // max(1, len(stories) + len(problems))
    texts = [_fitting(lambda most, story=story: _text(story, most), share) for story in told]  # type: ignore[misc]
    for name, problem in problems.items():
        lines = [f"# {name}: not looked at", "", *fenced(problem), ""]
        texts.append(_fitting(lambda most, lines=lines: "\n".join(lines), share))  # type: ignore[misc]
    return "\n".join(texts)


def _fitting(render: Callable[[int], str], max_bytes: int) -> str:
    """The longest rendering that fits; one that can't is cut, and says so."""
    text = ""
    for most in _ROWS:
        text = render(most)
        if len(text.encode()) < max_bytes:
            return text
    note = "\n\n… cut here: the whole report is in the MLflow run.\n"
    kept = text.encode()[: max_bytes - len(note.encode()) - 1].decode(errors="ignore")
    return kept[: kept.rfind("\n")] + note if "\n" in kept else note


def _text(story: Story, most: int) -> str:
    sections = (_decision, _stop, _data, _drift, _metrics, _slices, _verdict, _provenance)
    lines = [f"# {headline(story)}", ""]
    if story.why:
        lines += [plain(story.why[0].upper() + story.why[1:]) + ".", ""]
    for section in sections:
        if found := list(section(story, most)):
            lines += [*found, ""]
    return "\n".join(lines)


def _decision(story: Story, most: int) -> Iterator[str]:
    yield "## Decision"
    yield ""
    answer = "Retrain" if story.decision.retrain else "Wait"
    yield f"**{answer}**: {plain(story.decision.why)}."
    yield ""
    rows = [[each.name, "**yes**" if each.fired else "no", plain(each.why)] for each in story.decision.triggers]
    yield from table(["trigger", "a reason", "what was found"], rows, len(rows), "triggers")


def _stop(story: Story, most: int) -> Iterator[str]:
    if story.built is None or story.built.done:
        return
    yield f"## What {story.built.stopped_at or 'DVC'} said"
    yield ""
    yield from fenced(story.built.message)


def _data(story: Story, most: int) -> Iterator[str]:
    now = story.after.ingest
    if now is None or story.built is None:
        return
    before = story.before.ingest if story.before.ingest is not None else {}
    yield "## Data"
    yield ""
    counts = [("records read", "num_records_in"), ("rejects", "num_rejects")]
    rows = [[title, number(before.get(key)), number(now[key])] for title, key in counts]
    old_examples = before.get("num_examples", {})
    rows += [[f"examples, {split}", number(old_examples.get(split)), number(now["num_examples"][split])] for split in _SPLITS]
    rows.append(["files", number(len(before["by_file"]) if "by_file" in before else None), number(len(now["by_file"]))])
    if "spans" in now:
        old_spans = before.get("spans", {})
        rows += [
            [f"spans {key}", _names(old_spans.get(key), most), _names(now["spans"].get(key), most)]
            for key in ("found", "used")
        ]
    yield from table(["", "the build before", "now"], rows, len(rows), "counts")
    yield ""
    if not before:
        yield "What the build before read is not known here (no `ingest.json`: `dvc pull` brings it)."
        return
    if changes := _schema_changes(before["columns"], now["columns"]):
        yield from table(["column", "before", "now"], changes, most, "changed columns")
    else:
        yield f"The columns are the same {len(now['columns'])}, of the same kinds."


def _schema_changes(before: Mapping[str, str], now: Mapping[str, str]) -> list[list[str]]:
    names = dict.fromkeys([*before, *now])
    return [
        [code(name), before.get(name, "not there"), now.get(name, "not there")]
        for name in names
        if before.get(name) != now.get(name)
    ]


def _names(names: Sequence[str] | None, most: int) -> str:
    if names is None:
        return "–"
    shown = ", ".join(code(name) for name in names[-most:])
    return shown if len(names) <= most else f"{len(names) - most} more, {shown}"


def _drift(story: Story, most: int) -> Iterator[str]:
    drift = story.after.drift
    if drift is None or story.built is None:
        return
    yield "## Drift"
    yield ""
    features = drift.get("features", [])
    drifted = [each for each in features if each["drifted"]]
    against = drift.get("against", "champion")
    version = f", version {drift['version']}" if drift.get("version") else ""
    if drift["state"] == "no_baseline":
        yield f"There is nothing to compare with: {plain(drift.get('reason') or 'no champion whose training data are known')}."
        return
    sizes = f"{drift['num_current']:,} training examples now, {drift['num_baseline']:,} then"
    found = f"{len(drifted)} of {len(features)} features drift" if drifted else "none"
    yield f"Against {against}{version} ({sizes}): **{found}**."
    yield ""
    ordered = sorted(features, key=lambda each: (not each["drifted"], _p_value(each)))
    rows = [
        [
            code(each["feature"]),
            each["kind"],
            f"{each['distance_name'].replace('_', ' ')} {number(each['distance'])}",
            number(each["limit"]),
            number(_p_value(each)),
            f"**yes** {plain(each.get('detail', ''))}".rstrip() if each["drifted"] else "no",
        ]
        for each in ordered
    ]
    yield from table(["feature", "kind", "distance", "limit", "p", "drift"], rows, most, "features")


def _p_value(feature: Mapping[str, Any]) -> float:
    """That of many features looked at, where it is known."""
    value = feature.get("p_adjusted", feature["p_value"])
    return 1.0 if value is None else float(value)


def _metrics(story: Story, most: int) -> Iterator[str]:
    metrics, verdict, model = story.after.metrics, story.after.verdict, story.after.model
    if metrics is None or verdict is None or model is None or not _evaluated(story):
        return
    key = model["key_metric"]
    champion = verdict["champion"]
    yield "## Metrics"
    yield ""
    yield f"On the test split ({_count(metrics)}); in brackets, bootstrap intervals."
    yield ""
    recorded = story.facts.champion.metrics if story.facts.champion else {}
    rows = []
    for name, value in metrics.items():
        if name not in recorded and name not in story.after.intervals and name != key:
            continue
        if (
            name.startswith(("champion_", "num_", "difference"))
            or name.endswith(("_low", "_high"))
            or name == "decision_threshold"
        ):
            continue
        interval = story.after.intervals.get(name, {})
        low, high = (metrics.get(f"{key}_{end}") if name == key else _float(interval.get(end)) for end in ("low", "high"))
        theirs = improvement = "–"
        if name == key and champion is not None:
            theirs = number(champion["value"])
            improvement = _bounded(champion["difference"], champion["low"], champion["high"], "+")
        shown = f"**{name}**" if name == key else name
        rows.append([shown, _bounded(value, low, high), theirs, improvement, number(recorded.get(name))])
    head = ["metric", "this model", "champion, same examples", "improvement", "champion, when registered"]
    yield from table(head, rows, most, "metrics")


def _evaluated(story: Story) -> bool:
    """Whether the report belongs to this build."""
    return story.built is not None and story.built.done and "evaluate" in story.built.ran


def _count(metrics: Mapping[str, Any]) -> str:
    return f"{metrics['num_groups']:,} groups" if "num_groups" in metrics else f"{metrics['num_examples']:,} examples"


def _slices(story: Story, most: int) -> Iterator[str]:
    rows, model = story.after.slices[1:], story.after.model
    if not rows or model is None or not _evaluated(story):
        return
    key = model["key_metric"]
    yield "## Slices"
    yield ""
    counted = "num_groups" if "num_groups" in rows[0] else "num_examples"
    cells = [
        [
            code(f"{row['columns']} = {row['values']}"),
            f"{int(row[counted]):,}{', few' if row['small'] == 'True' else ''}",
            _bounded(_float(row[key]), _float(row[f"{key}_low"]), _float(row[f"{key}_high"])),
        ]
        for row in sorted(rows, key=lambda row: -int(row[counted]))
    ]
    yield from table(["slice", counted.removeprefix("num_"), key], cells, most, "slices")


def _verdict(story: Story, most: int) -> Iterator[str]:
    verdict, registration = story.after.verdict, story.after.registration
    if verdict is None or not _evaluated(story):
        return
    yield "## Verdict"
    yield ""
    # The registry may refuse what the gate let pass: a version that was rolled back.
    reason = registration["reason"] if registration is not None else verdict["reason"]
    passed = verdict["promote"] if registration is None else registration["verdict"] != "refused"
    yield f"**{'Passed' if passed else 'Refused'}**: {plain(reason)}."
    yield ""
    if "checks" in verdict:
        rows = [[each["name"], _passed(each), plain(each["reason"])] for each in verdict["checks"]]
        yield from table(["check", "passed", "why"], rows, most, "checks")
        yield ""
    if verdict.get("notes"):
        yield from (f"- {plain(note)}" for note in verdict["notes"][:most])


def _passed(check: Mapping[str, Any]) -> str:
    if not check["passed"]:
        return "**no**"
    return "yes" if check.get("judged", True) else "not asked"


def _provenance(story: Story, most: int) -> Iterator[str]:
    yield "## Where it comes from"
    yield ""
    yield f"- commit {code(story.commit)}"
    yield f"- champion now: {f'version {story.champion}' if story.champion else 'none'}"
    ran = () if story.built is None else story.built.ran
    if story.built is not None:
        yield f"- stages that ran: {', '.join(ran) or 'none, nothing that they read has changed'}"
    if story.run is not None:
        yield f"- this attempt: MLflow run {_run(story.run, story.tracking)}"
    for stage in STAGES:
        if stage in story.after.runs and stage in ran:
            yield f"- {stage}: MLflow run {_run(story.after.runs[stage], story.tracking)}"


def _run(run: RunRef, tracking: str | None) -> str:
    if tracking is None:
        return code(run.run_id)
    return f"[{code(run.run_id)}]({tracking.rstrip('/')}/#/experiments/{run.experiment_id}/runs/{run.run_id})"


def _bounded(value: float | None, low: float | None, high: float | None, sign: str = "") -> str:
    if value is None or low is None or high is None:
        return number(value, sign)
    return f"{number(value, sign)} [{number(low, sign)}, {number(high, sign)}]"


def _float(text: str | None) -> float | None:
    return float(text) if text else None
