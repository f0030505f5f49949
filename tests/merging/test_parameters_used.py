"""Each parameter of merging changes what it says, on data with a known answer."""

from __future__ import annotations

import numpy as np
import pytest
from support.made_up import MadeUp, made_up

from dxdask.columns import Flag
from dxdask.merging import MergingParameters, merge
from dxdask.merging.limits import LEAST
from dxdask.results import StepResult
from dxdask.scaling import scale

pytestmark = pytest.mark.jit


@pytest.fixture(scope="module")
def fading() -> MadeUp:
    """Return scaled data that fade into noise before their limit of resolution."""
    data = made_up(share=0.3, strength=20.0, d_min=2.2, background=50.0)
    data.reflections = scale(data.reflections, data.experiments).reflections
    return data


def merged(data: MadeUp, **given: object) -> StepResult:
    return merge(data.reflections, data.experiments, MergingParameters.model_validate(given))


def limit(data: MadeUp, **resolution: object) -> dict[str, float]:
    row: dict[str, float] = merged(data, resolution=resolution).table("resolution_limits").rows[0]
    return row


def test_limits_follow_the_levels_asked_for(fading: MadeUp) -> None:
    by_cc = [limit(fading, cc_half=level) for level in (0.2, 0.3, 0.8)]
    limits = [row["d_cc_half"] for row in by_cc]
    assert limits == sorted(limits)
    assert limits[2] > limits[0] + 0.2
    assert len({row["d_misigma"] for row in by_cc}) == 1
    by_ratio = [limit(fading, misigma=level) for level in (0.7, 1.0, 2.0)]
    limits = [row["d_misigma"] for row in by_ratio]
    assert limits == sorted(limits)
    assert limits[2] > limits[0] + 0.2
    assert len({row["d_cc_half"] for row in by_ratio}) == 1


def test_limits_are_of_as_many_bins_as_asked_for(fading: MadeUp) -> None:
    """In few wide bins the curve is coarser, and its limit another within the width of a bin."""
    coarse, fine = (limit(fading, bins=n)["d_misigma"] for n in (5, 40))
    assert coarse != fine
    n = len(merged(fading).reflections["d"])
    assert n // LEAST >= 40
    assert coarse == pytest.approx(fine, abs=0.3)


def test_the_number_of_shells(fading: MadeUp) -> None:
    for n in (1, 7, 20):
        result = merged(fading, merging={"nbins": n})
        for name, more in (("shells", 0), ("half_sets", 1)):
            assert len(result.table(name).rows) == n + more
        shells, [overall] = result.table("shells").rows, result.table("overall").rows
        assert sum(row["n_obs"] for row in shells) == overall["n_obs"]
        volumes = [r["d_min"] ** -3 - r["d_max"] ** -3 for r in shells]
        np.testing.assert_allclose(volumes, volumes[0], rtol=1e-6)


def test_limits_of_resolution_leave_out_what_is_beyond(fading: MadeUp) -> None:
    d = merged(fading, d_min=3.0, d_max=8.0).reflections["d"]
    assert 3.0 <= d.min() < 3.05
    assert 7.5 < d.max() <= 8.0
    every = merged(fading).reflections["d"]
    assert len(d) == ((every >= 3.0) & (every <= 8.0)).sum()


def test_the_least_partiality(fading: MadeUp) -> None:
    part = np.random.default_rng(0).uniform(0.0, 1.0, len(fading.true))
    data = MadeUp(
        reflections=dict(fading.reflections) | {"partiality": part},
        experiments=fading.experiments,
        true=fading.true,
        scale=fading.scale,
    )
    flags = fading.reflections["flags"]
    good = ((flags & Flag.SCALED) > 0) & (fading.reflections["intensity_variance"] > 0)
    for least in (0.2, 0.4, 0.9):
        [row] = merged(data, partiality_threshold=least).table("overall").rows
        assert row["n_obs"] == (good & (part >= least)).sum()
    assert merged(data).table("overall").rows[0]["n_obs"] == (good & (part >= 0.4)).sum()
