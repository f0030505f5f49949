"""The sums a pixel: those of plain NumPy, however the images are cut and put together."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import plain_dispersion as plain
from support.detector_examples import bad_detector
from support.thresholded import dispersion_extended

from dxdask.analysis.bad_pixels import EvidenceOfRun, RunEvidence, combine_evidence
from dxdask.analysis.parameters import BadPixelParameters
from dxdask.analysis.pixel_evidence import NEVER, VARIES, PanelEvidence, combine_panel_evidence

pytestmark = pytest.mark.jit

EXAMPLE = bad_detector(n=12)
FRAMES, MASK = EXAMPLE.frames, EXAMPLE.mask


def evidence(first: int, stop: int, dtype: type = np.int32) -> RunEvidence:
    frames = FRAMES[first:stop].astype(dtype)
    adder = EvidenceOfRun(
        EXAMPLE.experiment, MASK, BadPixelParameters(), frames.dtype, stop - first
    )
    adder.add(frames, first, range(len(FRAMES)))
    return adder.result()


def assert_equal(found: RunEvidence, expected: RunEvidence) -> None:
    assert found.n_images == expected.n_images
    for a, b in zip(found.panels, expected.panels, strict=True):
        assert a.n_images == b.n_images
        assert a.parts == b.parts
        for mine, others in zip(a[1:4], b[1:4], strict=True):
            assert mine.dtype == others.dtype
            np.testing.assert_array_equal(mine, others)


WHOLE = evidence(0, len(FRAMES))


def test_sums_are_those_of_plain_numpy() -> None:
    (panel,) = WHOLE.panels
    usable = MASK & (FRAMES < 65535)
    np.testing.assert_array_equal(panel.n_used, usable.sum(axis=0))
    np.testing.assert_array_equal(panel.total, np.where(usable, FRAMES, 0).sum(axis=0))
    np.testing.assert_array_equal(panel.n_high, plain.brighter_than_neighbours(FRAMES, usable))
    strong = [dispersion_extended(f, MASK, trusted_range=(-1, 65535)) for f in FRAMES]
    np.testing.assert_array_equal(panel.n_strong, np.sum(strong, axis=0))
    one = (FRAMES[:1] == FRAMES).all(axis=0)
    expected = np.where(usable.any(axis=0), np.where(one, FRAMES[0], VARIES), NEVER)
    np.testing.assert_array_equal(panel.constant, expected)


@settings(max_examples=15)
@given(cuts=st.sets(st.integers(1, 11)), order=st.randoms(use_true_random=False))
def test_parts_combine_to_the_whole_in_any_order(cuts: set[int], order: object) -> None:
    bounds = [0, *sorted(cuts), 12]
    parts = [evidence(a, b) for a, b in pairwise(bounds)]
    order.shuffle(parts)  # type: ignore[attr-defined]
    middle = len(parts) // 2
    assert_equal(combine_evidence(parts), WHOLE)
    nested = [combine_evidence(p) for p in (parts[:middle], parts[middle:]) if p]
    assert_equal(combine_evidence(nested), WHOLE)


@pytest.mark.parametrize("dtype", [np.uint32, pytest.param(np.int64, marks=pytest.mark.slow)])
def test_the_kind_of_integer_does_not_matter(dtype: type) -> None:
    assert_equal(evidence(0, 12, dtype), WHOLE)


def test_counts_grow_wider_with_the_number_of_images() -> None:
    (panel,) = WHOLE.panels
    assert panel.counts.dtype == np.uint16
    many = PanelEvidence(40000, np.full((3, 1, 1), 40000, np.uint16), *_zeros())
    both = combine_panel_evidence([many, many])
    assert both.counts.dtype == np.uint32
    assert (both.counts == 80000).all()


def _zeros() -> tuple[np.ndarray, np.ndarray]:
    return np.zeros((1, 1), np.int64), np.zeros((1, 1), np.int32)
