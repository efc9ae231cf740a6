"""What reaches the model: splits, scaling, shuffling."""

import threading

import keras
import numpy as np
import pytest

from involbench.data import make_dataset
from involbench.errors import DataError
from involbench.training import prefetch as batches_module
from involbench.training.fit import with_scaling
from involbench.training.prefetch import (
    DataStallMonitor,
    EvaluationBatches,
    PreparedBatches,
    TrainingBatches,
    as_tensorflow_dataset,
)
from involbench.training.provenance import make_reproducible
from involbench.training.split import Split, split_dataset


@pytest.fixture
def dataset():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (120, 6, 5, 3), np.uint8)
    images[..., 2] = 7  # A constant channel.
    labels = np.arange(120) % 4
    train, test = slice(0, 100), slice(100, 120)
    return make_dataset(
        "made", images[train], labels[train], images[test], labels[test], ("a", "b", "c", "d")
    )


def every(split):
    return split.take(slice(None))


def test_validation_on_test_uses_all_training_images(dataset):
    data = split_dataset(dataset, seed=0)
    assert len(data.train.labels) == 100
    assert data.validation is data.test


def test_subset_and_held_out_images_are_balanced_disjoint_and_drawn_by_the_seed(dataset):
    data = split_dataset(dataset, seed=3, train_size=40, validation=0.25)
    assert np.bincount(data.train.labels).tolist() == [7, 7, 7, 7]
    assert np.bincount(data.validation.labels).tolist() == [3, 3, 3, 3]
    rows = {image.tobytes() for image in every(data.train)}
    assert len(rows) == 28
    assert not rows & {image.tobytes() for image in every(data.validation)}
    again = split_dataset(dataset, seed=3, train_size=40, validation=0.25)
    np.testing.assert_array_equal(every(data.train), every(again.train))
    other = split_dataset(dataset, seed=4, train_size=40, validation=0.25)
    assert not np.array_equal(every(data.train), every(other.train))


def test_one_image_a_class_leaves_none_to_validate_on(dataset):
    with pytest.raises(DataError) as caught:
        split_dataset(dataset, seed=3, train_size=4, validation=0.1)
    assert str(caught.value) == (
        "data.validation 0.1: no image can be held out: no class has two images or more; train on "
        "more images, or set data.validation to test"
    )
    assert len(split_dataset(dataset, seed=3, train_size=8, validation=0.1).validation.labels) == 4


def test_splits_copy_no_images(dataset):
    data = split_dataset(dataset, seed=3, train_size=40, validation=0.25)
    for split in (data.train, data.validation):
        assert split.images is dataset.x_train
        np.testing.assert_array_equal(dataset.y_train[split.rows], split.labels)
        np.testing.assert_array_equal(split.take(slice(2, 5)), dataset.x_train[split.rows[2:5]])


def scaled(data):
    """What the model sees of the training images."""
    inputs = keras.Input(every(data.train).shape[1:])
    return with_scaling(keras.Model(inputs, inputs), data.mean, data.std).predict(
        every(data.train), verbose=0
    )


def test_standardize_gives_zero_mean_and_unit_variance(dataset):
    images = scaled(split_dataset(dataset, seed=0, normalization="standardize"))
    assert images.dtype == np.float32
    np.testing.assert_allclose(images.mean(axis=(0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(images.std(axis=(0, 1, 2)), [1, 1, 0], atol=1e-5)


def test_unit_is_division_by_255(dataset):
    data = split_dataset(dataset, seed=0)
    np.testing.assert_allclose(scaled(data), every(data.train) / 255, rtol=1e-6)


def batches(seed, size=30, augmentation=(), first=0):
    images = np.arange(100, dtype=np.uint8).reshape(100, 1, 1, 1).repeat(8, 1).repeat(8, 2)
    split = Split(images, np.arange(100))
    return TrainingBatches(split, size, seed, augmentation, first)


def epoch(source, number=0):
    return np.concatenate([source.make(number, index)[1] for index in range(len(source))])


def test_an_epoch_has_every_image_once_with_its_label():
    source = batches(seed=0)
    assert len(source) == 4
    assert sorted(epoch(source)) == list(range(100))
    images, labels = source.make(0, 3)
    assert len(labels) == 10
    np.testing.assert_array_equal(images[:, 0, 0, 0], labels)


def test_the_order_depends_on_seed_and_epoch_alone():
    source, again = batches(seed=0), batches(seed=0)
    first = epoch(source)
    again.make(0, 2)  # Reading batches out of order changes nothing.
    np.testing.assert_array_equal(epoch(again), first)
    assert not np.array_equal(epoch(source, 1), first)
    assert not np.array_equal(epoch(batches(seed=1)), first)


def test_augmentation_changes_images_the_same_way_each_time():
    plain, source = batches(seed=0), batches(seed=0, augmentation=("flip", "crop"))
    images, labels = source.make(0, 1)
    np.testing.assert_array_equal(labels, plain.make(0, 1)[1])
    assert not np.array_equal(images, plain.make(0, 1)[0])
    np.testing.assert_array_equal(images, source.make(0, 1)[0])


@pytest.mark.parametrize("first", [0, 2])
@pytest.mark.parametrize("fed", [as_tensorflow_dataset, lambda prepared: prepared])
def test_prepared_batches_are_those_that_were_asked_for(fed, first):
    source = batches(seed=3, augmentation=("flip", "crop"), first=first)
    with PreparedBatches(source, range(2, 5), DataStallMonitor()) as prepared:
        given = fed(prepared)
        next(iter(given))  # Keras looks at one before it trains.
        for number in range(2, 5):
            prepared.start_epoch(number)
            theirs = [(np.asarray(x), np.asarray(y)) for x, y in given]
            assert len(theirs) == len(source) == 4 - first
            for index, (images, labels) in enumerate(theirs):
                np.testing.assert_array_equal(source.make(number, index)[0], images)
                np.testing.assert_array_equal(source.make(number, index)[1], labels)


@pytest.mark.parametrize("fed", [as_tensorflow_dataset, lambda prepared: prepared])
def test_every_batch_is_made_once(fed, monkeypatch):
    made = []
    monkeypatch.setattr(batches_module, "augment", lambda images, *_: made.append(1) or images)
    with PreparedBatches(
        batches(0, augmentation=("crop",)), range(3), DataStallMonitor()
    ) as prepared:
        given = fed(prepared)
        for number in range(3):
            prepared.start_epoch(number)
            assert len(list(given)) == 4
    assert len(made) == 12


def test_tensorflow_takes_batches_while_it_trains(monkeypatch):
    make_reproducible(0)  # Which makes a pipeline that could depend on the training wait for it.
    with PreparedBatches(batches(0), range(1), DataStallMonitor()) as prepared:
        taken, take = threading.Semaphore(0), prepared.take
        monkeypatch.setattr(prepared, "take", lambda index: taken.release() or take(index))
        given = iter(as_tensorflow_dataset(prepared))
        next(given)
        assert taken.acquire(timeout=30) and taken.acquire(timeout=30)


def test_evaluation_keeps_the_order(dataset):
    source = EvaluationBatches(Split(dataset.x_test, dataset.y_test), 8)
    labels = np.concatenate([source[index][1] for index in range(len(source))])
    np.testing.assert_array_equal(labels, dataset.y_test)
    assert [len(source[index][1]) for index in range(len(source))] == [8, 8, 4]
