"""Integration of frames whose intensities are known, of images that are not evenly spaced."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.painted_frames import Painted, experiment, paint

from dxdask.columns import Flag, has_flag
from dxdask.integration import integrate
from dxdask.integration.parameters import ProfileParameters
from dxdask.integration.rotation_spread import rotation_spread
from dxdask.models import Experiment, Scan

pytestmark = pytest.mark.jit


def uneven(width: float = 0.2) -> Experiment:
    """Return a sweep of images of a fifth to twice the usual width."""
    e = experiment(width=width)
    assert e.scan is not None
    n, (start, _) = e.scan.n_images, e.scan.oscillation
    steps = np.random.default_rng(2).uniform(0.2, 2.0, n)
    angles = start + width * np.concatenate([[0.0], np.cumsum(steps)])
    scan = Scan(
        image_range=e.scan.image_range, oscillation=(start, width), angles=tuple(angles.tolist())
    )
    return replace(e, scan=scan)


@pytest.fixture(scope="module")
def painted() -> Painted:
    return paint(uneven())


def test_sums_are_unbiased_and_their_variances_right(painted: Painted) -> None:
    r = integrate(painted.frames, painted.mask, painted.experiment, painted.predicted).reflections
    rows = has_flag(r, Flag.INTEGRATED_SUM) & ~has_flag(r, Flag.OVERLAPPED_FG)
    rows &= r["partiality"] > 0.9999
    assert rows.sum() > 100
    z = (r["intensity_sum"] - painted.intensity)[rows] / np.sqrt(r["intensity_sum_variance"][rows])
    assert abs(z.mean()) < 4 / np.sqrt(rows.sum())
    assert 0.85 < np.sqrt(np.mean(z**2)) < 1.15
    fitted = rows & has_flag(r, Flag.INTEGRATED_PRF)
    assert fitted.sum() > 0.8 * rows.sum()
    z = (r["intensity_prf"] - painted.intensity)[fitted]
    z /= np.sqrt(r["intensity_prf_variance"][fitted])
    assert abs(z.mean()) < 0.2
    assert 0.8 < np.sqrt(np.mean(z**2)) < 1.2


@pytest.mark.parametrize("width", [0.2, -0.2])
def test_the_width_along_the_rotation_is_that_of_the_spots(width: float) -> None:
    """Counts of spots of a known width on uneven images give it, and ends of even ones too."""
    e, sigma, rng = uneven(width), np.deg2rad(0.15), np.random.default_rng(3)
    assert e.scan is not None
    assert e.goniometer is not None
    for scan in (e.scan, replace(e.scan, angles=())):
        borders, n = scan.borders_rad, 400
        s1 = np.tile([0.0, np.sin(0.4), np.cos(0.4)], (n, 1)) * [1, 1, -1]
        e1 = np.cross(s1, e.beam.s0)
        zeta = abs(float(e1[0] @ e.goniometer.rotation_axis / np.linalg.norm(e1[0])))
        low, high = sorted(scan.phi_range_rad)
        phi = rng.uniform(low + 4 * sigma, high - 4 * sigma, n)
        counts = rng.normal(phi[:, None], sigma / max(zeta, 0.2), (n, 200))
        image = np.floor(scan.z_from_phi(counts)).astype(np.int64)
        inside = (image >= scan.array_range[0]) & (image < scan.array_range[1])
        owner = np.repeat(np.arange(n), 200)[inside.ravel()]
        pixels = {
            "owner": owner,
            "pixel_z": image.ravel()[inside.ravel()].astype(np.int32),
            "pixel_value": np.ones(len(owner), np.int32),
        }
        given = ProfileParameters(rlp_radius=0.0)
        found = rotation_spread(s1, phi, pixels, replace(e, scan=scan), given)
        assert len(borders) == scan.n_images + 1
        assert found.sigma_m == pytest.approx(sigma, rel=0.05)
