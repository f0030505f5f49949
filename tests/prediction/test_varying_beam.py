"""Reflections under a beam that varies along the scan."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.drifting_sweeps import drifting, sweep, with_drifting_beam

from dxdask.errors import InputError
from dxdask.models import Experiment, ExperimentList
from dxdask.models.rotations import rotation_matrices
from dxdask.models.vectors import unit
from dxdask.prediction import predict_all
from dxdask.refinement.geometry import settings_at

pytestmark = pytest.mark.jit


def rays_of(e: Experiment, found: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return s0 and s1 = s0 + R S F A h (n, 3) at the angles that were found."""
    z = found["z_cal"]
    s0 = e.beam.s0_at(z - e.scan.array_range[0])
    a = settings_at(ExperimentList.of([e]), np.zeros(len(z), dtype=np.int64), z)
    turn = rotation_matrices(found["phi_cal_rad"][:, None] * unit(e.goniometer.rotation_axis))
    r = np.einsum("nij,njk,nk->ni", turn, a, found["hkl"].astype(np.float64))
    return s0, s0 + r


@pytest.mark.parametrize("crystal_drifts", [False, True])
def test_every_reflection_is_on_the_sphere_of_the_beam_there(crystal_drifts: bool) -> None:
    e = with_drifting_beam(drifting(sweep()) if crystal_drifts else sweep())
    found = predict_all(e, d_min=4.0, padding=0.0)
    s0, s1 = rays_of(e, found)
    lengths = np.linalg.norm(s0, axis=1)
    # within an image, 1 degree here, beams and the crystals that stand for them are linear
    np.testing.assert_allclose(np.linalg.norm(s1, axis=1) / lengths, 1.0, rtol=0, atol=2e-8)
    np.testing.assert_allclose(found["s1"], s1, rtol=0, atol=1e-7)


def test_none_is_missing() -> None:
    e = with_drifting_beam(sweep())
    varying, still = predict_all(e, d_min=4.0), predict_all(e, d_min=4.0, force_static=True)
    one, other = ({(*h, bool(i)) for h, i in zip(t["hkl"].tolist(), t["entering"], strict=True)}
                  for t in (varying, still))  # fmt: skip
    # those at the ends of the scan and at the border of the detector differ
    assert len(one ^ other) < 0.005 * len(other)
    assert len(one) > 10_000


def test_a_beam_with_equal_points_is_the_static_one() -> None:
    e = sweep()
    points = (tuple(e.beam.s0.tolist()),) * (e.scan.n_images + 1)
    same = replace(e, beam=replace(e.beam, s0_at_scan_points=points))
    a, b = predict_all(e, d_min=5.0), predict_all(same, d_min=5.0)
    np.testing.assert_array_equal(a["hkl"], b["hkl"])
    for name in ("x_cal", "y_cal", "z_cal", "s1", "zeta"):
        np.testing.assert_allclose(a[name], b[name], rtol=0, atol=1e-9)


def test_a_beam_of_another_scan_is_refused() -> None:
    e = with_drifting_beam(sweep())
    short = replace(e.beam, s0_at_scan_points=e.beam.s0_at_scan_points[:-3])
    with pytest.raises(InputError, match="the beam has 118 scan points, the scan has 120 images"):
        predict_all(replace(e, beam=short))
