"""The schema of the JSON files of a run.

A record may come from somebody else. Its statements about the data and the checkpoints are checked
where those are read.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from involbench.errors import Message, ResultsError
from involbench.registry import Role as Role
from involbench.results import limits
from involbench.schema_types import JsonObject, problem
from involbench.spec.trial import Trial
from involbench.text import excerpt

INPUT_WAIT = "input_wait"
"""Name of the metric: a share of the training steps' time, median over the epochs."""

_MOST = 0.1
_SECONDS = 1.0
"""Seconds; shorter waits are not reported."""


def too_much(metrics: Mapping[str, float | None], epochs: int) -> str | None:
    """A message about a run that waited too long for data; None otherwise."""
    share, seconds = metrics.get(INPUT_WAIT), metrics.get("seconds_per_epoch")
    if share is None or seconds is None or share <= _MOST or share * seconds * epochs < _SECONDS:
        return None
    return f"{share:.0%} of the training time was spent waiting for images"


HELPS = (
    "what helps: fewer --jobs or more cores, a faster disk for INVOLBENCH_CACHE, "
    "smaller images (data.image_size), less augmentation"
)
"""The first two change no result, the others do."""


LAGS = (
    "the training accuracy rose above chance, the validation accuracy never clearly did: the "
    "moving averages of batch normalization lag behind; more steps (a smaller training.batch_size, "
    "more epochs) or a lower momentum help"
)


@dataclass(frozen=True)
class Remark:
    """Something about a usable dataset that `run` prints and `doctor` lists."""

    about: str
    """In a word or two."""
    message: Message
    warning: bool = False
    """Whether it makes the results less valuable."""


Count = Annotated[int, Field(ge=0, lt=2**63)]
"""A number of things in a file of a results folder, which may be anything."""


@dataclass(frozen=True)
class EpochReport:
    """One epoch ended."""

    epoch: Count
    """Counted from 1."""
    epochs: Count
    images: Count
    """Images trained on in this epoch."""
    metrics: dict[str, float]
    """loss, accuracy, val_loss, val_accuracy, seconds."""


SCHEMA_VERSION: Literal[1] = 1

ROLES: tuple[Role, ...] = get_args(Role)

MOST_SHARED = 0.01
"""With a larger share of test images that are also training images, there is a warning."""

BACKENDS = ("tensorflow", "jax", "torch")
"""Package names of the backends of Keras. The versions in a record include the one in use."""


class Record(BaseModel):
    """Base class of everything that is read from a results tree."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Hardware(Record):
    """The machine of a run."""

    cpu: str
    cores: Count
    memory_gib: float
    gpus: tuple[str, ...]
    device: str
    """The device that trained: `CPU`, or the GPU's name."""
    devices: Count = 1
    """Number of devices, each of which trained on a part of every batch."""

    @property
    def trained_on(self) -> str:
        """The device or devices that trained, for messages."""
        return self.device if self.devices == 1 else f"{self.devices} x {self.device}"


def _within(limit: int, what: str) -> Callable[[Any], Any]:
    """Refuse a number, or a list, that is larger than a limit."""

    def check(value: Any) -> Any:
        if (len(value) if isinstance(value, tuple) else value) > limits.scaled(limit):
            raise problem(limits.too_large(limit, what))
        return value

    return check


Side = Annotated[int, Field(gt=0), AfterValidator(_within(limits.PIXELS, "pixels a side"))]
Size = Annotated[int, Field(ge=0, lt=2**31)]


class DataFacts(Record):
    """Facts about the dataset of the run."""

    fingerprint: str
    class_names: Annotated[tuple[str, ...], AfterValidator(_within(limits.CLASSES, "classes"))]
    input_shape: tuple[Side, Side, Side]
    train_size: Size
    validation_size: Size
    test_size: Size
    chance: Annotated[float, Field(ge=0, le=1)]
    """Share of the most frequent class in the test set."""
    mean: tuple[float, ...]
    """What was subtracted from x/255, a channel."""
    std: tuple[float, ...]
    """What x/255 - mean was divided by, a channel."""
    test_in_train: Count | None = None
    """How many test images equal a training image in every pixel; None in older records."""


class ConstantLayer(Record):
    """A layer of an untrained network that told hardly any image from another."""

    name: str
    images: Count
    """For how many images its output was the same."""
    zero: bool
    """Whether it is a ReLU and its output was zero for them."""


class Probe(Record):
    """One batch of training images, passed through the network before training."""

    images: Count
    layers: tuple[ConstantLayer, ...]
    """Those whose output was the same for nearly all images, though their input was not."""
    blind: bool
    """Whether, because of them, so was the output of the network."""

    @property
    def finding(self) -> str:
        """What was found, such as `relu_1 is zero for all of 256 images`; empty for nothing."""
        return " and ".join(
            f"{each.name} is {'zero' if each.zero else 'the same'} for "
            f"{'all' if each.images == self.images else each.images} of {self.images} images"
            for each in self.layers
        )

    @property
    def outlook(self) -> str:
        """What follows for the network: it can't learn, or may never; empty for nothing."""
        if not self.blind:
            return ""
        return "the network can't learn" if self.is_dead else "the network may never learn"

    @property
    def is_dead(self) -> bool:
        """Whether the output of one of the layers was the same for all images."""
        return any(each.images == self.images for each in self.layers)


class RunRecord(Record):
    """`run.json`: one trial and its result."""

    schema_version: Literal[1] = 1
    run_id: str
    status: Literal["finished", "failed", "diverged", "timeout"]
    error: str | None = None
    """What went wrong, if the status is not `finished`."""
    exit_signal: str | None = None
    """The signal that ended the training process, if one did."""
    log_tail: tuple[str, ...] = ()
    """The last lines of the log, if the run failed."""
    trial: Trial
    argv: tuple[str, ...]
    versions: dict[str, str]
    hardware: Hardware | None
    """None if the run failed before it was known."""
    git: JsonObject | None
    """Commit and whether there were changes, of the involbench checkout, if it is one."""
    data: DataFacts | None
    started: str
    ended: str
    """UTC, ISO 8601."""
    seconds: float
    metrics: dict[str, float | None] = {}
    """test_accuracy, test_loss, macro_f1, expected_calibration_error, best_val_accuracy,
    best_epoch, seconds_per_epoch, input_wait; and `<metric>@<condition>` for the conditions of
    `evaluate`."""
    collapsed: bool = False
    """The accuracy never left chance."""
    validation_lags: bool = False
    """It learned its training images, but its validation accuracy never left chance, because the
    moving averages of batch normalization lag behind."""
    probe: Probe | None = None
    """The network before training; None if it was not probed, and in older records."""
    files: dict[str, Count] = {}
    """The size of each file of the run when it was written, in bytes."""
    environment: dict[str, str] | None = None
    """Variables that the user had set and that can change last digits; None if the run failed, and
    in older records."""
    notes: tuple[str, ...] = ()
    """Also about values that were not finite, which are written as null."""

    @property
    def backend(self) -> str | None:
        """The backend of Keras; None if the run failed before it was known."""
        return next((name for name in BACKENDS if name in self.versions), None)


class LayerParameters(Record):
    """The weights of one layer."""

    name: str
    layer: str
    """The Keras class."""
    output_shape: tuple[Count | None, ...]
    role: Role
    trainable: Count
    non_trainable: Count
    macs: Count | None = None
    """Multiply-accumulates for one image; None if they cannot be counted, and in older records."""


class Parameters(Record):
    """`parameters.json`: the weights of a model by role, and its multiply-accumulates."""

    total: Count
    trainable: Count
    non_trainable: Count
    by_role: dict[Role, Count]
    """Trainable parameters."""
    layers: tuple[LayerParameters, ...]

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one image, of the layers that are counted."""
        return sum(row.macs or 0 for row in self.layers)

    @property
    def macs_by_role(self) -> dict[Role, int]:
        """The same by role."""
        return {
            role: sum(row.macs or 0 for row in self.layers if row.role == role) for role in ROLES
        }

    @property
    def not_counted(self) -> tuple[str, ...]:
        """The layers whose multiply-accumulates are missing from the sums, as `name (class)`."""
        return tuple(f"{row.name} ({row.layer})" for row in self.layers if row.macs is None)


History = dict[str, list[float | None]]
"""`history.json`: loss, accuracy, val_loss, val_accuracy and seconds, one value per epoch."""


class WidthMatch(Record):
    """The width nearest to the budget."""

    width: Count
    count: Count
    """Trainable parameters or multiply-accumulates at this width."""
    budget: Count
    """The count of the model to match."""

    @property
    def relative_error(self) -> float:
        """How far the count is above the budget, as a share of it."""
        return self.count / self.budget - 1 if self.budget else float("inf")


RUN_ID = re.compile(r"(?P<model>[a-z0-9][a-z0-9_-]*)-seed(?P<seed>\d+)-(?P<hash>[0-9a-f]{8})")
"""Pattern of the name of a run folder."""
_FRACTIONS = ("test_accuracy", "best_val_accuracy", "macro_f1", "expected_calibration_error")


def check_record(record: RunRecord, folder: str) -> None:
    """Check a record against the name of its folder and its trial.

    Raises:
        ResultsError: They contradict each other.
    """
    if record.run_id != folder:
        raise ResultsError(f"is a copy: it belongs to the run {excerpt(record.run_id)}")
    trial = record.trial
    if folder[:-8] != f"{trial.model}-seed{trial.seed}-" and RUN_ID.fullmatch(folder):
        raise ResultsError(f"its trial is of {trial.model}, seed {trial.seed}")
    for name, value in record.metrics.items():
        if value is None or 0 <= value <= 1:
            continue
        if name.partition("@")[0] in _FRACTIONS:
            raise ResultsError(f"metrics.{excerpt(name, 80)} is {value:.6g}, not between 0 and 1")


def check_history(record: RunRecord, history: History) -> None:
    """Check a history against the record of its run.

    Raises:
        ResultsError: It has more epochs than the run, or columns of different lengths.
    """
    lengths = {len(values) for values in history.values()}
    planned = record.trial.training.epochs
    if len(lengths) > 1:
        raise ResultsError("its columns have different lengths")
    epochs = max(lengths, default=0)
    if epochs > planned:
        raise ResultsError(f"it has {epochs} epochs; the run has {planned}")
