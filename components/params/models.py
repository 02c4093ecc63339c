"""What params.yaml and pipelines/NAME/params.yaml may hold.

Strict Pydantic models: an unknown key, a wrong type or a value out of range is an error, never a guess. Each section is
one key that DVC tracks on its own, so that a change reruns only the stages that read it. The sections `transform` and
`model` belong to the recipe, which brings their models itself (see recipes/contract.py).
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    ValidationInfo,
    field_validator,
    model_validator,
)

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Name = Annotated[str, StringConstraints(min_length=1)]
SPLITS = ("train", "eval", "test")
SPAN = "{span}"
MAX_SHARDS = 10_000
"""What stands in `data.path` for the number or date of the span."""
TABLE_FORMATS = ("csv", "jsonl", "parquet")
TEXT_FORMATS = ("documents", "lines", "sequences", "pairs")
_OWNERS = {
    "encoding": (("csv", *TEXT_FORMATS), "only CSV and text files have it"),
    "sequences": (("sequences",), "only the format sequences has it"),
    "pairs": (("pairs",), "only the format pairs has it"),
}
"""Keys that only some formats have, beside those of CSV alone."""


class Params(BaseModel):
    """Base of every section: strict, frozen, no unknown keys."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class Shares(Params):
    """How much each split gets."""

    train: Fraction = 0.7
    eval: Fraction = 0.15
    test: Fraction = 0.15

    @model_validator(mode="after")
    def _sum_to_one(self) -> Shares:
        total = self.train + self.eval + self.test
        if abs(total - 1.0) > 1e-9:
            raise ValueError(f"train + eval + test must be 1, got {total:g}")
        return self


class HashSplit(Shares):
    """Splits by a hash of the record (or of `key` columns), so that a record keeps its split when data is added."""

    by: Literal["hash"] = "hash"
    key: list[Name] = Field(default=[], description="Columns to hash instead of the whole record.")


class ColumnSplit(Params):
    """Splits by a column that names the split of each record; the column is no feature."""

    by: Literal["column"]
    column: Name
    train: list[Name] = ["train"]
    eval: list[Name] = ["eval"]
    test: list[Name] = ["test"]


class TimeSplit(Params):
    """Splits by time: before `eval_from` is train, from `test_from` on is test, eval lies between.

    Fixed moments rather than fractions, so that a record keeps its split when data is added.
    """

    by: Literal["time"]
    column: Name
    eval_from: float | int | str = Field(description="A number, or an ISO 8601 date or time.")
    test_from: float | int | str = Field(description="A number, or an ISO 8601 date or time.")

    @field_validator("eval_from", "test_from", mode="before")
    @classmethod
    def _unquoted_date(cls, value: Any) -> Any:
        if isinstance(value, dt.date):  # as YAML reads 2024-01-01
            raise ValueError(f'expected a date in quotes, for DVC reads no others: "{value.isoformat()}"')
        return value


class CalendarSplit(Shares):
    """Splits each month, or year, of a time series: its first part is train, then comes eval, then test.

    A row's place in the calendar alone decides, so that it keeps its split when data is added; every split has all seasons.
    """

    by: Literal["calendar"]
    period: Literal["month", "year"] = "month"


class FilesSplit(Params):
    """Ready split files: a glob for each split, in place of `data.path`."""

    by: Literal["files"]
    train: Name
    eval: Name
    test: Name


Split = Annotated[HashSplit | ColumnSplit | TimeSplit | CalendarSplit | FilesSplit, Field(discriminator="by")]


class ImageParams(Params):
    """How the images of one column are read; see docs/data.md for the rules."""

    root: Name | None = Field(
        default=None,
        description="Folder or archive in which the paths of a table lie; none: the folder of the file that names them.",
    )
    max_pixels: Annotated[int, Field(ge=1)] = Field(default=50_000_000, description="Larger images are rejected unread.")
    duplicates: Literal["keep", "reject"] = Field(
        default="keep",
        description="Images with the same content as an earlier one; in another split they are always rejected.",
    )
    animated: Literal["reject", "first_frame"] = Field(default="reject", description="Images of several frames or pages.")


class TextParams(Params):
    """How the texts of one column are read; white space around them is kept."""

    normalize: Literal["none", "NFC", "NFKC"] = Field(default="NFC", description="Unicode normalization form.")
    empty: Literal["reject", "keep"] = Field(default="reject", description="Texts of white space alone, or missing ones.")
    max_chars: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="More characters (code points) are overlong; none: no limit."
    )
    overlong: Literal["reject", "truncate"] = Field(default="reject", description="Cut never within what readers see as one.")


class SequenceParams(Params):
    """How one long text is cut into records."""

    length: Annotated[int, Field(ge=1)] = Field(
        default=100, description="Characters (code points) a record; fewer where that would part what readers see as one."
    )
    stride: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Characters from start to start; none: length."
    )
    block: Annotated[int, Field(ge=1)] = Field(
        default=50, description="Successive records that share a split; records of two blocks never overlap."
    )


class WindowParams(Params):
    """How a time series is cut into windows, each an example; the names are those of TensorFlow's tutorial.

    A window covers `input_width` + `shift` successive rows: the first `input_width` are what a model sees, the last
    `label_width` what it is to forecast.
    """

    time: Annotated[list[Name], Field(min_length=1)] = Field(
        description="Columns whose texts, joined by a space, tell a row's time."
    )
    time_format: Name | None = Field(default=None, description="As Python's strptime takes it; none: ISO 8601.")
    step: Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]*(s|min|h|d)$")] = Field(
        description="From row to row, as 10min, 1h or 1d; any other distance is a gap."
    )
    segments: Literal["month", "year"] | None = Field(
        default=None, description="No window crosses the end of one, and the next may lie at any other time."
    )
    inputs: Annotated[list[Name], Field(min_length=1)] = Field(description="Columns of numbers that a model sees.")
    targets: Annotated[list[Name], Field(min_length=1)] = Field(description="Columns of numbers to forecast.")
    input_width: Annotated[int, Field(ge=1)] = Field(description="Rows that a model sees.")
    label_width: Annotated[int, Field(ge=1)] = Field(default=1, description="Rows to forecast.")
    shift: Annotated[int, Field(ge=1)] | None = Field(
        default=None,
        validate_default=True,
        description="From the last row seen to the last one to forecast; none: label_width.",
    )
    stride: Annotated[int, Field(ge=1)] = Field(default=1, description="Rows from window to window.")

    @field_validator("inputs", "targets", "time")
    @classmethod
    def _each_once(cls, value: list[str]) -> list[str]:
        if len(set(value)) < len(value):
            raise ValueError(f"expected different columns, got {', '.join(value)}")
        return value

    @field_validator("shift")
    @classmethod
    def _after_the_inputs(cls, value: int | None, info: ValidationInfo) -> int | None:
        width = info.data.get("label_width", 1)
        if value is not None and value < width:
            raise ValueError(f"expected at least label_width, {width}, so that nothing to forecast is seen, got {value}")
        return value if value is not None else width

    @property
    def step_s(self) -> int:
        """The step in seconds."""
        unit = self.step.lstrip("0123456789")
        return int(self.step.removesuffix(unit)) * {"s": 1, "min": 60, "h": 3600, "d": 86_400}[unit]

    @property
    def num_rows(self) -> int:
        """That a window covers."""
        return self.input_width + (self.shift or self.label_width)

    def as_dict(self) -> dict[str, Any]:
        """What a recipe knows of windows (recipes.contract.Windows), as JSON types."""
        names = ("inputs", "targets", "input_width", "label_width", "shift")
        return {**{name: getattr(self, name) for name in names}, "step_s": self.step_s, "time": WINDOW_TIME}


WINDOW_TIME, WINDOW_MONTH, WINDOW_HOUR = "window_time", "window_month", "window_hour"
"""Features of every window: the times of its inputs in seconds since 1970; month and hour of the first row to forecast."""
_NOT_OF_WINDOWS = ("images", "texts", "drop", "allow_nonfinite")


class DataParams(Params):
    """What ingest reads and how. Columns are renamed, then cast, then derived, then dropped; then records are thinned out.

    The formats: `csv`; `jsonl`, one JSON object a line, whose keys are the columns; `parquet`; `npz`, NumPy arrays of one
    dimension and equal length, each a column. Where the file has types they are taken; the text of a CSV, and the numbers of
    JSON Lines, get the kind that suits all values of all files. True and false are 1 and 0, but for those of a CSV; dates
    and times are ISO 8601 strings. Missing are CSV's `null_values`, null, a key that is not there, and, but for the columns of
    `allow_nonfinite`, NaN. The hash of a split is of the text of CSV and JSON Lines, and of the values of the others: a
    table that is written in another format is split anew.
    """

    format: Literal["csv", "jsonl", "parquet", "npz", "npy", "images", "documents", "lines", "sequences", "pairs"] = "csv"
    path: str | None = Field(
        default=None,
        description="File or glob, from the repository's root; .gz of CSV and JSON Lines is read as it is. "
        "{span} in it stands for the number or date of the span.",
    )
    last_spans: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Where path has {span} only: how many of the newest spans are read; none: all."
    )
    pairs: dict[Name, Name] = Field(default={}, description="Of pairs only, in place of path: column: file, aligned by lines.")
    delimiter: Annotated[str, StringConstraints(min_length=1, max_length=1)] = Field(default=",", description="Of CSV only.")
    encoding: str = Field(
        default="utf-8", description="Of CSV and text files: a name that Python knows, or auto to find it file by file."
    )
    null_values: list[str] = Field(
        default=["", "NA", "N/A", "NaN", "nan", "null", "NULL"], description="Of CSV only: read as missing."
    )
    images: dict[Name, ImageParams] = Field(default={}, description="Columns that hold images, or paths of images.")
    texts: dict[Name, TextParams] = Field(default={}, description="Columns that hold texts rather than categories.")
    sequences: SequenceParams = SequenceParams()
    windows: WindowParams | None = Field(default=None, description="Of tables only: examples are windows over a time series.")
    rename: dict[Name, Name] = {}
    cast: dict[Name, Literal["integer", "number", "string"]] = {}
    derive: dict[Name, Name] = Field(default={}, description="New column: expression over the columns.")
    drop: list[Name] = []
    thin: dict[Name, Fraction] = Field(
        default={}, description="Condition over the columns: the fraction that is kept of the records for which it is true."
    )
    label: Name | None = Field(
        description="Column to learn (of windows a name for what is to be forecast); null where records teach by themselves."
    )
    split: Split = HashSplit()
    on_bad_record: Literal["fail", "quarantine"] = "fail"
    max_reject_fraction: Fraction = Field(default=0.05, description="More rejects than this stop the pipeline.")
    allow_nonfinite: list[Name] = Field(default=[], description="Number columns in which NaN and inf are values.")
    num_shards: Annotated[int, Field(ge=1, le=MAX_SHARDS)] | None = Field(
        default=None,
        description=(
            "TFRecord files a split, of each span where there are spans; null: 4, and where the files have more than 64 MiB, "
            "one for each 32 MiB, at least 16."
        ),
    )

    @model_validator(mode="before")
    @classmethod
    def _default_split_kind(cls, value: Any) -> Any:
        if isinstance(value, dict) and isinstance(value.get("split"), dict) and "by" not in value["split"]:
            return {**value, "split": {"by": "hash", **value["split"]}}
        return value

    @field_validator("delimiter", "encoding", "null_values", "sequences", "pairs")
    @classmethod
    def _only_some_have_it(cls, value: Any, info: ValidationInfo) -> Any:
        # The default is let through: a section that went through JSON holds every key.
        default = cls.model_fields[str(info.field_name)].default
        formats, shown = _OWNERS.get(str(info.field_name), (("csv",), "only CSV has it"))
        if info.data.get("format", "csv") not in formats and value != default:
            raise ValueError(f"{shown}, and data.format is {info.data['format']}; remove the key")
        return value

    @property
    def has_spans(self) -> bool:
        """Whether the files tell by their names when they arrived."""
        return self.path is not None and SPAN in self.path

    @property
    def image_columns(self) -> dict[str, ImageParams]:
        """The columns that hold images, as `rename` calls them; of image folders there is one, `image`, unless it is named."""
        return self.images or ({self.rename.get("image", "image"): ImageParams()} if self.format == "images" else {})

    @property
    def text_columns(self) -> dict[str, TextParams]:
        """The columns that hold texts, as `rename` calls them: those of `texts`, and of text files the ones that they are."""
        own = list(self.pairs) if self.format == "pairs" else ["text"] if self.format in TEXT_FORMATS else []
        # White space is text where one is cut into sequences.
        default = TextParams(empty="keep") if self.format == "sequences" else TextParams()
        return {**{self.rename.get(name, name): default for name in own}, **self.texts}

    @field_validator("images")
    @classmethod
    def _images_suit_the_format(cls, value: dict[str, ImageParams], info: ValidationInfo) -> dict[str, ImageParams]:
        data_format = info.data.get("format", "csv")
        if value and data_format in TEXT_FORMATS:
            raise ValueError(f"tables, arrays and image folders have images, and data.format is {data_format}; remove the key")
        if len(value) > 1 and data_format == "images":
            raise ValueError(f"a folder has one column of images, got {', '.join(value)}; name one, or none for 'image'")
        for name, params in value.items():
            if params.root is not None and data_format not in TABLE_FORMATS:
                raise ValueError(f"{name}.root: only tables name paths, and data.format is {data_format}; remove the key")
        return value

    @property
    def window_shapes(self) -> dict[str, list[int]]:
        """Feature → shape, of those that windows have as lists; none without windows."""
        windows = self.windows
        if windows is None:
            return {}
        several = [len(windows.targets)] if len(windows.targets) > 1 else []
        shapes = {name: [windows.input_width] for name in (*windows.inputs, WINDOW_TIME)}
        return {**shapes, str(self.label): [windows.label_width, *several]}

    @model_validator(mode="after")
    def _windows_suit_the_rest(self) -> DataParams:
        if self.windows is None:
            if isinstance(self.split, CalendarSplit):
                raise ValueError("split: only windows are split by: calendar; give data.windows, or split by: time")
            return self
        if self.format not in TABLE_FORMATS:
            raise ValueError(f"windows: only tables have them, and data.format is {self.format}; remove the key")
        if unsuitable := [name for name in _NOT_OF_WINDOWS if getattr(self, name)]:
            raise ValueError(f"{unsuitable[0]}: windows take the columns that they name, and numbers alone; remove the key")
        if self.thin:
            raise ValueError("thin: rows that are left out would be gaps, which no window crosses; remove the key")
        made = (WINDOW_TIME, WINDOW_MONTH, WINDOW_HOUR)
        if self.label is None or self.label in (*self.windows.inputs, *self.windows.targets, *made):
            raise ValueError("label: expected a name for what windows forecast, other than its columns', as temperature_ahead")
        if isinstance(self.split, HashSplit) and not self.split.key:
            raise ValueError(
                "split: by the hash of each row no two rows would stand together in a split, and so no window; split by: "
                "calendar or by: time, or give the key of whole stretches"
            )
        return self

    @model_validator(mode="after")
    def _one_source(self) -> DataParams:
        if self.format == "pairs":
            if len(self.pairs) < 2 or self.path is not None or isinstance(self.split, FilesSplit):
                raise ValueError("give data.pairs with two columns and their files, and neither data.path nor by: files")
        elif isinstance(self.split, FilesSplit) == (self.path is not None):
            raise ValueError("give data.path, or data.split with by: files, and not both")
        return self

    @model_validator(mode="after")
    def _spans_suit_the_rest(self) -> DataParams:
        elsewhere = {f"pairs.{column}": path for column, path in self.pairs.items()}
        elsewhere |= {f"images.{column}.root": image.root for column, image in self.images.items() if image.root}
        if isinstance(self.split, FilesSplit):
            elsewhere |= {f"split.{split}": getattr(self.split, split) for split in SPLITS}
        if wrong := [key for key, path in elsewhere.items() if SPAN in path]:
            raise ValueError(f"{wrong[0]}: only data.path may hold {SPAN}; name the files of all spans by a wildcard")
        if not self.has_spans:
            if self.last_spans is not None:
                raise ValueError(f"last_spans: data.path has no {SPAN}, so there are none; put it there, or remove the key")
            return self
        path = str(self.path)
        if path.count(SPAN) > 1:
            raise ValueError(f"path: expected {SPAN} once, got {path!r}; put a wildcard in place of the others")
        if f"*{SPAN}" in path or f"{SPAN}*" in path:
            raise ValueError(
                f"path: {SPAN} stands beside a wildcard in {path!r}, so nothing tells where the span ends; put what stands "
                "between them in the files' names there, or remove the wildcard"
            )
        if self.windows is not None:
            raise ValueError(
                "windows: a window may begin in one span and end in the next, so spans can't be read one by one; put a "
                f"wildcard in place of {SPAN} in data.path"
            )
        return self


class DriftLimits(Params):
    """Distances, 0 to 1, up to which a difference does not matter; what chance brings at the size of the data comes on top."""

    numeric: Fraction = Field(default=0.05, description="Kolmogorov-Smirnov: share of records that lie elsewhere.")
    categorical: Fraction = Field(default=0.05, description="Jensen-Shannon, of the shares of the values.")
    text: Fraction = Field(default=0.05, description="Share of texts with a word; lengths and scripts as numbers and values.")
    image: Fraction = Field(default=0.05, description="Kolmogorov-Smirnov: brightness, contrast, size; formats as values.")


class DriftParams(Params):
    """When the training data have drifted from those of the champion."""

    on_drift: Literal["warn", "fail"] = Field(default="warn", description="Between training and eval split it always warns.")
    significance: Annotated[float, Field(gt=0.0, lt=1.0)] = Field(
        default=0.01, description="Chance that any feature at all is called drifted where none is."
    )
    limits: DriftLimits = DriftLimits()
    ignore: list[Name] = Field(default=[], description="Features that are meant to change, as a moment in time.")


class ValidateParams(Params):
    """What happens when the data breaks its schema, or drifts."""

    on_anomaly: Literal["fail", "warn"] = "fail"
    num_shown: Annotated[int, Field(ge=0, le=1000)] = Field(default=5, description="Offending examples shown an anomaly.")
    drift: DriftParams = DriftParams()


class SpaceValues(Params):
    """The values that a hyperparameter may take."""

    values: list[Any]

    @field_validator("values")
    @classmethod
    def _of_one_type(cls, values: list[Any]) -> list[Any]:
        if not values or not all(isinstance(value, bool | int | float | str) for value in values):
            raise ValueError(f"expected a list of numbers, strings, or true and false, got {values}")
        types = {"number" if type(value) in {int, float} else type(value).__name__ for value in values}
        if len(types) > 1:
            raise ValueError(f"expected values of one type, got {values}")
        if any(value in values[:index] for index, value in enumerate(values)):
            raise ValueError(f"expected different values, got {values}")
        return values


class SpaceRange(Params):
    """The numbers between `min` and `max`, both included."""

    min: float
    max: float
    sampling: Literal["linear", "log"] = Field(default="linear", description="log: as likely from 0.001 to 0.01 as to 0.1.")
    step: Annotated[float, Field(gt=0.0)] | None = Field(
        default=None, description="From value to value: what is added, or with log what it is multiplied by; none: any number."
    )

    @model_validator(mode="after")
    def _is_a_range(self) -> SpaceRange:
        if self.min >= self.max:
            raise ValueError(f"expected min < max, got {self.min:g} and {self.max:g}")
        if self.sampling == "log" and self.min <= 0:
            raise ValueError(f"sampling log: expected min > 0, got {self.min:g}")
        if self.sampling == "log" and self.step is not None and self.step <= 1:
            raise ValueError(f"sampling log: expected step > 1, by which each value is multiplied, got {self.step:g}")
        return self


def _space_kind(value: Any) -> str:
    if isinstance(value, SpaceValues) or (isinstance(value, dict) and "values" in value):
        return "SpaceValues"
    return "SpaceRange" if isinstance(value, dict | SpaceRange) else "fixed"


def _one_value(value: Any) -> Any:
    if not isinstance(value, bool | int | float | str):
        shown = "nothing" if value is None else repr(value)
        raise ValueError(f"expected {{values: […]}}, {{min: …, max: …}}, or one fixed value, got {shown}")
    return value


SpaceOverride = Annotated[
    Annotated[SpaceValues, Tag("SpaceValues")]
    | Annotated[SpaceRange, Tag("SpaceRange")]
    | Annotated[Any, AfterValidator(_one_value), Tag("fixed")],
    Discriminator(_space_kind),
]
"""The tags are the names of the models, by which `load` finds their keys."""


class TuneParams(Params):
    """The search for hyperparameters; `max_trials: 0` takes the recipe's defaults."""

    algorithm: Literal["random", "hyperband", "bayesian", "grid"] = "random"
    objective: Name | None = Field(default=None, description="A metric on eval, as val_auc; none: the recipe's own.")
    max_trials: Annotated[int, Field(ge=0)] = 0
    max_minutes: Annotated[float, Field(gt=0.0)] | None = Field(
        default=None, description="No longer than this, but until one trial has completed; what is found by then counts."
    )
    epochs: Annotated[int, Field(gt=0)] = Field(default=10, description="Epochs a trial; with hyperband the most.")
    space: dict[Name, SpaceOverride] = Field(
        default={},
        description="Hyperparameter of the recipe: {values: […]}, {min, max, sampling, step}, or one fixed value.",
    )


class EarlyStopping(Params):
    """Stops when the monitored metric has not improved for `patience` epochs; the best weights are restored."""

    monitor: Name | None = Field(default=None, description="A metric on eval, as val_loss; none: the recipe's objective.")
    patience: Annotated[int, Field(ge=1)] = 5
    min_delta: Annotated[float, Field(ge=0.0)] = 0.0


class TrainParams(Params):
    """How the model is fitted."""

    epochs: Annotated[int, Field(gt=0)] = 20
    batch_size: Annotated[int, Field(gt=0)] = 256
    learning_rate: Annotated[float, Field(gt=0.0)] | None = Field(
        default=None, description="None: the tuned value, or the recipe's default."
    )
    early_stopping: EarlyStopping | None = EarlyStopping()
    class_weights: Literal["none", "balanced"] | dict[str, Annotated[float, Field(gt=0.0)]] = Field(
        default="none", description="How much an example of each class counts in the loss; classes left out count 1."
    )
    oversample: Literal["none", "balanced"] | dict[str, Annotated[float, Field(gt=0.0)]] = Field(
        default="none", description="How often an example of each class is drawn; classes left out count 1."
    )
    initial_bias: Literal["frequencies", "zero"] = Field(
        default="frequencies",
        description="What a classifier answers at first: the classes' frequencies, or all the same.",
    )
    strategy: Literal["default", "one_device", "mirrored", "multi_worker", "tpu"] = Field(
        default="default", description="Where it trains; batch_size and learning_rate are those of all replicas together."
    )
    replicas: Annotated[int, Field(ge=1, le=64)] | None = Field(
        default=None, description="Of mirrored only: GPUs, or logical CPUs where there are none; none: all GPUs, or one CPU."
    )
    workers: Annotated[int, Field(ge=1, le=64)] | None = Field(
        default=None, description="Of multi_worker only: processes to start on this machine; none: those that TF_CONFIG names."
    )
    worker_timeout_s: Annotated[int, Field(ge=1)] = Field(
        default=300, description="Of multi_worker: how long a worker waits for the others at the start."
    )
    progress_timeout_s: Annotated[int, Field(ge=1)] | None = Field(
        default=1800, description="Of workers: all are started again when none has ended a step for so long; none: never."
    )
    loop: Literal["fit", "custom"] = Field(default="fit", description="Keras' own loop, or components/train/loop.py.")
    mixed_precision: Literal["none", "float16", "bfloat16"] = Field(
        default="none", description="What layers compute in; weights stay float32."
    )
    jit_compile: Literal["auto"] | bool = Field(default="auto", description="XLA; auto: as Keras does, not if deterministic.")
    accumulate_steps: Annotated[int, Field(ge=1)] = Field(
        default=1, description="Batches whose mean gradient is one update: as if batch_size were as many times larger."
    )
    clip_norm: Annotated[float, Field(gt=0.0)] | None = Field(
        default=None, description="A gradient of a greater global norm is scaled down to it."
    )
    deterministic: bool = Field(
        default=True, validate_default=True, description="The same seed gives the same bits; may cost time on GPUs."
    )

    @field_validator("oversample")
    @classmethod
    def _not_with_weights(cls, value: Any, info: ValidationInfo) -> Any:
        if value != "none" and info.data.get("class_weights", "none") != "none":
            raise ValueError(
                "train.class_weights makes rare classes count already, and both together would count them twice; set one of "
                "the two to none"
            )
        return value

    @field_validator("deterministic")
    @classmethod
    def _not_with_xla(cls, value: bool, info: ValidationInfo) -> bool:
        if value and info.data.get("jit_compile") is True:
            raise ValueError(
                "Keras uses no XLA where results are to be the same to the bit: set deterministic, or jit_compile, to false"
            )
        return value

    @field_validator("replicas")
    @classmethod
    def _of_mirrored_only(cls, value: int | None, info: ValidationInfo) -> int | None:
        strategy = info.data.get("strategy", "mirrored")
        if value is not None and strategy != "mirrored":
            raise ValueError(f"only the strategy mirrored has it, and train.strategy is {strategy}; remove the key")
        return value

    @field_validator("workers")
    @classmethod
    def _of_multi_worker_only(cls, value: int | None, info: ValidationInfo) -> int | None:
        strategy = info.data.get("strategy", "multi_worker")
        if value is not None and strategy != "multi_worker":
            raise ValueError(f"only the strategy multi_worker has it, and train.strategy is {strategy}; remove the key")
        return value


class Threshold(Params):
    """The range that a metric must lie in for the model to be promoted."""

    min: float | None = None
    max: float | None = None

    @model_validator(mode="after")
    def _some_bound(self) -> Threshold:
        if self.min is None and self.max is None:
            raise ValueError("give min, max or both")
        return self


class Costs(Params):
    """What each kind of mistake costs, in any unit; right answers cost nothing."""

    false_positive: Annotated[float, Field(gt=0.0)] = 1.0
    false_negative: Annotated[float, Field(gt=0.0)] = 1.0


class SliceThresholds(Params):
    """Thresholds on slices of the test split."""

    columns: Annotated[list[Name], Field(min_length=1)] = Field(description="One of evaluate.slices.")
    values: list[str] | None = Field(
        default=None,
        description="Of the columns, in their order, as the report shows them; none: every slice by these columns.",
    )
    thresholds: Annotated[dict[Name, Threshold], Field(min_length=1)]
    min_examples: Annotated[int, Field(ge=1)] = Field(
        default=30, description="A slice of fewer test examples (of a ranking: groups) is told, and not judged."
    )

    @field_validator("values")
    @classmethod
    def _as_many_as_columns(cls, value: list[str] | None, info: ValidationInfo) -> list[str] | None:
        columns = info.data.get("columns")
        if value is not None and columns is not None and len(value) != len(columns):
            raise ValueError(f"expected a value for each of {columns}, got {value}")
        return value


class CanaryParams(Params):
    """The exported model answers some test examples in a fresh process, as the evaluation did."""

    num_requests: Annotated[int, Field(ge=1, le=256)] = 16
    tolerance: Annotated[float, Field(gt=0.0)] = Field(
        default=1e-4, description="Of |answered - evaluated| / (1 + |evaluated|); more for models of mixed precision."
    )


class EvaluateParams(Params):
    """How the model is judged on the test split, and what the gate asks of it."""

    slices: list[list[Name]] = Field(default=[], description="Lists of raw columns; one slice a combination of values.")
    thresholds: dict[Name, Threshold] = Field(default={}, description="Of metrics, for the model to be promoted.")
    slice_thresholds: list[SliceThresholds] = Field(
        default=[], description="Likewise on slices: {columns: [payment_type], thresholds: {auc: {min: 0.7}}}."
    )
    costs: Costs | None = Field(
        default=None, description="Of two classes: chooses on eval the score from which on an example is called positive."
    )
    beat_champion_by: float = Field(
        default=0.0, description="Of the key metric, in its own units: the interval of the improvement must lie above."
    )
    on_tie: Literal["refuse", "promote", "promote_if_cheaper"] = Field(
        default="refuse", description="When that interval holds 0, so that nobody can tell which of the two is better."
    )
    cheaper_by: Annotated[float, Field(gt=0.0, lt=1.0)] = Field(
        default=0.1, description="Share by which a cheaper model is smaller or faster, and may at most be larger or slower."
    )
    on_anomaly: Literal["refuse", "allow"] = Field(
        default="refuse", description="When the data broke their schema, and validate.on_anomaly: warn went on."
    )
    max_size_mb: Annotated[float, Field(gt=0.0)] | None = Field(default=None, description="Of the SavedModel, in 10^6 bytes.")
    max_latency_ms: Annotated[float, Field(gt=0.0)] | None = Field(
        default=None, description="Median of single-row requests to serve_raw, in a fresh process of this machine."
    )
    canary: CanaryParams | None = Field(default=CanaryParams(), description="None: no fresh process, and no latency.")
    num_resamples: Annotated[int, Field(ge=100, le=100_000)] = Field(default=1000, description="Bootstrap resamples.")
    confidence: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.95

    @model_validator(mode="after")
    def _agrees(self) -> EvaluateParams:
        for index, each in enumerate(self.slice_thresholds):
            if each.columns not in self.slices:
                raise ValueError(
                    f"slice_thresholds.{index}.columns: {each.columns} is none of evaluate.slices, {self.slices}; add it"
                )
        if self.canary is None:
            if self.max_latency_ms is not None:
                raise ValueError("max_latency_ms: latency is measured in the canary's process; remove canary: null")
            if self.on_tie == "promote_if_cheaper":
                raise ValueError(
                    "on_tie: promote_if_cheaper: latency is measured in the canary's process; remove canary: null"
                )
        return self


class RegisterParams(Params):
    """Where the model is registered."""

    model_name: Annotated[str, StringConstraints(pattern=r"^[^/:.%\"']+$")]


class RetrainParams(Params):
    """When `tensorline retrain` builds the pipeline anew. No stage reads it, so that a change reruns nothing."""

    on_new_data: bool = Field(default=True, description="Data that neither the champion nor a later attempt has seen.")
    on_drift: bool = Field(
        default=True, description="Drift found at validate, which is run first where new data alone are no reason."
    )
    every_days: Annotated[float, Field(gt=0.0)] | None = Field(
        default=None, description="After so many days without a training; none: time alone is no reason."
    )
    fresh: Name | None = Field(
        default=None,
        description="Glob of freshly labelled records: a champion that does worse on them than it once did is a reason.",
    )
    cooldown_hours: Annotated[float, Field(ge=0.0)] = Field(
        default=12.0, description="After an attempt nothing but --force is a reason for so long."
    )
    heartbeat_hours: Annotated[float, Field(gt=0.0)] = Field(
        default=48.0, description="After a check the next one is due within so long; else the schedule counts as stopped."
    )


class TransformStageParams(Params):
    """The keys of the section `transform` that are the stage's; the others are the recipe's."""

    materialize: Literal["auto"] | bool = Field(
        default="auto",
        description="Whether transformed examples are written, or raw ones are transformed whenever training reads them.",
    )


class PipelineParams(Params):
    """pipelines/NAME/params.yaml. The stages' sections must be there, so that DVC can track them; `{}` takes the defaults."""

    recipe: Name
    data: DataParams
    validate_: ValidateParams = Field(alias="validate")
    transform: Any = Field(description="The recipe's transform section.")
    model: Any = Field(description="The recipe's model section.")
    tune: TuneParams
    train: TrainParams
    evaluate: EvaluateParams
    register_: RegisterParams = Field(alias="register")
    retrain: RetrainParams = RetrainParams()


class PipelineEntry(Params):
    """What DVC must know of a pipeline before it runs: the folders that its stages depend on."""

    data: Name = Field(description="Folder that holds the raw data.")
    recipe: Name = Field(description="Folder or file that holds the recipe's code.")


class BeamParams(Params):
    """The runner of every Beam-powered component."""

    runner: Name = "DirectRunner"
    options: dict[Name, str | int | bool] = {"direct_running_mode": "in_memory", "direct_num_workers": 1}

    def args(self) -> list[str]:
        """The command-line form that Beam takes: a flag that is true stands alone, one that is false is left out."""
        given = ((key, value) for key, value in self.options.items() if value is not False)
        return [f"--runner={self.runner}", *(f"--{key}" if value is True else f"--{key}={value}" for key, value in given)]


class WarmParams(Params):
    """Of the server that starts stages at once (docs/speed.md)."""

    idle_s: Annotated[float, Field(gt=0)] = Field(default=900.0, description="Without a stage for so long, it leaves.")


class SharedParams(Params):
    """params.yaml: which pipelines `dvc repro` builds, and what they share."""

    pipelines: dict[Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")], PipelineEntry]
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    beam: BeamParams = BeamParams()
    warm: WarmParams = WarmParams()
