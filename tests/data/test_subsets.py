"""Class-balanced subsets and stratified splits, for labels of every kind."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from involbench.data.dataset import balanced_subset, stratified_split
from involbench.errors import DataError

LABELS = st.lists(st.integers(0, 5), min_size=1, max_size=80).map(np.array)
SEEDS = st.integers(0, 2**32)


@given(LABELS, SEEDS, st.data())
def test_subsets_are_balanced_sorted_and_nested(
    labels: np.ndarray, seed: int, data: st.DataObject
) -> None:
    large = data.draw(st.integers(1, len(labels)))
    small = data.draw(st.integers(1, large))
    taken = balanced_subset(labels, large, seed)
    assert len(taken) == large and (np.diff(taken) > 0).all()
    assert set(balanced_subset(labels, small, seed)) <= set(taken)
    everything = np.bincount(labels, minlength=6)
    counts = np.bincount(labels[taken], minlength=6)
    # Whoever has fewer than the most, less one, was taken whole.
    assert ((counts >= counts.max() - 1) | (counts == everything)).all()


@given(LABELS, SEEDS, st.floats(0.01, 0.99))
def test_splits_are_stratified(labels: np.ndarray, seed: int, fraction: float) -> None:
    totals = np.bincount(labels)
    if totals.max() < 2:
        with pytest.raises(DataError, match="no image can be held out"):
            stratified_split(labels, fraction, seed)
        return
    keep, held_out = stratified_split(labels, fraction, seed)
    assert sorted([*keep, *held_out]) == list(range(len(labels)))
    assert (np.diff(keep) > 0).all() and (np.diff(held_out) > 0).all()
    held = np.bincount(labels[held_out], minlength=len(totals))
    assert (held[totals >= 2] >= 1).all() and (held[totals < 2] == 0).all()
    assert (held[totals > 0] < totals[totals > 0]).all()
    assert (np.abs(held - totals * fraction) <= 1).all()


def test_the_seed_decides() -> None:
    labels = np.repeat(np.arange(10), 50)
    first = balanced_subset(labels, 105, 0)
    assert (first == balanced_subset(labels, 105, 0)).all()
    assert (first != balanced_subset(labels, 105, 1)).any()
    favoured = {
        tuple(np.flatnonzero(np.bincount(labels[balanced_subset(labels, 105, seed)]) == 11))
        for seed in range(5)
    }
    assert len(favoured) > 1
    splits = [stratified_split(labels, 0.2, seed)[1] for seed in (0, 0, 1)]
    assert (splits[0] == splits[1]).all() and (splits[0] != splits[2]).any()


@pytest.mark.parametrize("size", [0, -1, 7])
def test_a_size_beyond_the_data(size: int) -> None:
    with pytest.raises(DataError, match=r"the training data has 6; .* between 1 and 6"):
        balanced_subset(np.repeat([0, 1], 3), size, 0)


@pytest.mark.parametrize("fraction", [0, 1, -0.5, float("nan")])
def test_a_fraction_out_of_range(fraction: float) -> None:
    with pytest.raises(DataError, match="between 0 and 1"):
        stratified_split([0, 0, 1, 1], fraction, 0)
