"""Size of blocks and mosaicity, by spots drawn within a known reach."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from support.made_up_stills import BEAM, CELL, GROUP, shots

from dxdask.models.crystal import b_matrix
from dxdask.refinement.models.crystals import Crystals
from dxdask.refinement.stills.measurements import Measurements, measurements_of
from dxdask.refinement.stills.nave import envelope, nave_parameters

pytestmark = pytest.mark.jit

EVEN = 0.76
"""Position of the soft edge that fits spots that are even up to a sharp edge at 1."""


def _drawn(
    size: float, mosaic: float, band: float, n: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return excitation errors, even within the reach, |q| cos theta and reach by the spectrum."""
    rng = np.random.default_rng(seed)
    q = 0.45 * rng.random(n) ** 0.5 + 0.02
    across = q * np.sqrt(1 - (0.65 * q) ** 2)
    reach = np.sqrt(size**2 + (mosaic * across) ** 2 + (band * q * q) ** 2)
    return reach * rng.uniform(-1, 1, n), across, band * q * q


@pytest.mark.parametrize(("size", "mosaic"), [(8e-4, 0.0), (0.0, 3e-3), (5e-4, 2e-3)])
@pytest.mark.parametrize("band", [0.0, 3e-3])
def test_the_reach_of_even_spots_is_found(size: float, mosaic: float, band: float) -> None:
    found = np.array([envelope(*_drawn(size, mosaic, band, 2000, seed)) for seed in range(4)])
    for value, truth, least in zip(
        np.median(found, axis=0), (size, mosaic), (2e-4, 8e-4), strict=True
    ):
        if truth:
            assert value == pytest.approx(EVEN * truth, rel=0.25)
        else:
            assert value < least


def test_few_spots_give_the_size_on_average() -> None:
    found = np.array([envelope(*_drawn(8e-4, 0.0, 0.0, 60, seed)) for seed in range(60)])
    reach = np.hypot(found[:, 0], found[:, 1] * 0.3)
    assert np.median(reach) == pytest.approx(EVEN * 8e-4, rel=0.1)


def _made() -> tuple[Measurements, Crystals]:
    made = shots(5)
    measured = measurements_of(made.reflections, made.stills)
    return measured, Crystals.alike(made.stills["a_matrix"], CELL, GROUP)


def test_spots_within_a_shell_give_its_thickness() -> None:
    made = shots(5)
    measured = measurements_of(made.reflections, made.stills)
    crystals = Crystals.alike(made.true_u @ b_matrix(CELL), CELL, GROUP)
    found = nave_parameters(measured, crystals, BEAM)
    reach = np.hypot(0.5 / found.domain_size, np.radians(found.half_mosaicity) * 0.16)
    assert np.median(reach) == pytest.approx(EVEN * 3e-4, rel=0.15)


def test_no_still_depends_on_others_and_few_spots_give_nothing() -> None:
    measured, crystals = _made()
    whole = nave_parameters(measured, crystals, BEAM)
    used = np.ones(len(measured.still), np.bool_)
    used[np.flatnonzero(measured.still == 2)[3:]] = False
    part = nave_parameters(measured, crystals, BEAM, used=used)
    assert np.isnan(part.domain_size[2])
    assert np.isnan(part.half_mosaicity[2])
    others = [0, 1, 3, 4]
    np.testing.assert_array_equal(part.domain_size[others], whole.domain_size[others])
    one = nave_parameters(measured.of_stills(np.array([3])), crystals.taken(np.array([3])), BEAM)
    assert one.domain_size[0] == whole.domain_size[3]


def test_the_spectrum_explains_part_of_the_reach() -> None:
    measured, crystals = _made()
    plain = nave_parameters(measured, crystals, BEAM)
    wide = nave_parameters(measured, crystals, BEAM, bandwidth=0.02)
    reach = [
        np.hypot(0.5 / f.domain_size, np.radians(f.half_mosaicity) * 0.16) for f in (plain, wide)
    ]
    assert np.all(reach[1] < reach[0])
