"""What benchmarks measured of one network -> the metrics that are kept beside its run."""

from collections.abc import Iterable
from statistics import median

from involbench.results.benchmark import ModelsMemory, ModelTimes
from involbench.results.exports import MeasuredExport


def model_metrics(times: ModelTimes, memory: ModelsMemory, step_batch: int) -> dict[str, float]:
    """Medians in seconds, and bytes: of one image, or as `<metric>@batch=N`.

    Args:
        times: The network's.
        memory: That of all networks, by name.
        step_batch: Images in a training step.
    """
    found = {_at("latency", batch): median(values) for batch, values in times.seconds.items()}
    for batch, peak in memory.peak_bytes[times.name].items():
        found[_at("peak_memory", batch)] = peak
    found[_at("step_time", step_batch)] = median(times.step_seconds)
    step = memory.step_bytes[times.name]
    return found if step is None else {**found, _at("step_memory", step_batch): step}


def export_metrics(exports: Iterable[MeasuredExport]) -> dict[str, float]:
    """Of each format `<format>_latency`, in seconds on one thread, `_size` and `_accuracy`."""
    found = dict[str, float]()
    for export in exports:
        form, record = export.record.format, export.record
        for threads, values in export.seconds.items():
            name = f"{form}_latency" if threads == 1 else f"{form}_latency@threads={threads}"
            found[name] = median(values)
        found[f"{form}_size"] = record.size_bytes
        found[f"{form}_accuracy"] = record.accuracy
    return found


def _at(metric: str, batch: int) -> str:
    return metric if batch == 1 else f"{metric}@batch={batch}"
