"""Labels of strong pixels: SciPy's up to their numbers, and the same however frames are cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from dxdask.spotfinding.label import combine_labels, label_pixels


def labels_of(strong: NDArray[np.bool_], two_d: bool) -> tuple[NDArray[np.int64], int]:
    z, y, x = (i.astype(np.int32) for i in np.nonzero(strong))
    width = np.full(z.size, strong.shape[2], np.int32)
    offsets = np.searchsorted(z, np.arange(len(strong) + 1)).astype(np.int64)
    return label_pixels(y.astype(np.int64) * width + x, x, y, width, offsets, two_d=two_d)


@pytest.mark.parametrize("two_d", [False, True])
@given(seed=st.integers(0, 2**32 - 1), density=st.floats(0.02, 0.7))
def test_labels_are_those_of_scipy(two_d: bool, seed: int, density: float) -> None:
    rng = np.random.default_rng(seed)
    strong = rng.random(rng.integers(1, 9, 3)) < density
    label, n = labels_of(strong, two_d)
    structure = ndimage.generate_binary_structure(3, 1)
    if two_d:
        structure[[0, 2]] = False
    expected, n_expected = ndimage.label(strong, structure)
    assert n == n_expected
    # SciPy numbers from 1 in no promised order; ours are in the order of first pixels
    pairs = np.unique(np.stack([label, expected[strong]]), axis=1)
    assert pairs.shape[1] == n
    firsts = [np.flatnonzero(label == i)[0] for i in range(n)]
    assert firsts == sorted(firsts)


def test_a_spot_that_forks_and_joins_is_one() -> None:
    strong = np.zeros((3, 5, 5), bool)
    strong[0, 2, 1] = strong[1, 2, 1] = strong[0, 2, 3] = strong[1, 2, 3] = True
    assert labels_of(strong, False)[1] == 2
    strong[2, 2, 1:4] = True
    assert labels_of(strong, False)[1] == 1
    assert labels_of(strong, True)[1] == 5


def test_pairs_chain() -> None:
    label, n = combine_labels(6, np.array([[4, 5], [1, 4], [3, 1]]))
    assert n == 3
    assert label.tolist() == [0, 1, 2, 1, 1, 1]
    assert combine_labels(0, np.empty((0, 2), np.int64))[1] == 0
