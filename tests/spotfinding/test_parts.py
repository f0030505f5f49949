"""Spots of random volumes cut at random places are the components that SciPy finds in the whole."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage
from support.spot_examples import experiment_for

from dxdask.spotfinding import SpotfinderParameters, panel_pixels
from dxdask.spotfinding.extract import FramePiece
from dxdask.spotfinding.parts import SpotPart, close_part, combine_parts, spots_of_block

PARAMETERS = SpotfinderParameters.model_validate(
    {"filter": {"min_spot_size": 2, "max_spot_size": 50, "max_strong_pixel_fraction": 1.0}}
)


class Positive:
    def list_strong(
        self, image: NDArray[Any], mask: Any, trusted_range: Any = None
    ) -> NDArray[np.int32]:
        return np.flatnonzero(image > 0).astype(np.int32)


def fold(parts: list[SpotPart], fan_in: int) -> SpotPart:
    while len(parts) > 1:
        parts = [combine_parts(parts[i : i + fan_in]) for i in range(0, len(parts), fan_in)]
    return close_part(parts[0])


@pytest.mark.parametrize("two_d", [False, True])
@given(
    seed=st.integers(0, 2**32 - 1),
    density=st.floats(0.02, 0.6),
    cuts=st.sets(st.integers(1, 8)),
    fan_in=st.integers(2, 4),
)
def test_spots_are_the_components_of_scipy(
    two_d: bool, seed: int, density: float, cuts: set[int], fan_in: int
) -> None:
    rng = np.random.default_rng(seed)
    frames = np.where(rng.random((9, 7, 8)) < density, rng.integers(1, 9, (9, 7, 8)), 0)
    experiment = experiment_for(frames, width=0.0 if two_d else 0.1)
    masks = (np.ones((7, 8), bool),)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(panel_pixels, "threshold_of", lambda *_, **__: Positive())
        parts = [
            spots_of_block(
                [FramePiece(i, frames[i : i + 1]) for i in range(a, b)],
                experiment, masks, PARAMETERS, first_z=a, n_frames=b - a,
            )
            for a, b in pairwise([0, *sorted(cuts), 9])
        ]  # fmt: skip
    whole = fold(parts, fan_in)
    structure = ndimage.generate_binary_structure(3, 1)
    if two_d:
        structure[[0, 2]] = False
    label, n = ndimage.label(frames > 0, structure)
    sizes = np.bincount(label.ravel(), minlength=n + 1)[1:]
    small, large = int((sizes < 2).sum()), int((sizes > 50).sum())
    assert whole.sizes == (n, small, large)
    p = whole.closed
    found = [
        frozenset(zip(p.z[a:b].tolist(), p.y[a:b].tolist(), p.x[a:b].tolist(), strict=True))
        for a, b in pairwise(whole.offsets.tolist())
    ]
    expected = [
        frozenset(map(tuple, np.argwhere(label == i + 1).tolist()))
        for i in np.flatnonzero((sizes >= 2) & (sizes <= 50))
    ]
    assert Counter(found) == Counter(expected)
    np.testing.assert_array_equal(p.value, frames[p.z, p.y, p.x])
    assert not whole.open.x.size
