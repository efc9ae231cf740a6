"""Times of exported networks -> latencies, and ratios to the first network in the same format."""

from collections.abc import Iterator, Sequence
from itertools import chain
from statistics import mean
from typing import Literal

from involbench.analysis.benchmark_models import Latency, latency
from involbench.results.benchmark import Machine
from involbench.results.exports import Format, MeasuredExport, MeasuredExports
from involbench.results.record import Record


class ExportCost(Record):
    """One network in one format, on so many threads; means where it was trained several times."""

    network: str
    format: Format
    threads: int
    latency: Latency
    """Of one image; its ratio is to the first network that there is in this format."""
    size_bytes: float
    accuracy: float
    """On the test images that it was held against Keras on."""
    keras_accuracy: float
    agreement: float
    """How often it gives the same class as Keras."""


class ExportsBenchmark(Record):
    """What `bench export` prints."""

    schema_version: Literal[1] = 1
    baseline: str
    repeats: int
    """In each process."""
    processes: int
    """One for each seed, and as many again for each number of threads."""
    test_images: int
    exports: tuple[ExportCost, ...]
    failures: tuple[str, ...]
    machine: Machine


def summarize_exports(blocks: Sequence[MeasuredExports]) -> ExportsBenchmark:
    """Networks in all their formats, in one block or more, of which each has another seed.

    Raises:
        ValueError: There are none.
    """
    exports = [export for block in blocks for export in block.exports]
    first = exports[0]
    return ExportsBenchmark(
        baseline=first.network,
        repeats=len(next(iter(first.seconds.values()))),
        processes=len(blocks),
        test_images=first.record.test_images,
        exports=tuple(_costs(blocks, list(dict.fromkeys(e.network for e in exports)))),
        failures=tuple(failure for block in blocks for failure in block.failures),
        machine=blocks[0].machine,
    )


def _costs(blocks: Sequence[MeasuredExports], networks: Sequence[str]) -> Iterator[ExportCost]:
    first = blocks[0].exports[0]
    forms = dict.fromkeys(export.record.format for block in blocks for export in block.exports)
    for threads in first.seconds:
        for form in forms:
            for network in networks:
                pairs = list(_pairs(blocks, networks, network, form))
                if pairs:
                    yield _cost(network, form, threads, pairs)


def _pairs(
    blocks: Sequence[MeasuredExports], networks: Sequence[str], network: str, form: Format
) -> Iterator[tuple[MeasuredExport, MeasuredExport]]:
    """The network in each block that has it, with the first network that there is beside it."""
    for block in blocks:
        there = {e.network: e for e in block.exports if e.record.format == form}
        if network in there:
            yield there[network], next(there[name] for name in networks if name in there)


def _cost(
    network: str,
    form: Format,
    threads: int,
    pairs: Sequence[tuple[MeasuredExport, MeasuredExport]],
) -> ExportCost:
    sides = zip(*pairs, strict=True)
    own, beside = (list(chain(*(each.seconds[threads] for each in side))) for side in sides)
    records = [export.record for export, _ in pairs]
    return ExportCost(
        network=network,
        format=form,
        threads=threads,
        latency=latency(own, beside),
        size_bytes=mean(record.size_bytes for record in records),
        accuracy=mean(record.accuracy for record in records),
        keras_accuracy=mean(record.keras_accuracy for record in records),
        agreement=mean(record.agreement for record in records),
    )
