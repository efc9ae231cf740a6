"""What reaches the model: splits, scaling, shuffling."""

import keras
import numpy as np
import pytest

from involbench.data import make_dataset
from involbench.training.batches import EvaluationBatches, TrainingBatches
from involbench.training.fit import with_scaling
from involbench.training.split import Split, split_dataset
from involbench.training.tensorflow_batches import as_tensorflow_dataset


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


def test_validation_on_test_uses_all_training_images(dataset):
    data = split_dataset(dataset, seed=0)
    assert len(data.train.labels) == 100
    assert data.validation.images is data.test.images


def test_subset_and_held_out_images_are_balanced_disjoint_and_drawn_by_the_seed(dataset):
    data = split_dataset(dataset, seed=3, train_size=40, validation=0.25)
    assert np.bincount(data.train.labels).tolist() == [7, 7, 7, 7]
    assert np.bincount(data.validation.labels).tolist() == [3, 3, 3, 3]
    rows = {image.tobytes() for image in data.train.images}
    assert not rows & {image.tobytes() for image in data.validation.images}
    again = split_dataset(dataset, seed=3, train_size=40, validation=0.25)
    np.testing.assert_array_equal(data.train.images, again.train.images)
    other = split_dataset(dataset, seed=4, train_size=40, validation=0.25)
    assert not np.array_equal(data.train.images, other.train.images)


def scaled(data):
    """What the model sees of the training images."""
    inputs = keras.Input(data.train.images.shape[1:])
    return with_scaling(keras.Model(inputs, inputs), data.mean, data.std).predict(
        data.train.images, verbose=0
    )


def test_standardize_gives_zero_mean_and_unit_variance(dataset):
    images = scaled(split_dataset(dataset, seed=0, normalization="standardize"))
    assert images.dtype == np.float32
    np.testing.assert_allclose(images.mean(axis=(0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(images.std(axis=(0, 1, 2)), [1, 1, 0], atol=1e-5)


def test_unit_is_division_by_255(dataset):
    data = split_dataset(dataset, seed=0)
    np.testing.assert_allclose(scaled(data), data.train.images / 255, rtol=1e-6)


def batches(seed, size=30, augmentation=()):
    images = np.arange(100, dtype=np.uint8).reshape(100, 1, 1, 1).repeat(8, 1).repeat(8, 2)
    split = Split(images, np.arange(100))
    return TrainingBatches(split, size, seed, augmentation)


def epoch(source):
    return np.concatenate([source[index][1] for index in range(len(source))])


def test_an_epoch_has_every_image_once_with_its_label():
    source = batches(seed=0)
    assert len(source) == 4
    assert sorted(epoch(source)) == list(range(100))
    images, labels = source[3]
    assert len(labels) == 10
    np.testing.assert_array_equal(images[:, 0, 0, 0], labels)


def test_the_order_depends_on_seed_and_epoch_alone():
    source, again = batches(seed=0), batches(seed=0)
    first = epoch(source)
    again[2]  # Reading batches out of order changes nothing.
    np.testing.assert_array_equal(epoch(again), first)
    source.start_epoch(1)
    assert not np.array_equal(epoch(source), first)
    assert not np.array_equal(epoch(batches(seed=1)), first)


def test_augmentation_changes_images_the_same_way_each_time():
    plain, source = batches(seed=0), batches(seed=0, augmentation=("flip", "crop"))
    images, labels = source[1]
    np.testing.assert_array_equal(labels, plain[1][1])
    assert not np.array_equal(images, plain[1][0])
    np.testing.assert_array_equal(images, source[1][0])


@pytest.mark.parametrize("augmentation", [(), ("flip", "crop")], ids=str)
def test_tensorflow_makes_the_same_batches(augmentation):
    source = batches(seed=3, augmentation=augmentation)
    pipeline = as_tensorflow_dataset(source)
    for number in range(3):
        source.start_epoch(number)
        theirs = list(pipeline.as_numpy_iterator())
        assert len(theirs) == len(source)
        for index, (images, labels) in enumerate(theirs):
            np.testing.assert_array_equal(source[index][0], images)
            np.testing.assert_array_equal(source[index][1], labels)


def test_evaluation_keeps_the_order(dataset):
    source = EvaluationBatches(Split(dataset.x_test, dataset.y_test), 8)
    np.testing.assert_array_equal(epoch(source), dataset.y_test)
    assert [len(source[index][1]) for index in range(len(source))] == [8, 8, 4]
