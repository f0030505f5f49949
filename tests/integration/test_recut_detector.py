"""Integration with a detector re-cut into its modules, which did not move."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from support.painted_frames import experiment, paint

from dxdask.columns import Flag, Reflections, has_flag
from dxdask.integration import IntegrationParameters, integrate
from dxdask.models import Detector
from dxdask.refinement.modules.borders import module_rectangles
from dxdask.refinement.modules.recut import recut
from dxdask.refinement.modules.recut_rows import recut_reflections

SUMS = (
    "intensity_sum", "intensity_sum_variance", "background_mean", "background_sum",
    "n_foreground", "n_background", "n_invalid", "partiality", "z_cal", "lp", "d",
)  # fmt: skip
LOW, HIGH = 120, 160
NO_FIT = IntegrationParameters.model_validate({"profile": {"fitting": False}})


def both_ways(
    parameters: IntegrationParameters,
) -> tuple[Reflections, Reflections, Detector, Detector]:
    """Reflections with a panel that has a masked band, and with the two modules beside it."""
    painted = paint(experiment())
    mask, detector = painted.mask.copy(), painted.experiment.detector
    mask[LOW:HIGH] = False
    new = recut(detector, (module_rectangles(detector[0], mask),))
    assert [p.image_size[1] for p in new.panels] == [LOW, detector[0].image_size[1] - HIGH]
    one = integrate(painted.frames, mask, painted.experiment, None, parameters)
    there = replace(painted.experiment, detector=new)
    other = integrate(painted.frames, mask, there, None, parameters)
    return one.reflections, other.reflections, detector, new


def in_order(one: Reflections, other: Reflections) -> NDArray[np.int64]:
    """Rows of `one` that are those of `other`."""
    keys = [
        {(*h, bool(e)): i for i, (h, e) in enumerate(zip(t["hkl"].tolist(), t["entering"],
         strict=True))} for t in (one, other)
    ]  # fmt: skip
    assert set(keys[1]) <= set(keys[0])
    return np.array([keys[0][k] for k in keys[1]])


@pytest.mark.jit
def test_sums_are_the_same_to_the_last_bit() -> None:
    one, other, old, new = both_ways(NO_FIT)
    order = in_order(one, other)
    was = {name: values[order] for name, values in one.items()}
    # those in the gap alone are not predicted any more, and none of them had an intensity
    gone = np.setdiff1d(np.arange(len(one["hkl"])), order)
    assert len(gone)
    assert not has_flag({"flags": one["flags"][gone]}, Flag.INTEGRATED_SUM).any()
    whole = recut_reflections(other, new, old)
    box = was["bbox"]
    inside = (box[:, 3] <= LOW) | (box[:, 2] >= HIGH)
    assert inside.mean() > 0.8
    for name in SUMS:
        np.testing.assert_array_equal(other[name][inside], was[name][inside], err_msg=name)
    np.testing.assert_array_equal(other["flags"][inside], was["flags"][inside])
    np.testing.assert_array_equal(whole["bbox"][inside], was["bbox"][inside])
    for name in ("x_cal", "y_cal", "x", "y"):
        np.testing.assert_allclose(whole[name], was[name], atol=1e-8, err_msg=name)
    # nearer to the gap the foreground is the same, and what is masked is off the panel now
    both = has_flag(other, Flag.INTEGRATED_SUM) & has_flag(was, Flag.INTEGRATED_SUM)
    np.testing.assert_array_equal(other["n_foreground"][both], was["n_foreground"][both])


@pytest.mark.jit
def test_fitted_intensities_agree() -> None:
    # profiles are those of regions, which are others
    one, other, _, _ = both_ways(IntegrationParameters())
    was = {name: values[in_order(one, other)] for name, values in one.items()}
    both = has_flag(other, Flag.INTEGRATED_PRF) & has_flag(was, Flag.INTEGRATED_PRF)
    sigma = np.sqrt(was["intensity_prf_variance"][both])
    off = (other["intensity_prf"] - was["intensity_prf"])[both] / sigma
    assert np.quantile(np.abs(off), 0.95) < 0.5
    assert abs(np.mean(off)) < 0.05
