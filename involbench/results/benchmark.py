"""What the benchmarks measure: single times and sizes, before anything is made of them."""

import math
from typing import Literal, get_args

from involbench.results.record import Hardware, Record

Part = Literal["forward", "forward_and_gradients"]
PARTS: tuple[Part, ...] = get_args(Part)
"""The result alone, or the result and the gradients by both arguments."""

Form = Literal["involution", "patches", "unfold", "depthwise", "conv3x3"]
"""Our operator, the published arithmetic, and two convolutions for orientation.

`unfold` is the published arithmetic in PyTorch, where that is installed beside another backend.
"""

Network = Literal["patches", "involution", "control"]
NETWORKS: tuple[Network, ...] = get_args(Network)
"""The keras.io INN on the published layer, on ours, and with the involutions left out."""

_FLOAT32_BYTES = 4


class OperatorShape(Record):
    """What an involution is applied to."""

    batch: int
    height: int
    width: int
    channels: int
    kernel_size: int
    groups: int

    def __str__(self) -> str:
        """As the command line takes it."""
        return ",".join(str(value) for value in self.model_dump().values())

    @property
    def image_bytes(self) -> int:
        """The images in float32; the result is as large."""
        return _FLOAT32_BYTES * self.batch * self.height * self.width * self.channels

    @property
    def kernels_bytes(self) -> int:
        """The kernels in float32."""
        taps = self.kernel_size**2
        return _FLOAT32_BYTES * math.prod((self.batch, self.height, self.width, self.groups, taps))

    @property
    def patches_bytes(self) -> int:
        """Every pixel's neighbourhood in float32, which the published arithmetic builds."""
        return self.image_bytes * self.kernel_size**2

    def weights_bytes(self, form: Form) -> int:
        """What a form applies to the images, in float32: an involution's kernels, or weights."""
        match form:
            case "depthwise":
                return _FLOAT32_BYTES * self.channels * self.kernel_size**2
            case "conv3x3":
                return _FLOAT32_BYTES * 9 * self.channels**2
            case "involution" | "patches" | "unfold":
                return self.kernels_bytes

    def floor_bytes(self, form: Form, part: Part) -> int:
        """What must move at least: every argument and every result once.

        With gradients these are the images, the result, and a gradient of each; the kernels or
        weights and their gradient.
        """
        forward = 2 * self.image_bytes + self.weights_bytes(form)
        return forward if part == "forward" else 2 * forward

    def results_bytes(self, form: Form, part: Part) -> int:
        """What a call gives back: the result; with gradients, those of both arguments, too."""
        gradients = self.image_bytes + self.weights_bytes(form)
        return self.image_bytes + (0 if part == "forward" else gradients)


class Machine(Record):
    """Where something was measured."""

    versions: dict[str, str]
    hardware: Hardware


class FormTimes(Record):
    """One form at one shape."""

    first_call_seconds: float
    """Forward and gradients for the first time: tracing, compiling, and the call."""
    seconds: dict[Part, tuple[float, ...]]
    """One value a repeat."""


class OperatorTimes(Record):
    """All forms at one shape, timed in one process."""

    shape: OperatorShape
    data_format: str
    patches: str
    """How the published arithmetic is written on this backend."""
    unfold: str | None
    """What `unfold` is, with the version of PyTorch; None where it is not among the forms."""
    forms: dict[Form, FormTimes]
    copy_bytes_per_second: tuple[float, ...]
    """Bytes read and written by a large copy, one value a repeat."""
    largest_difference: float
    """Of results and gradients from those of the patches, relative to their largest value."""
    machine: Machine


class OperatorMemory(Record):
    """The most memory that each form holds at one shape beyond its arguments; results count."""

    peak_bytes: dict[Form, dict[Part, int]]
    method: str
    """How it was measured, in words."""


class NetworkSteps(Record):
    """Training steps of one network."""

    first_step_seconds: float
    seconds: tuple[float, ...]
    """Of each later step."""
    losses: tuple[float, ...]
    """Of every batch, the first included."""


class StepTimes(Record):
    """Training steps of the networks, in alternation in one process."""

    batch_size: int
    image_shape: tuple[int, int, int]
    patches: str
    """How the published arithmetic is written on this backend."""
    networks: dict[Network, NetworkSteps]
    machine: Machine


class ModelSizes(Record):
    """What a network weighs, before anything is timed."""

    parameters: int
    """With those that are not trained."""
    macs: int | None
    """Multiply-accumulates for one image; None where not every layer is counted."""
    activations: int
    """Numbers in all layers' results for one image, without the image itself."""
    file_bytes: int
    """Of its saved file, without the optimizer's state."""


class ModelTimes(Record):
    """One network at one size of image, among those that were timed in alternation."""

    name: str
    network: str
    """The same for all its sizes."""
    input_shape: tuple[int, int, int]
    sizes: ModelSizes
    first_call_seconds: float
    """Tracing, compiling, and the call, at the smallest batch."""
    warm_up_calls: dict[int, int]
    """Batch -> how many calls it took until they got no faster."""
    seconds: dict[int, tuple[float, ...]]
    """Batch -> seconds of an inference, one value a repeat."""
    step_seconds: tuple[float, ...]
    """Of a training step, one value in the first two repeats and in every fifth more."""


class ModelsTimes(Record):
    """Networks timed in alternation in one process."""

    models: tuple[ModelTimes, ...]
    step_batch: int
    """Images in a training step."""
    machine: Machine


class ModelsMemory(Record):
    """The most memory that each network holds beyond its weights and its images."""

    peak_bytes: dict[str, dict[int, int]]
    """Name -> batch -> bytes of an inference."""
    step_bytes: dict[str, int | None]
    """Of a training step; None where the backend cannot tell."""
    method: str
    """How it was measured, in words."""
