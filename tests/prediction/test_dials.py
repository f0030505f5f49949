"""Predictions beside those of DIALS, reflection by reflection."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.made_up_stills import CELL, panels

from dxdask.models import Beam, Crystal, Experiment, ExperimentList
from dxdask.models.crystal import b_matrix
from dxdask.models.rotations import rotation_matrices
from dxdask.models.vectors import matrix, vector
from dxdask.prediction import predict_all
from dxdask.storage.exporters.dials import write_experiments
from dxdask.storage.importers.dials.files import read_experiments

DIALS_PYTHON = Path("/usr/bin/python3")
pytestmark = [
    pytest.mark.shared,
    pytest.mark.dials,
    pytest.mark.skipif(not DIALS_PYTHON.exists(), reason="needs DIALS"),
]

SCRIPT = """
import sys
import numpy as np
from dials.algorithms.spot_prediction.reflection_predictor import ReflectionPredictor
from dxtbx.model.experiment_list import ExperimentList

models, index, force, d_min, padding, out = sys.argv[1:]
experiment = ExperimentList.from_file(models, check_format=False)[int(index)]
found = ReflectionPredictor(
    experiment, force_static=force == "True", padding=float(padding),
    dmin=None if d_min == "None" else float(d_min),
)()
columns = {n: np.array(found[n]) for n in ("miller_index", "entering", "panel", "s1")}
np.savez(out, xyz=np.array(found["xyzcal.px"]), mm=np.array(found["xyzcal.mm"]), **columns)
"""

CASES = {
    "insulin": ("insulin/integrated.expt", 4, False, None, 0.0),
    "insulin, padding": ("insulin/integrated.expt", 0, False, 2.0, 1.5),
    "lysozyme static": ("lysozyme_ed/integrated.expt", 0, True, None, 0.0),
    "lysozyme varying": ("lysozyme_ed/integrated.expt", 0, False, None, 0.0),
    "lysozyme, 3 A": ("lysozyme_ed/integrated.expt", 0, False, 3.0, 0.0),
}


def both(shared, tmp_path, case):
    """Return our predictions, DIALS's, and the rows of each that are the same reflection."""
    models, index, force, d_min, padding = CASES[case]
    path = shared / "reference" / models
    out = tmp_path / "dials.npz"
    args = [str(v) for v in (path, index, force, d_min, padding, out)]
    subprocess.run([DIALS_PYTHON, "-c", SCRIPT, *args], check=True, cwd=tmp_path, text=True)
    e = read_experiments(path)[index]
    ours = predict_all(e, d_min=d_min, padding=padding, force_static=force)
    return e, ours, np.load(out)


def keys(hkl, entering, panel):
    return {
        (*h, bool(i), int(p)): n
        for n, (h, i, p) in enumerate(zip(hkl.tolist(), entering, panel, strict=True))
    }


@pytest.mark.parametrize("case", CASES)
def test_the_reflections_are_the_same(shared, tmp_path, case):
    e, ours, theirs = both(shared, tmp_path, case)
    _, _, force, d_min, _ = CASES[case]
    mine = keys(ours["hkl"], ours["entering"], ours["panel"])
    other = keys(theirs["miller_index"], theirs["entering"], theirs["panel"])
    assert len(mine) == len(ours["d"])
    # theirs strike a panel without parallax; with it the position of a few is outside
    sizes = np.array([p.image_size for p in e.detector.panels])[theirs["panel"]]
    outside = ((theirs["xyz"][:, :2] < 0) | (theirs["xyz"][:, :2] >= sizes)).any(axis=1)
    assert outside.mean() < 0.002
    differ = set(mine) ^ {k for k, n in other.items() if not outside[n]}
    if e.crystal.scan_points is not None and not force:
        # their limit of resolution is that of the crystal on the image, ours that of its cell
        limit = d_min or ours["d"].min()
        d = np.array([e.crystal.gemmi_cell.calculate_d(list(k[:3])) for k in differ])
        assert (np.abs(d / limit - 1) < 0.02).all()
        assert len(differ) < 0.01 * len(mine)
    else:
        assert not differ
    same = [k for k in mine if k in other]
    i, j = np.array([mine[k] for k in same]), np.array([other[k] for k in same])
    xyz = np.stack([ours[n][i] for n in ("x_cal", "y_cal", "z_cal")], axis=1)
    if e.crystal.scan_points is None or force:
        np.testing.assert_allclose(xyz, theirs["xyz"][j], rtol=0, atol=1e-6)
        return
    np.testing.assert_allclose(xyz, chords(e, ours, i), rtol=0, atol=0.006)
    np.testing.assert_allclose(chords(e, ours, i), theirs["xyz"][j], rtol=0, atol=1e-6)


def test_a_varying_beam(shared, tmp_path):
    e = read_experiments(shared / "reference/insulin/integrated.expt")[4]
    wave = np.sin(np.linspace(0.0, 5.0, e.scan.n_images + 1))
    s0 = rotation_matrices(np.outer(1e-3 * wave, (0.8, 0.6, 0.0))) @ e.beam.s0
    # DIALS varies all models or none
    a = (e.crystal.a_matrix,) * len(s0)
    varying = replace(
        e,
        beam=replace(e.beam, s0_at_scan_points=tuple(vector(v) for v in s0)),
        crystal=replace(e.crystal, scan_points=a),
    )
    path = tmp_path / "varying.expt"
    write_experiments(path, ExperimentList.of([varying]))
    again = read_experiments(path)[0]
    np.testing.assert_array_equal(again.beam.s0_at_scan_points, varying.beam.s0_at_scan_points)
    args = [str(v) for v in (path, 0, False, 2.0, 0.0, tmp_path / "dials.npz")]
    subprocess.run([DIALS_PYTHON, "-c", SCRIPT, *args], check=True, cwd=tmp_path, text=True)
    ours = predict_all(again, d_min=2.0, padding=0.0)
    theirs = np.load(tmp_path / "dials.npz")
    mine = keys(ours["hkl"], ours["entering"], ours["panel"])
    other = keys(theirs["miller_index"], theirs["entering"], theirs["panel"])
    assert set(other) <= set(mine)
    # theirs leave out some at the very ends of images, where the beam changes
    more = [n for k, n in mine.items() if k not in other]
    assert len(more) < 0.005 * len(mine)
    z, zeta = ours["z_cal"][more], ours["zeta"][more]
    assert np.abs((z - np.rint(z)) * zeta).max() < 0.005
    same = [k for k in mine if k in other]
    i, j = np.array([mine[k] for k in same]), np.array([other[k] for k in same])
    xyz = np.stack([ours[n][i] for n in ("x_cal", "y_cal", "z_cal")], axis=1)
    # theirs go straight during an image of half a degree, which moves slow ones most: as much with
    # a static beam
    off = np.abs(xyz - theirs["xyz"][j])
    assert (np.quantile(off, 0.99, axis=0) < 0.005).all()
    assert off.max() < 0.05
    # a milliradian is 1.3 px
    still = predict_all(again, d_min=2.0, padding=0.0, force_static=True)
    there = keys(still["hkl"], still["entering"], still["panel"])
    both = [k for k in same if k in there]
    x, y = (t["x_cal"][[rows[k] for k in both]] for t, rows in ((ours, mine), (still, there)))
    assert np.abs(x - y).max() > 0.5


def chords(e, table, rows):
    """Return x, y, z (n, 3) if r = R A h is linear during an image, as it is taken to be in DIALS.

    Ours is linear in A and rotates on a circle.
    """
    z0 = np.floor(table["z_cal"][rows])
    first = e.scan.array_range[0]
    points, g = np.asarray(e.crystal.scan_points), e.goniometer
    ends = []
    for z in (z0, z0 + 1):
        turn = rotation_matrices(np.outer(e.scan.phi_from_z(z), g.rotation_axis))
        frame = turn @ g.setting_rotation @ g.fixed_rotation @ points[(z - first).astype(int)]
        ends.append(np.einsum("nij,nj->ni", frame, table["hkl"][rows]))
    r, dr = ends[0], ends[1] - ends[0]
    s0 = e.beam.s0
    # |s0 + r + f dr|^2 = |s0|^2
    a, b = (dr * dr).sum(axis=1), (dr * (r + s0)).sum(axis=1)
    c = (r * r).sum(axis=1) + 2 * r @ s0
    root = np.sqrt(b * b - a * c)
    f = np.stack([(-b - root) / a, (-b + root) / a])
    near = np.abs(f - (table["z_cal"][rows] - z0)).argmin(axis=0)
    f = np.take_along_axis(f, near[None], axis=0)[0]
    s1 = s0 + r + f[:, None] * dr
    xy = np.empty((len(rows), 2))
    for k, panel in enumerate(e.detector.panels):
        on = table["panel"][rows] == k
        xy[on] = panel.mm_to_pixel(panel.ray_intersection(s1[on]))
    return np.column_stack([xy, z0 + f])


def test_a_crystal_with_equal_points_is_the_static_one(shared):
    e = read_experiments(shared / "reference/insulin/integrated.expt")[2]
    points = (e.crystal.a_matrix,) * (e.scan.n_images + 1)
    same = replace(e, crystal=replace(e.crystal, scan_points=points))
    a, b = predict_all(e, d_min=1.8), predict_all(same, d_min=1.8)
    np.testing.assert_array_equal(a["hkl"], b["hkl"])
    for name in ("x_cal", "y_cal", "z_cal", "s1"):
        np.testing.assert_allclose(a[name], b[name], rtol=0, atol=1e-10)


STILLS = """
import sys
import numpy as np
from dials.array_family import flex
from dials.algorithms.spot_prediction import StillsReflectionPredictor
from dxtbx.model.experiment_list import ExperimentList

e = ExperimentList.from_file(sys.argv[1], check_format=False)[0]
found = StillsReflectionPredictor(e, dmin=3.0).for_ub(e.crystal.get_A())
np.savez(sys.argv[2], hkl=np.array(found["miller_index"]), xyz=np.array(found["xyzcal.px"]),
         panel=np.array(found["panel"]))
"""


def test_a_mosaic_still_has_its_spots_where_dials_rotates_its_points_to(tmp_path):
    turns = np.random.default_rng(3).normal(0, 2, (1, 3))
    crystal = Crystal(a_matrix=matrix(rotation_matrices(turns)[0] @ b_matrix(CELL)))
    still = Experiment(
        identifier="s", run="s", beam=Beam(wavelength=1.3), detector=panels(), crystal=crystal
    )
    write_experiments(tmp_path / "still.expt", ExperimentList.of([still]))
    args = [str(tmp_path / name) for name in ("still.expt", "dials.npz")]
    subprocess.run([DIALS_PYTHON, "-c", STILLS, *args], check=True, cwd=tmp_path, text=True)
    theirs = np.load(tmp_path / "dials.npz")
    # points that are spread by mosaicity alone are rotated onto the sphere
    ours = predict_all(
        still, d_min=3.0, domain_size=1e7, half_mosaicity=1.0, bandwidth=0.0, n_sigma=2.0
    )
    mine, other = (
        {(*h, int(p)): i for i, (h, p) in enumerate(zip(*t, strict=True))}
        for t in ((ours["hkl"].tolist(), ours["panel"]), (theirs["hkl"].tolist(), theirs["panel"]))
    )
    both = [k for k in mine if k in other]
    assert len(both) > 5
    assert len(both) > 0.95 * len(other)  # theirs are those within 0.09 degrees of the sphere
    i, j = np.array([mine[k] for k in both]), np.array([other[k] for k in both])
    xy = np.stack([ours["x_cal"][i], ours["y_cal"][i]], axis=1)
    np.testing.assert_allclose(xy, theirs["xyz"][j, :2], atol=0.01)
