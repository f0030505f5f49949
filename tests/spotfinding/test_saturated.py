"""Saturated pixels of spots are known, though the threshold does not use them."""

from __future__ import annotations

import numpy as np
import pytest

from dxdask.analysis import histogram
from dxdask.columns import Flag
from dxdask.models import Beam, Detector, Experiment, Panel
from dxdask.spotfinding import SpotfinderParameters, find_spots
from dxdask.spotfinding.saturated import saturated_pixels


def test_saturated_pixels() -> None:
    counts = np.zeros((20, 30), np.uint16)
    counts[5, 5:8] = 900
    counts[0, 0] = counts[19, 29] = 1000
    mask = np.ones(counts.shape, np.bool_)
    mask[5, 6] = False
    found = saturated_pixels(counts, mask, 900.0)
    pairs = list(zip(*(v.tolist() for v in found), strict=True))
    assert pairs == [(0, 0), (5, 5), (7, 5), (29, 19)]
    for least in (1001.0, np.inf):
        assert saturated_pixels(counts, mask, least)[0].size == 0
    # a gap that is not masked is no spot
    full = np.full((40, 40), 65535, np.uint16)
    assert saturated_pixels(full, np.ones(full.shape, np.bool_), 900.0)[0].size == 0


@pytest.mark.parametrize(("gain", "pedestal"), [(1.0, 0.0), (4.0, 100.0)])
def test_the_pile_up_is_in_the_histogram(gain: float, pedestal: float) -> None:
    """Two spots with a full core; one of them is indexed."""
    photons = np.random.default_rng(1).poisson(2.0, (3, 60, 60)).astype(np.float64)
    y, x = np.mgrid[:60, :60]
    for centre in (15, 40):
        photons[1] += np.rint(1500.0 * np.exp(-0.5 * ((x - centre) ** 2 + (y - 30) ** 2)))
    photons = np.minimum(photons, 1000.0)
    n_full = int((photons == 1000.0).sum())
    assert n_full == 2
    panel = Panel(
        image_size=(60, 60),
        gain=gain,
        pedestal=pedestal,
        trusted_range=(pedestal - gain, 1000.0 * gain + pedestal),
    )
    experiment = Experiment(
        identifier="a", run="run", beam=Beam(), detector=Detector(panels=(panel,))
    )
    counts = (photons * gain + pedestal).astype(np.uint16)
    parameters = SpotfinderParameters.model_validate({"threshold": {"algorithm": "dispersion"}})
    result = find_spots(counts, experiment, None, parameters)
    assert len(result.reflections["x"]) == 2
    assert result.arrays["saturated_value"].tolist() == [1000.0] * n_full
    assert result.arrays["saturated_z"].tolist() == [1] * n_full
    spots = result.reflections
    spots["flags"][np.argmin(spots["x"])] |= np.uint32(Flag.INDEXED)
    found = histogram(spots, result.arrays, result.experiments)
    (row,) = found.table("runs").rows
    assert row["n_saturated"] == n_full // 2
    assert row["max"] == 1000
    assert found.arrays["histogram"][0, 1000] == n_full // 2
