"""Predictions against the laws they follow, brute force, and DIALS."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.painted_frames import experiment
from support.predicted import assert_lawful, rotated

from dxdask.columns import Flag, check
from dxdask.errors import InputError
from dxdask.geometry.resolution import corner_resolution
from dxdask.models import ExperimentList, Goniometer, Scan
from dxdask.models.rotations import rotation_matrices
from dxdask.models.vectors import matrix, rotation_matrix, vector
from dxdask.prediction import predict_all


def test_rays_fulfil_the_laue_equation():
    e = experiment()
    p = check(predict_all(e))
    assert len(p["d"]) > 500
    assert_lawful(e, p, e.crystal.a)
    assert (p["flags"] == Flag.PREDICTED).all()
    np.testing.assert_allclose(
        p["d"], 1 / np.linalg.norm(p["hkl"] @ e.crystal.a.T, axis=1), rtol=1e-9
    )
    # entering: inside the sphere a moment later
    later = dict(p, phi_cal_rad=p["phi_cal_rad"] + 1e-6)
    inside = np.linalg.norm(e.beam.s0 + rotated(e, later, e.crystal.a), axis=1) < np.linalg.norm(
        e.beam.s0
    )
    np.testing.assert_array_equal(p["entering"], inside)


def test_every_reflection_found_by_brute_force_is_predicted():
    e = replace(experiment(cell=(20.0, 22.0, 24.0, 90.0, 90.0, 90.0)), profile=None)
    p = predict_all(e, d_min=2.2, padding=0.0)
    g = np.arange(-12, 13)
    hkl = np.stack(np.meshgrid(g, g, g, indexing="ij"), axis=-1).reshape(-1, 3)
    d_star = np.linalg.norm(hkl @ e.crystal.a.T, axis=1)
    hkl = hkl[(d_star > 0) & (d_star < 1 / 2.2)]
    n_steps = 4000
    phi = np.linspace(*e.scan.phi_range_rad, n_steps)
    r0 = hkl @ e.crystal.a.T
    distance = np.empty((n_steps, len(hkl)))
    for i, r in enumerate(rotation_matrices(np.outer(phi, e.goniometer.rotation_axis))):
        distance[i] = np.linalg.norm(r0 @ r.T + e.beam.s0, axis=1) - np.linalg.norm(e.beam.s0)
    step, which = np.nonzero(np.sign(distance[1:]) != np.sign(distance[:-1]))
    rotation = rotation_matrices(np.outer(phi[step], e.goniometer.rotation_axis))
    rays = np.einsum("nij,nj->ni", rotation, r0[which]) + e.beam.s0
    xy = e.detector[0].mm_to_pixel(e.detector[0].ray_intersection(rays))
    size = np.array(e.detector[0].image_size)
    well_inside = ((xy > 0.5) & (xy < size - 0.5)).all(axis=1)
    found = {
        (*h, round(a, 2)) for h, a in zip(p["hkl"].tolist(), p["phi_cal_rad"].tolist(), strict=True)
    }
    wanted = list(
        zip(hkl[which[well_inside]].tolist(), phi[step[well_inside]].tolist(), strict=True)
    )
    assert len(wanted) > 30
    near = {(*h, round(a + x, 2)) for h, a in wanted for x in (-0.005, 0.0, 0.005)}
    assert len(near & found) >= len(wanted)
    assert abs(len(p["d"]) - len(wanted)) < 8  # those within half a pixel of the edge


@given(
    st.tuples(*[st.floats(-1, 1) for _ in range(3)]).filter(lambda v: np.linalg.norm(v) > 0.1),
    st.floats(-170, 170),
    st.floats(-40, 40),
)
def test_axes_within_and_outside_the_scanned_one_are_heeded(axis, omega, chi):
    e = experiment(cell=(20.0, 22.0, 24.0, 90.0, 90.0, 90.0))
    gonio = Goniometer(
        axes=((1.0, 0.0, 0.0), vector(np.array(axis) / np.linalg.norm(axis)), (0.0, 0.6, 0.8)),
        angles=(chi, 0.0, omega),
        names=("chi", "omega", "theta"),
        scan_axis=1,
        setting=matrix(rotation_matrix((0, 0, 1), 0.01)),
    )
    e = replace(e, goniometer=gonio, profile=None)
    p = predict_all(e, d_min=2.5)
    assert_lawful(e, p, e.crystal.a)


def test_two_turns_give_everything_twice_and_backwards_is_the_same():
    e = replace(experiment(cell=(12.0, 13.0, 14.0, 90.0, 90.0, 90.0)), profile=None)
    one, two, back = (
        replace(e, scan=Scan(image_range=(1, n), oscillation=(start, width)))
        for n, start, width in ((360, 0.0, 1.0), (720, 0.0, 1.0), (360, 360.0, -1.0))
    )
    a, b, c = (predict_all(x, d_min=3.0, padding=0.0) for x in (one, two, back))
    assert len(b["d"]) == 2 * len(a["d"]) > 0
    np.testing.assert_array_equal(np.unique(a["hkl"], axis=0), np.unique(b["hkl"], axis=0))
    np.testing.assert_array_equal(a["hkl"], c["hkl"])
    np.testing.assert_allclose(np.sort(a["z_cal"]), np.sort(360 - c["z_cal"]), atol=1e-6)


@pytest.mark.parametrize(
    ("symbol", "part"), [("I 21 3", 2), ("F 4 3 2", 4), ("P 21 3", 1), ("R 3", 3)]
)
def test_absences_of_the_centring_are_left_out_and_no_others(symbol, part):
    cell = (30.0, 30.0, 30.0, 90.0, 90.0, 120.0 if symbol == "R 3" else 90.0)
    centred = predict_all(experiment(cell=cell, space_group=symbol))
    primitive = predict_all(experiment(cell=cell))
    np.testing.assert_allclose(len(primitive["d"]) / len(centred["d"]), part, rtol=0.1)
    h, k, l = centred["hkl"].T
    if symbol == "I 21 3":
        assert ((h + k + l) % 2 == 0).all()
    if symbol == "R 3":
        assert ((-h + k + l) % 3 == 0).all()


def test_resolution_limits_are_kept():
    e = experiment()
    p = predict_all(e, d_min=3.0, d_max=8.0)
    assert (p["d"] >= 3.0).all()
    assert (p["d"] <= 8.0).all()
    corner = corner_resolution(e.detector, e.beam.s0)
    assert corner <= predict_all(e)["d"].min() < corner * 1.1


def test_screw_axes_are_excluded_on_request():
    cell = (30.0, 30.0, 45.0, 90.0, 90.0, 90.0)
    e = experiment(cell=cell, space_group="P 43 21 2", n_images=180)
    every, some = predict_all(e), predict_all(e, exclude_absences=True)
    h, k, l = every["hkl"].T
    absent = (h == 0) & (k == 0) & (l % 4 != 0)
    absent |= ((h == 0) & (l == 0) & (k % 2 != 0)) | ((k == 0) & (l == 0) & (h % 2 != 0))
    assert absent.sum() > 3
    np.testing.assert_array_equal(every["hkl"][~absent], some["hkl"])


def test_several_experiments_are_one_table_by_experiment():
    one, two = experiment(), replace(experiment(n_images=5), run="other")
    both = check(predict_all(ExperimentList.of([one, two]), d_min=3.0))
    for i, e in enumerate((one, two)):
        alone = predict_all(e, d_min=3.0)
        for name, values in alone.items():
            if name != "experiment":
                np.testing.assert_array_equal(both[name][both["experiment"] == i], values)


def test_what_cannot_be_predicted_is_refused():
    e = experiment()
    with pytest.raises(InputError, match="no crystal; index it first"):
        predict_all(replace(e, crystal=None))
    with pytest.raises(InputError, match="no rotation scan"):
        predict_all(replace(e, goniometer=None))
    with pytest.raises(InputError, match=r"d_min=0.4 is not possible, .* end at 0.5"):
        predict_all(e, d_min=0.4)
    with pytest.raises(InputError, match=r"d_max=2 must be larger than d_min=3"):
        predict_all(e, d_min=3.0, d_max=2.0)
    for bad in (0.0, np.nan):
        a = e.crystal.a.copy()
        a[:, 1] *= bad
        with pytest.raises(InputError, match="singular or not a number"):
            predict_all(replace(e, crystal=replace(e.crystal, a_matrix=matrix(a))), d_min=3.0)
    with pytest.raises(InputError, match="no experiment"):
        predict_all(ExperimentList())
    still = replace(e, scan=None, goniometer=None)
    with pytest.raises(InputError, match="sweeps and stills"):
        predict_all(ExperimentList.of([e, still]))


def test_no_reflection_is_an_empty_table():
    p = check(predict_all(experiment(), d_min=60.0, d_max=70.0))
    assert len(p["d"]) == 0
    assert p["s1"].shape == (0, 3)
