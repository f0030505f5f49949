"""Pixels listed spot by spot, against NumPy; spots that go on in the next list."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dxdask.spotfinding.adjacency import adjacent_labels
from dxdask.spotfinding.extract import Pixels
from dxdask.spotfinding.spot_lists import divide, take_spots


def pixels_of(rng: np.random.Generator, n: int) -> Pixels:
    panel, x, y, z = (rng.integers(0, k, n).astype(np.int32) for k in (2, 6, 6, 3))
    order = np.lexsort((x, y, panel, z))
    columns = (c[order] for c in (panel, x, y, z))
    return Pixels(*columns, rng.random(n))


def rows(p: Pixels) -> list[tuple[float, ...]]:
    return list(zip(*(c.tolist() for c in p), strict=True))


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(0, 60), ends=st.booleans())
def test_spots_are_divided_as_numpy_would(seed: int, n: int, ends: bool) -> None:
    rng = np.random.default_rng(seed)
    pixels, label = pixels_of(rng, n), rng.integers(0, 12, n)
    smallest, largest = sorted(rng.integers(1, 9, 2).tolist())
    at = (0, 2) if ends else None
    got = divide(pixels, label, 12, limits=(smallest, largest), ends=at)
    spots = [np.flatnonzero(label == s) for s in range(12)]
    touches = [ends and bool(np.isin(pixels.z[s], (0, 2)).any()) for s in spots]
    complete = [s for s, t in zip(spots, touches, strict=True) if not t]
    kept = [s for s in complete if smallest <= s.size <= largest]
    everything = rows(pixels)
    assert rows(got.closed) == [everything[i] for s in kept for i in s]
    assert np.diff(got.offsets).tolist() == [s.size for s in kept]
    small = sum(s.size < smallest for s in complete)
    assert got.sizes == (len(complete), small, len(complete) - small - len(kept))
    remain = [i for i in range(n) if touches[label[i]]]
    assert rows(got.open) == [everything[i] for i in remain]
    number = np.cumsum(touches) - 1
    assert got.label.tolist() == [int(number[label[i]]) for i in remain]


@given(seed=st.integers(0, 2**32 - 1))
def test_spots_are_selected_in_the_order_given(seed: int) -> None:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 5, 7)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    pixels = pixels_of(rng, int(offsets[-1]))
    which = rng.permutation(7)[: seed % 8]
    taken, new = take_spots(pixels, offsets, which)
    everything = rows(pixels)
    assert rows(taken) == [everything[i] for s in which for i in range(*offsets[s : s + 2])]
    assert np.diff(new).tolist() == lengths[which].tolist()


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(0, 40))
def test_faces_are_pixels_at_the_same_place(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    sides = []
    for z in (4, 5):
        place = np.unique(rng.integers(0, 50, n))
        panel, y, x = (c.astype(np.int32) for c in np.unravel_index(place, (2, 5, 5)))
        sides.append(Pixels(panel, x, y, np.full(place.size, z, np.int32), np.ones(place.size)))
    labels = [rng.integers(0, 9, len(p.x)) for p in sides]
    pairs = adjacent_labels(sides[0], labels[0], sides[1], labels[1])
    places = [list(zip(p.panel.tolist(), p.y.tolist(), p.x.tolist(), strict=True)) for p in sides]
    expected = [
        (int(labels[0][i]), int(labels[1][places[1].index(at)]))
        for i, at in enumerate(places[0])
        if at in places[1]
    ]
    assert [tuple(p) for p in pairs.tolist()] == expected
