"""Centres and widths of spots, and profiles fitted there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.painted_frames import SIGMA_M, experiment, paint

from dxdask.columns import Flag, has_flag
from dxdask.integration import IntegrationParameters, integrate
from dxdask.integration.local_profile import local_profiles
from dxdask.integration.rotation_spread import RotationSpread
from dxdask.models import ExperimentList

PARAMETERS = IntegrationParameters()
SHIFT = np.array([0.4, -0.3, 0.2])  # px, px, images


@pytest.fixture(scope="module")
def painted():
    return paint(
        experiment(cell=(40.0, 45.0, 50.0, 85.0, 95.0, 100.0), n_images=20),
        mean=2000.0,
        background=0.5,
    )


def spots_of(painted, *, threshold=3):
    """Spots with the pixels above a threshold; their predictions are off by - SHIFT."""
    p, first = painted.predicted, painted.experiment.scan.array_range[0]
    full = np.flatnonzero((p["partiality"] > 0.9999) & (painted.intensity > 200))
    near = [i for i in full if 7 < p["x_cal"][i] < 290 and 7 < p["y_cal"][i] < 270]
    pixels = {n: [] for n in ("pixel_x", "pixel_y", "pixel_z", "pixel_value")}
    offsets, centres = [0], []
    for i in near:
        x, y = int(p["x_cal"][i]), int(p["y_cal"][i])
        z0, z1 = p["bbox"][i, 4] - first, p["bbox"][i, 5] - first
        box = painted.frames[z0:z1, y - 4 : y + 5, x - 4 : x + 5].astype(np.int32)
        z, yy, xx = np.nonzero(box > threshold)
        found = (xx + x - 4, yy + y - 4, z + z0 + first, box[z, yy, xx])
        for name, values in zip(pixels, found, strict=True):
            pixels[name].append(values)
        weights = found[3] / max(found[3].sum(), 1)
        centres.append([weights @ (v + 0.5) for v in found[:3]])
        offsets.append(offsets[-1] + len(z))
    arrays = {n: np.concatenate(v) for n, v in pixels.items()}
    arrays["pixel_offsets"] = np.array(offsets)
    table = {n: p[n][near] for n in ("experiment", "panel")}
    table["flags"] = np.full(len(near), Flag.INDEXED, dtype=np.uint32)
    scan, panel = painted.experiment.scan, painted.experiment.detector[0]
    at = np.stack([p[f"{n}_cal"][near] for n in "xyz"], axis=1) - SHIFT
    mm = panel.pixel_to_mm(at[:, :2])
    table |= {"x_cal_mm": mm[:, 0], "y_cal_mm": mm[:, 1]}
    table["phi_cal_rad"] = scan.phi_from_z(at[:, 2])
    for k, n in enumerate("xyz"):
        table |= {f"{n}_cal": at[:, k], n: np.array(centres)[:, k]}
        table[f"{n}_variance"] = np.full(len(near), 0.01)
    return table, arrays


@pytest.fixture(scope="module")
def found(painted):
    table, arrays = spots_of(painted)
    e = ExperimentList.of([painted.experiment])
    return local_profiles(table, arrays, e, PARAMETERS.profile)[0]


def test_shifts_are_found(found):
    for mean, true, room in zip((found.x, found.y, found.z), SHIFT, (0.05, 0.05, 0.1), strict=True):
        np.testing.assert_allclose(np.median(mean.values), true, atol=room)
        np.testing.assert_allclose(mean.values, true, atol=0.25)


def test_widths_are_found_although_the_tails_are_cut_off(found):
    true = (np.deg2rad(0.08) * 42.5 / 0.1) ** 2 + 1 / 12
    for log in (found.log_xx, found.log_yy):
        # widened on purpose by 1.4
        np.testing.assert_allclose(np.exp(np.median(log.values)), 1.4 * true, rtol=0.2)


def test_the_width_along_the_rotation_is_about_the_shifted_centres(painted, found):
    np.testing.assert_allclose(found.spread.sigma_m, SIGMA_M, rtol=0.1)
    table, arrays = spots_of(painted)
    given = IntegrationParameters.model_validate({"profile": {"sigma_m": 0.2}})
    e = ExperimentList.of([painted.experiment])
    same = local_profiles(table, arrays, e, given.profile)[0]
    assert same.spread == RotationSpread(np.deg2rad(0.2), 0.0)


@pytest.mark.jit
def test_profiles_that_follow_spots_are_better(painted, found):
    """Reflections predicted off their places are fitted as well as those predicted right."""
    scan = painted.experiment.scan
    p = dict(painted.predicted)
    for k, n in enumerate("xyz"):
        p[f"{n}_cal"] = p[f"{n}_cal"] - SHIFT[k]
    p["phi_cal_rad"] = scan.phi_from_z(p["z_cal"])
    errors = []
    for local in (None, found):
        r = integrate(painted.frames, painted.mask, painted.experiment, p, local=local).reflections
        rows = has_flag(r, Flag.INTEGRATED_PRF) & has_flag(r, Flag.INTEGRATED_SUM)
        rows &= ~has_flag(r, Flag.OVERLAPPED_FG) & (r["partiality"] > 0.9999)
        ratio = r["intensity_prf"][rows] / r["intensity_sum"][rows]
        errors.append(np.std(ratio[painted.intensity[rows] > 500]))
    assert errors[1] < 0.6 * errors[0]
    assert errors[1] < 0.08


def test_too_few_spots_tell_nothing(painted):
    table, arrays = spots_of(painted)
    e = ExperimentList.of([painted.experiment])
    many = IntegrationParameters.model_validate({"profile": {"min_spots": 10**6}})
    assert local_profiles(table, arrays, e, many.profile) == (None,)
    lost = table | {"flags": np.zeros_like(table["flags"])}
    assert local_profiles(lost, arrays, e, PARAMETERS.profile) == (None,)
    far = table | {"x": table["x"] + 50.0}
    assert local_profiles(far, arrays, e, PARAMETERS.profile) == (None,)


def test_each_run_has_its_own(painted):
    table, arrays = spots_of(painted)
    other = replace(painted.experiment, run="other", identifier="other")
    e = ExperimentList.of([other, painted.experiment])
    second = table | {"experiment": np.ones_like(table["experiment"])}
    none, own = local_profiles(second, arrays, e, PARAMETERS.profile)
    assert none is None
    assert own is not None
