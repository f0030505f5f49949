"""Response of a detector and its fit, on simulated detectors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dxdask.errors import InputError
from dxdask.response import DetectorResponse, fit_response, frame_in_photons


def photons(n: int = 200_000, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).exponential(150.0, n).astype(np.int64)


@pytest.mark.parametrize(
    ("threshold", "factor", "offset"),
    [(30, 1.02, 1.0), (64, 1.05, 0.3), (100, 1.013, 2.0), (30, 1.3, 4.0)],
)
def test_response_is_found(threshold: int, factor: float, offset: float) -> None:
    truth = DetectorResponse(threshold=threshold, factor=factor, offset=offset)
    found = fit_response(np.bincount(truth.counts(photons()))).response
    assert found is not None
    assert found.threshold == threshold
    assert abs(found.factor - factor) < 4 * found.factor_su < 1e-3
    assert abs(found.offset - offset) < 4 * found.offset_su < 0.1


def test_offset_that_is_added_after_rounding() -> None:
    n = photons()
    counts = np.where(n >= 30, np.rint(1.02 * n) + 1, n).astype(np.int64)
    found = fit_response(np.bincount(counts)).response
    assert found is not None
    assert np.array_equal(found.photons(counts), n)


def test_linear_detector_has_none() -> None:
    found = fit_response(np.bincount(photons()))
    assert found.response is None
    assert found.largest > 300
    assert found.reason == "no count is skipped"


def test_offset_alone_has_no_factor() -> None:
    n = photons()
    found = fit_response(np.bincount(np.where(n >= 30, n + 2, n)))
    assert found.response is None
    assert found.skipped.tolist() == [30, 31]
    assert "too few for a factor" in found.reason


def test_random_skips_are_no_response() -> None:
    n = photons()
    found = fit_response(np.bincount(n[~np.isin(n, [30, 47, 53, 120, 121, 160, 211])]))
    assert found.response is None
    assert found.reason.startswith("no one factor skips the counts 30, 47")


@pytest.mark.parametrize("values", [[], [10_000] * 500, [3]])
def test_histograms_without_information(values: list[int]) -> None:
    found = fit_response(np.bincount(np.array(values, np.int64), minlength=12_000))
    assert found.response is None


@given(
    threshold=st.integers(0, 500),
    factor=st.floats(1.0, 2.0),
    offset=st.floats(0.5, 20.0),
    n=st.lists(st.integers(0, 20_000), min_size=1, max_size=50),
)
def test_inverse(threshold: int, factor: float, offset: float, n: list[int]) -> None:
    response = DetectorResponse(threshold=threshold, factor=factor, offset=offset)
    given = np.array(n, np.int64)
    # halves, rounded to the even count, may record two numbers of photons alike
    beside = np.modf(factor * given + offset)[0]
    assume((np.abs(beside - 0.5) > 1e-6).all())
    counts = response.counts(given)
    assert np.array_equal(response.photons(counts), given)
    frame = counts.astype(np.uint16)[None]
    back = frame_in_photons(frame, response)
    assert back.dtype == frame.dtype
    assert np.array_equal(back[0], given)
    assert np.array_equal(frame[0], counts)
    assert DetectorResponse.from_dict(response.to_dict()) == response


@pytest.mark.parametrize(
    "values", [{"factor": 0.0}, {"factor": np.nan}, {"offset": -40.0}, {"threshold": -1}]
)
def test_impossible_response(values: dict[str, float]) -> None:
    good = {"threshold": 30, "factor": 1.02, "offset": 1.0}
    with pytest.raises(InputError, match="a response of threshold"):
        DetectorResponse(**{**good, **values})
