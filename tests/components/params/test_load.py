"""Every mistake in a parameter file has its own message, whole and located."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from components.errors import ParamsError
from components.params.load import load_pipeline, load_shared
from components.params.models import DataParams
from recipes import RECIPES

SHARED = "pipelines:\n  taxi: {data: data/taxi, recipe: recipes/tabular}\nseed: 7\n"
GOOD = """\
recipe: tabular.classifier
data:
  path: data/taxi/*.csv
  label: big_tipper
  split: {train: 0.7, eval: 0.15, test: 0.15}
validate: {}
transform: {}
model: {}
tune: {max_trials: 3}
train: {epochs: 10}
evaluate: {slices: [[payment_type]]}
register: {model_name: taxi}
"""
FILE = "pipelines/taxi/params.yaml"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "params.yaml").write_text(SHARED)
    (tmp_path / "pipelines" / "taxi").mkdir(parents=True)
    (tmp_path / FILE).write_text(GOOD)
    return tmp_path


def message(repository: Path, old: str, new: str) -> str:
    assert old in GOOD
    (repository / FILE).write_text(GOOD.replace(old, new))
    with pytest.raises(ParamsError) as raised:
        load_pipeline("taxi", repository)
    assert raised.value.exit_code == 2
    return str(raised.value)


def test_good_params_fill_in_the_defaults(repository: Path) -> None:
    params = load_pipeline("taxi", repository)
    assert params.train.model_dump() == {
        "epochs": 10,
        "batch_size": 256,
        "learning_rate": None,
        "early_stopping": {"monitor": None, "patience": 5, "min_delta": 0.0},
        "class_weights": "none",
        "oversample": "none",
        "initial_bias": "frequencies",
        "strategy": "default",
        "replicas": None,
        "workers": None,
        "worker_timeout_s": 300,
        "progress_timeout_s": 1800,
        "loop": "fit",
        "mixed_precision": "none",
        "jit_compile": "auto",
        "accumulate_steps": 1,
        "clip_norm": None,
        "deterministic": True,
    }
    assert params.data.split.model_dump() == {"by": "hash", "train": 0.7, "eval": 0.15, "test": 0.15, "key": []}
    assert type(params.transform).__module__ == "recipes.tabular.params"


KNOWN_TRAIN = (
    "Known: accumulate_steps, batch_size, class_weights, clip_norm, deterministic, early_stopping, epochs, initial_bias, "
    "jit_compile, learning_rate, loop, mixed_precision, oversample, progress_timeout_s, replicas, strategy, "
    "worker_timeout_s, workers."
)
BAD_PARAMS = [
    ("epochs: 10", "epochs: 0", "train.epochs: expected an integer > 0, got 0"),
    ("epochs: 10", "epochs: ten", "train.epochs: expected an integer, got 'ten'"),
    ("epochs: 10", "epochs: 1.5", "train.epochs: expected an integer, got 1.5"),
    ("epochs: 10", "epochs: true", "train.epochs: expected an integer, got true"),
    ("epochs: 10", "epochs: null", "train.epochs: expected an integer, got nothing"),
    ("epochs: 10", "epoch: 10", f"train.epoch: unknown key. Did you mean 'epochs'? {KNOWN_TRAIN}"),
    ("epochs: 10", "zzz: 10", f"train.zzz: unknown key. {KNOWN_TRAIN}"),
    (
        "epochs: 10",
        "early_stopping: {patence: 3}",
        "train.early_stopping.patence: unknown key. Did you mean 'patience'? Known: min_delta, monitor, patience.",
    ),
    ("epochs: 10", "learning_rate: -0.5", "train.learning_rate: expected a number > 0, got -0.5"),
    (
        "epochs: 10",
        "replicas: 2",
        "train.replicas: only the strategy mirrored has it, and train.strategy is default; remove the key",
    ),
    (
        "epochs: 10",
        "class_weights: balanced, oversample: {a: 2.0}",
        "train.oversample: train.class_weights makes rare classes count already, and both together would count them twice; "
        "set one of the two to none",
    ),
    ("label: big_tipper", "label: big_tipper\n  thin: {fare > 1: 1.5}", "data.thin.fare > 1: expected a number <= 1, got 1.5"),
    (
        "{slices: [[payment_type]]}",
        "{costs: {false_positive: 1.0, false_negativ: 2.0}}",
        "evaluate.costs.false_negativ: unknown key. Did you mean 'false_negative'? Known: false_negative, false_positive.",
    ),
    (
        "evaluate: {slices: [[payment_type]]}",
        "evaluate: {slices: [[payment_type]], slice_thresholds: [{columns: [company], thresholds: {auc: {min: 0.5}}}]}",
        "evaluate: slice_thresholds.0.columns: ['company'] is none of evaluate.slices, [['payment_type']]; add it",
    ),
    (
        "evaluate: {slices: [[payment_type]]}",
        "evaluate: {slices: [[payment_type]], slice_thresholds: [{columns: [payment_type], values: [a, b], thresholds: "
        "{auc: {min: 0.5}}}]}",
        "evaluate.slice_thresholds.0.values: expected a value for each of ['payment_type'], got ['a', 'b']",
    ),
    (
        "evaluate: {slices: [[payment_type]]}",
        "evaluate: {slice_thresholds: [{columns: [payment_type], treshold: {}, thresholds: {auc: {min: 0.5}}}]}",
        "evaluate.slice_thresholds.0.treshold: unknown key. Did you mean 'thresholds'? Known: columns, min_examples, "
        "thresholds, values.",
    ),
    (
        "evaluate: {slices: [[payment_type]]}",
        "evaluate: {on_tie: promote_if_better}",
        "evaluate.on_tie: expected 'refuse', 'promote' or 'promote_if_cheaper', got 'promote_if_better'. Did you mean "
        "'promote_if_cheaper'?",
    ),
    (
        "evaluate: {slices: [[payment_type]]}",
        "evaluate: {canary: null, max_latency_ms: 5}",
        "evaluate: max_latency_ms: latency is measured in the canary's process; remove canary: null",
    ),
    (
        "evaluate: {slices: [[payment_type]]}",
        "evaluate: {canary: null, on_tie: promote_if_cheaper}",
        "evaluate: on_tie: promote_if_cheaper: latency is measured in the canary's process; remove canary: null",
    ),
    (
        "epochs: 10",
        "workers: 2",
        "train.workers: only the strategy multi_worker has it, and train.strategy is default; remove the key",
    ),
    (
        "epochs: 10",
        "jit_compile: true",
        "train: Keras uses no XLA where results are to be the same to the bit: set deterministic, or jit_compile, to false",
    ),
    (
        "max_trials: 3",
        "algorithm: randon",
        "tune.algorithm: expected 'random', 'hyperband', 'bayesian' or 'grid', got 'randon'. Did you mean 'random'?",
    ),
    ("label: big_tipper", "label: 3", "data.label: expected a string, got 3"),
    ("  label: big_tipper\n", "", "data.label: missing. Add it."),
    ("validate: {}\n", "", "validate: missing. Add it; '{}' takes the defaults."),
    ("validate: {}", "validate: 3", "validate: expected keys with values, got 3"),
    ("test: 0.15", "test: 0.25", "data.split: train + eval + test must be 1, got 1.1"),
    ("test: 0.15", "tset: 0.15", "data.split.tset: unknown key. Did you mean 'test'? Known: by, eval, key, test, train."),
    ("train: 0.7", "train: 1.7", "data.split.train: expected a number <= 1, got 1.7"),
    (
        "{train: 0.7, eval: 0.15, test: 0.15}",
        "{by: hsah}",
        "data.split: by: expected 'hash', 'column', 'time', 'calendar', 'files', got 'hsah'.",
    ),
    (
        "  path: data/taxi/*.csv\n",
        "",
        "data: give data.path, or data.split with by: files, and not both",
    ),
    (
        "tabular.classifier",
        "tabular.clasifier",
        "recipe: no recipe is named 'tabular.clasifier'. Did you mean 'tabular.classifier'? "
        f"Known: {', '.join(sorted(RECIPES))}.",
    ),
    (
        "tabular.classifier",
        "nowhere.to:Find",
        "recipe: cannot import 'nowhere.to:Find' (No module named 'nowhere'). Expected 'module:Class', such as "
        f"'pipelines.churn.recipe:ChurnRecipe', or one of: {', '.join(sorted(RECIPES))}.",
    ),
    (
        "path: data/taxi/*.csv",
        "path: data/taxi/*.csv\n  images: {photo: {root: data/photos.zip}}",
        "data.images.photo.root: 'data/photos.zip' is not inside 'data/taxi', the folder that params.yaml gives as "
        "pipelines.taxi.data. DVC would not see the data change; make the two agree.",
    ),
    (
        "data/taxi/*.csv",
        "data/cab/*.csv",
        "data.path: 'data/cab/*.csv' is not inside 'data/taxi', the folder that params.yaml gives as pipelines.taxi.data. "
        "DVC would not see the data change; make the two agree.",
    ),
]


@pytest.mark.parametrize(("old", "new", "expected"), BAD_PARAMS)
def test_bad_params_name_the_key(repository: Path, old: str, new: str, expected: str) -> None:
    assert message(repository, old, new) == f"{FILE}: {expected}"


def test_dates_need_quotes(repository: Path) -> None:
    split = '{by: time, column: day, eval_from: "2024-01-01", test_from: "2024-07-01T12:00:00"}'
    (repository / FILE).write_text(GOOD.replace("{train: 0.7, eval: 0.15, test: 0.15}", split))
    loaded = load_pipeline("taxi", repository).data.split
    assert (loaded.eval_from, loaded.test_from) == ("2024-01-01", "2024-07-01T12:00:00")
    (repository / FILE).write_text(GOOD.replace("{train: 0.7, eval: 0.15, test: 0.15}", split.replace('"', "")))
    with pytest.raises(ParamsError) as raised:
        load_pipeline("taxi", repository)
    assert str(raised.value).splitlines() == [
        f'{FILE}: data.split.eval_from: expected a date in quotes, for DVC reads no others: "2024-01-01"',
        f'{FILE}: data.split.test_from: expected a date in quotes, for DVC reads no others: "2024-07-01T12:00:00"',
    ]


def test_all_mistakes_come_at_once(repository: Path) -> None:
    (repository / FILE).write_text(GOOD.replace("epochs: 10", "epochs: 0").replace("max_trials: 3", "max_trials: -1"))
    with pytest.raises(ParamsError) as raised:
        load_pipeline("taxi", repository)
    assert str(raised.value).splitlines() == [
        f"{FILE}: tune.max_trials: expected an integer >= 0, got -1",
        f"{FILE}: train.epochs: expected an integer > 0, got 0",
    ]


def test_unknown_pipeline_suggests_the_close_one(repository: Path) -> None:
    with pytest.raises(ParamsError) as raised:
        load_pipeline("tax", repository)
    assert str(raised.value) == (
        "params.yaml: pipelines: no pipeline is named 'tax'. Did you mean 'taxi'? Known: taxi. Add a line "
        "'tax: {data: data/tax, recipe: recipes/…}', and the file pipelines/tax/params.yaml."
    )


def test_missing_file(repository: Path) -> None:
    (repository / FILE).unlink()
    with pytest.raises(ParamsError) as raised:
        load_pipeline("taxi", repository)
    assert str(raised.value) == f"{FILE}: no such file. Expected it in the repository's root, where Tensorline is run."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "seed: 1\nseed: 2\n",
            'params.yaml:2:1: not valid YAML: found duplicate key "seed" with value "2" (original value: "1").',
        ),
        ("pipelines: [\n", "params.yaml:2:1: not valid YAML: expected the node content, but found '<stream end>'."),
        ("- a\n", "params.yaml: expected sections (key: value), got ['a']."),
        (
            "pipelines: {}\nsede: 1\n",
            "params.yaml: sede: unknown key. Did you mean 'seed'? Known: beam, pipelines, seed, warm.",
        ),
    ],
)
def test_bad_yaml_is_located(repository: Path, text: str, expected: str) -> None:
    (repository / "params.yaml").write_text(text)
    with pytest.raises(ParamsError) as raised:
        load_shared(repository)
    assert str(raised.value) == expected


def test_bytes_that_are_not_utf8(repository: Path) -> None:
    (repository / "params.yaml").write_bytes(b"seed: \xff\n")
    with pytest.raises(ParamsError) as raised:
        load_shared(repository)
    assert str(raised.value) == "params.yaml: byte 6 is not UTF-8. Save the file as UTF-8."


def test_beam_options_reach_the_command_line(repository: Path) -> None:
    (repository / "params.yaml").write_text(
        SHARED + "beam: {runner: FlinkRunner, options: {flink_master: 'localhost:8081'}}\n"
    )
    assert load_shared(repository).beam.args() == ["--runner=FlinkRunner", "--flink_master=localhost:8081"]


def test_a_search_space_of_ones_own(repository: Path) -> None:
    ranges = "b: {min: 1, max: 2, step: 0.5}, c: {min: 1e-4, max: 1, sampling: log}"
    space = f"{{a: {{values: [1, 2]}}, {ranges}, d: relu, e: 0.5, f: true}}"
    (repository / FILE).write_text(GOOD.replace("tune: {max_trials: 3}", f"tune: {{max_trials: 3, space: {space}}}"))
    assert load_pipeline("taxi", repository).tune.model_dump(mode="json")["space"] == {
        "a": {"values": [1, 2]},
        "b": {"min": 1.0, "max": 2.0, "sampling": "linear", "step": 0.5},
        "c": {"min": 1e-4, "max": 1.0, "sampling": "log", "step": None},
        "d": "relu",
        "e": 0.5,
        "f": True,
    }


@pytest.mark.parametrize(
    ("space", "problem"),
    [
        ("{vales: [1]}", ".vales: unknown key. Known: max, min, sampling, step."),
        ("{values: [1], step: 2}", ".step: unknown key. Known: values."),
        ("{values: []}", ".values: expected a list of numbers, strings, or true and false, got []"),
        ("{values: [1, relu]}", ".values: expected values of one type, got [1, 'relu']"),
        ("{values: [1, 2, 1]}", ".values: expected different values, got [1, 2, 1]"),
        ("{min: 1}", ".max: missing. Add it."),
        ("{min: 2, max: 1}", ": expected min < max, got 2 and 1"),
        ("{min: 0, max: 1, sampling: log}", ": sampling log: expected min > 0, got 0"),
        (
            "{min: 1, max: 8, sampling: log, step: 1}",
            ": sampling log: expected step > 1, by which each value is multiplied, got 1",
        ),
        ("{min: 1, max: 2, sampling: lin}", ".sampling: expected 'linear' or 'log', got 'lin'. Did you mean 'linear'?"),
        ("[1, 2]", ": expected {values: […]}, {min: …, max: …}, or one fixed value, got [1, 2]"),
        ("", ": expected {values: […]}, {min: …, max: …}, or one fixed value, got nothing"),
    ],
)
def test_mistakes_in_a_search_space(repository: Path, space: str, problem: str) -> None:
    found = message(repository, "tune: {max_trials: 3}", f"tune: {{max_trials: 3, space: {{dropout: {space}}}}}")
    problems = [line.removeprefix(f"{FILE}: tune.space.dropout") for line in found.splitlines()]
    assert problem in problems
    assert all(line.startswith(f"{FILE}: tune.space.dropout") for line in found.splitlines())


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (
            "path: data/taxi/*.csv\n  last_spans: 4",
            "data: last_spans: data.path has no {span}, so there are none; put it there, or remove the key",
        ),
        (
            "path: data/taxi/{span}.csv\n  last_spans: 0",
            "data.last_spans: expected an integer >= 1, got 0",
        ),
        (
            "path: data/taxi/{span}/trips-{span}.csv",
            "data: path: expected {span} once, got 'data/taxi/{span}/trips-{span}.csv'; put a wildcard in place of the others",
        ),
        (
            "path: data/taxi/{span}*.csv",
            "data: path: {span} stands beside a wildcard in 'data/taxi/{span}*.csv', so nothing tells where the span ends; "
            "put what stands between them in the files' names there, or remove the wildcard",
        ),
        (
            "path: data/taxi/{span}.csv\n  images: {photo: {root: 'data/taxi/{span}'}}",
            "data: images.photo.root: only data.path may hold {span}; name the files of all spans by a wildcard",
        ),
    ],
)
def test_spans_that_can_not_be(repository: Path, data: str, problem: str) -> None:
    assert message(repository, "path: data/taxi/*.csv", data) == f"{FILE}: {problem}"


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        (
            {
                "split": {
                    "by": "files",
                    "train": "data/taxi/{span}/a.csv",
                    "eval": "data/taxi/b.csv",
                    "test": "data/taxi/c.csv",
                }
            },
            "split.train: only data.path may hold {span}; name the files of all spans by a wildcard",
        ),
        (
            {
                "path": "data/taxi/{span}.csv",
                "split": {"by": "calendar"},
                "windows": {"time": ["t"], "step": "1h", "inputs": ["x"], "targets": ["x"], "input_width": 3},
            },
            "windows: a window may begin in one span and end in the next, so spans can't be read one by one; put a wildcard "
            "in place of {span} in data.path",
        ),
    ],
)
def test_spans_that_some_sections_can_not_have(section: dict[str, object], problem: str) -> None:
    with pytest.raises(ValidationError) as raised:
        DataParams.model_validate({"label": "y", **section})
    assert str(raised.value.errors()[0]["ctx"]["error"]) == problem
