"""Exporting the network of a run, and comparing what was written with Keras before it is kept."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from involbench.data import Dataset
from involbench.data.dataset import balanced_subset
from involbench.errors import InvolbenchError
from involbench.export.formats import EXPORTERS, Exporter, Images, Runtime, versions
from involbench.results.benchmarks import FILE_NAMES, LITERT, ExportRecord, Format, tolerance
from involbench.results.files import copy_in, make_folder, write_json
from involbench.results.paths import ResultsPath
from involbench.results.record import DataFacts, RunRecord
from involbench.training.fit import scaled
from involbench.training.inference import choose_test_images, load_model, scaling_factors
from involbench.training.split import split_dataset

_CALIBRATION = 200
"""Number of training images that set the ranges of int8."""
_BATCH = 64


@dataclass(frozen=True)
class Deployable:
    """The network of a run in float32, with scaling and softmax, and its expected predictions."""

    record: RunRecord
    model: keras.Model
    """Pixels from 0 to 255 in, (B, H, W, C); probabilities out, (B, classes)."""
    calibration: Images
    """Training images that set the ranges of int8."""
    images: Images
    """Test images, (N, H, W, C)."""
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    """The probabilities of Keras for the test images."""


def deployable(
    record: RunRecord, facts: DataFacts, weights: ResultsPath, dataset: Dataset, count: int
) -> Deployable:
    """Prepare the network of a run for export, to be compared with Keras on `count` test images.

    Raises:
        UsageError: See `load_model`.
        DataError: The run was made with another dataset.
    """
    tested = choose_test_images(dataset, facts, count)
    assert tested.labels is not None
    data, seed = record.trial.data, record.trial.seed
    trained = split_dataset(dataset, seed, data.train_size, data.validation).train
    some = balanced_subset(trained.labels, min(_CALIBRATION, len(trained.labels)), seed)
    model = _with_softmax(record, facts, weights)
    images = tested.pixels.astype(np.float32)
    return Deployable(
        record,
        model,
        trained.take(some).astype(np.float32),
        images,
        tested.labels,
        model.predict(images, batch_size=_BATCH, verbose=0),
    )


def _with_softmax(record: RunRecord, facts: DataFacts, weights: ResultsPath) -> keras.Model:
    training = record.trial.training.model_copy(update={"precision": "float32"})
    trial = record.trial.model_copy(update={"training": training})
    trained = load_model(record.model_copy(update={"trial": trial}), facts, weights)
    images = keras.Input(facts.input_shape, dtype="float32", name="images")
    logits = trained(scaled(images, *scaling_factors(facts)))
    return keras.Model(images, keras.ops.softmax(logits))


def export(source: Deployable, form: Format, folder: ResultsPath) -> ExportRecord:
    """Write a network in another format to a folder, which is created, with a record.

    Raises:
        ResultsError: The folder cannot be written.
        InvolbenchError: The converter fails, or the exported network gives other results.
    """
    exporter = EXPORTERS[form]
    make_folder(folder)
    # Converters follow links, which anyone could have put into the run's folder.
    with tempfile.TemporaryDirectory(prefix="involbench-") as place:
        written = Path(place, FILE_NAMES[form])
        _write(form, exporter, source, written)
        probabilities = _predict(exporter.load(written, 0), source.images)
        record = _verify(form, written, probabilities, source)
        copy_in(written, folder / written.name)
    write_json(folder / f"{record.file}.json", record.model_dump(mode="json"))
    return record


def _write(form: Format, exporter: Exporter, source: Deployable, path: Path) -> None:
    try:
        exporter.write(source.model, path, source.calibration)
    except Exception as error:  # Converters raise nearly anything.
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InvolbenchError(
            f"--format {form}: the converter cannot convert "
            f"{source.record.trial.architecture.architecture}: {reason}; use --format saved_model, "
            "which TensorFlow runs itself"
        ) from error


def _predict(runtime: Runtime, images: Images) -> NDArray[np.float32]:
    """Probabilities (N, classes), in batches, since all images may not fit into memory at once."""
    starts = range(0, len(images), _BATCH)
    return np.concatenate([runtime(images[start : start + _BATCH]) for start in starts])


def _verify(
    form: Format, path: Path, found: NDArray[np.float32], source: Deployable
) -> ExportRecord:
    """Compare the probabilities of an exported network with those of Keras.

    Raises:
        InvolbenchError: They differ by more than the format explains.
    """
    expected, labels, record = source.probabilities, source.labels, source.record
    difference, most = float(np.abs(found - expected).max()), tolerance(form)
    if most is not None and not difference <= most:
        raise InvolbenchError(
            f"--format {form}: its probabilities differ from those of Keras by {difference:.2g}, "
            f"more than {most:g}, so it is not kept; please report this with the spec of the run"
        )
    files = [path, *path.rglob("*")]
    return ExportRecord(
        run_id=record.run_id,
        format=form,
        file=path.name,
        size_bytes=sum(file.stat().st_size for file in files if file.is_file()),
        input_shape=(1 if form in LITERT else None, *source.images.shape[1:]),
        class_names=record.data.class_names if record.data else (),
        test_images=len(labels),
        largest_difference=difference,
        agreement=float(np.mean(found.argmax(1) == expected.argmax(1))),
        accuracy=float(np.mean(found.argmax(1) == labels)),
        keras_accuracy=float(np.mean(expected.argmax(1) == labels)),
        versions=versions(form),
    )
