"""Times and losses of training steps -> ratios within a repeat, how far the losses are apart."""

from typing import Literal

from involbench.analysis.spread import Spread, ratios, spread
from involbench.results.benchmark import NETWORKS, Machine, Network, StepTimes
from involbench.results.record import Record


class NetworkResult(Record):
    """Training steps of one network."""

    first_step_seconds: float
    seconds: Spread
    samples: tuple[float, ...]
    ratio: Spread
    """Its time over that of the network on our layer, step by step."""
    losses: tuple[float, ...]


class StepBenchmark(Record):
    """What `bench step` prints."""

    schema_version: Literal[1] = 1
    repeats: int
    batch_size: int
    image_shape: tuple[int, int, int]
    patches: str
    networks: dict[Network, NetworkResult]
    largest_loss_difference: float
    """Of the losses on our layer from those on the published one, over all steps."""
    machine: Machine


def summarize_steps(times: StepTimes) -> StepBenchmark:
    """At least two steps of each network after the first, as one result."""
    ours = times.networks["involution"]
    losses = zip(ours.losses, times.networks["patches"].losses, strict=True)
    return StepBenchmark(
        repeats=len(ours.seconds),
        batch_size=times.batch_size,
        image_shape=times.image_shape,
        patches=times.patches,
        networks={
            name: NetworkResult(
                first_step_seconds=steps.first_step_seconds,
                seconds=spread(steps.seconds),
                samples=steps.seconds,
                ratio=ratios(steps.seconds, ours.seconds),
                losses=steps.losses,
            )
            for name in NETWORKS
            for steps in [times.networks[name]]
        },
        largest_loss_difference=max(abs(a - b) for a, b in losses),
        machine=times.machine,
    )
