"""CIFAR-10 and CIFAR-100 as `keras.datasets` downloads and keeps them."""

import hashlib
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from involbench.data.source import Notify, reason, silent
from involbench.errors import DataError, Message
from involbench.registry import dataset
from involbench.regular_file import open_regular

_NAMES10 = "airplane automobile bird cat deer dog frog horse ship truck"
CIFAR10_CLASSES = tuple(_NAMES10.split())

_NAMES100 = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle
bowl boy bridge bus butterfly camel can castle caterpillar cattle
chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur
dolphin elephant flatfish forest fox girl hamster house kangaroo keyboard
lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle mountain
mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree
plain plate poppy porcupine possum rabbit raccoon ray road rocket
rose sea seal shark shrew skunk skyscraper snail snake spider
squirrel streetcar sunflower sweet_pepper table tank telephone television tiger tractor
train trout tulip turtle wardrobe whale willow_tree wolf woman worm
"""
CIFAR100_CLASSES = tuple(_NAMES100.split())

_SECONDS_OF_SILENCE = 30


@dataclass(frozen=True)
class _Archive:
    """One of the two data sets: what Keras calls it, and what its archive must be."""

    dataset: str
    title: str
    class_names: tuple[str, ...]
    download: str
    kept_as: str
    megabytes: int
    sha256: str

    def path(self) -> Path:
        """Where Keras keeps it, or would."""
        return _keras_datasets_folder() / self.kept_as


_CIFAR10 = _Archive(
    dataset="cifar10",
    title="CIFAR-10",
    class_names=CIFAR10_CLASSES,
    download="cifar-10-python.tar.gz",
    kept_as="cifar-10-batches-py-target_archive",
    megabytes=170,
    sha256="6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
)
_CIFAR100 = _Archive(
    dataset="cifar100",
    title="CIFAR-100",
    class_names=CIFAR100_CLASSES,
    download="cifar-100-python.tar.gz",
    kept_as="cifar-100-python-target_archive",
    megabytes=169,
    sha256="85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
)


@dataset(describe=lambda: ((32, 32, 3), 10), status=lambda: _status(_CIFAR10))
def cifar10(*, _notify: Notify = silent) -> Any:
    """50,000 training and 10,000 test images, 32x32x3, of ten classes."""
    return _load(_CIFAR10, _notify)


@dataset(describe=lambda: ((32, 32, 3), 100), status=lambda: _status(_CIFAR100))
def cifar100(*, _notify: Notify = silent) -> Any:
    """50,000 training and 10,000 test images, 32x32x3, of a hundred (fine) classes."""
    return _load(_CIFAR100, _notify)


def _status(archive: _Archive) -> Message:
    """Whether the archive is on this machine; if not, which file to save, and where.

    Raises:
        DataError: What is there is damaged or cannot be read.
    """
    path = archive.path()
    _check_kept(archive, path)
    if path.exists():
        return Message(f"downloaded: {path}")
    return Message(
        f"not downloaded; the first run downloads {archive.megabytes} MB",
        remedy=f"without a network, save {archive.download} as {path}",
    )


def _load(archive: _Archive, notify: Notify) -> dict[str, Any]:
    kept = archive.path()
    with _one_at_a_time(archive, kept, notify):
        _check_kept(archive, kept)
        if not kept.exists():
            notify(f"downloading {archive.title} ({archive.megabytes} MB) from its home page")
        (x_train, y_train), (x_test, y_test) = _load_with_keras(archive, kept)
    return {
        "x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test,
        "class_names": archive.class_names,
    }  # fmt: skip


def _keras_datasets_folder() -> Path:
    """Where `keras.utils.get_file` keeps downloads, by the rules of its source."""
    folder = Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser()
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK):
        temporary = Path("/tmp")
        folder = (temporary if temporary.is_dir() else Path(tempfile.gettempdir())) / ".keras"
    return folder / "datasets"


@contextmanager
def _one_at_a_time(archive: _Archive, kept: Path, notify: Notify) -> Iterator[None]:
    """Keep other processes out: Keras downloads to, and on every load unpacks to, one place."""
    from filelock import FileLock, Timeout

    lock = FileLock(kept.with_name(f"{archive.dataset}.involbench.lock"))
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            notify(f"waiting for another process that is loading {archive.title}")
            lock.acquire()
    except OSError as error:
        raise DataError(
            f"{kept.parent}: cannot be written ({reason(error)})",
            remedy="set KERAS_HOME to a folder that can",
        ) from None
    try:
        yield
    finally:
        lock.release()


def _check_kept(archive: _Archive, kept: Path) -> None:
    """Refuse a damaged archive, which Keras would download over."""
    try:
        with open_regular(kept) as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return
    except OSError as error:
        raise DataError(f"{kept}: cannot be read ({reason(error)})") from None
    if found != archive.sha256:
        raise DataError(
            f"{kept}: damaged or cut short (it is not the {archive.title} archive)",
            remedy=f"delete it to download it again, or put {archive.download} there under this "
            "name",
        )


def _load_with_keras(archive: _Archive, kept: Path) -> Any:
    """((x_train, y_train), (x_test, y_test)), images (N, 32, 32, 3) and labels (N, 1) uint8."""
    import keras

    data_format, timeout = keras.config.image_data_format(), socket.getdefaulttimeout()
    keras.config.set_image_data_format("channels_last")
    # Without a timeout, a network that swallows packets would hold the download for ever.
    socket.setdefaulttimeout(_SECONDS_OF_SILENCE)
    try:
        return getattr(keras.datasets, archive.dataset).load_data()
    except Exception as error:  # Keras raises a bare Exception for a failed download
        why = reason(error).rsplit(" -- ")[-1]
        if kept.exists():
            raise DataError(f"{kept}: cannot be unpacked and read ({why})") from error
        raise DataError(
            f"{archive.title} cannot be downloaded ({why})",
            remedy=f"get {archive.download} from its home page and save it as {kept}, or use "
            "images of your own: -S data.dataset=folder -S data.path=...",
        ) from error
    finally:
        socket.setdefaulttimeout(timeout)
        keras.config.set_image_data_format(data_format)
