"""What is kept of one run: the schema of `run.json`, `history.json` and `parameters.json`."""

from collections.abc import Callable
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from involbench.results import limits
from involbench.spec.section import Free, problem
from involbench.spec.trial import Trial

SCHEMA_VERSION: Literal[1] = 1

Role = Literal["operator", "normalization", "head", "other"]
ROLES: tuple[Role, ...] = get_args(Role)

MOST_SHARED = 0.01
"""The share of the test images that may be training images too before it is a warning."""

BACKENDS = ("tensorflow", "jax", "torch")
"""Of Keras, by the names of their packages; a run's versions have the one that trained it."""


class Record(BaseModel):
    """Base of everything read back from a results tree."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Hardware(Record):
    """The machine that a run was made on."""

    cpu: str
    cores: int
    memory_gib: float
    gpus: tuple[str, ...]
    device: str
    """The device that trained: `CPU`, or the GPU's name."""
    devices: int = 1
    """How many of them trained together, each with a part of every batch."""

    @property
    def trained_on(self) -> str:
        """The device or devices that trained, as is said to people."""
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
    """What the run saw of its dataset."""

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
    test_in_train: int | None = None
    """How many test images are training images of the dataset too, pixel by pixel; None in records
    of before they were counted."""


class RunRecord(Record):
    """`run.json`: one trial and how it ended."""

    schema_version: Literal[1] = 1
    run_id: str
    status: Literal["finished", "failed", "diverged", "timeout"]
    error: str | None = None
    """What went wrong, where the status is not `finished`."""
    exit_signal: str | None = None
    """Of the process that trained, where a signal ended it."""
    log_tail: tuple[str, ...] = ()
    """The last lines of the log, where it failed."""
    trial: Trial
    argv: tuple[str, ...]
    versions: dict[str, str]
    hardware: Hardware | None
    """None where the run failed before it told."""
    git: Free | None
    """Commit and whether there were changes, of the involbench checkout, if it is one."""
    data: DataFacts | None
    started: str
    ended: str
    """UTC, ISO 8601."""
    seconds: float
    metrics: dict[str, float | None] = {}
    """test_accuracy, test_loss, macro_f1, expected_calibration_error, best_val_accuracy,
    best_epoch, seconds_per_epoch, input_wait; and `<metric>@<condition>` for what `evaluate` asks
    for."""
    collapsed: bool = False
    """The accuracy never left chance."""
    files: dict[str, int] = {}
    """The size of each file of the run as it was written, in bytes."""
    environment: dict[str, str] | None = None
    """Variables that the user had set and that can change last digits; None where it was not
    recorded: the run failed, or is older than this entry."""
    notes: tuple[str, ...] = ()
    """Among others, where a value that was not finite is written as null."""

    @property
    def backend(self) -> str | None:
        """Of Keras, the one that trained; None where the run failed before it told."""
        return next((name for name in BACKENDS if name in self.versions), None)


class LayerParameters(Record):
    """The weights of one layer."""

    name: str
    layer: str
    """The Keras class."""
    output_shape: tuple[int | None, ...]
    role: Role
    trainable: int
    non_trainable: int
    macs: int | None = None
    """Multiply-accumulates for one image; None where the layer is not counted, and in records of
    before they were."""


class Parameters(Record):
    """`parameters.json`: how many weights a model has, what they are for, and what it computes."""

    total: int
    trainable: int
    non_trainable: int
    by_role: dict[Role, int]
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
"""`history.json`: loss, accuracy, val_loss, val_accuracy and seconds, one value an epoch."""
