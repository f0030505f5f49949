"""Predictions against the laws they follow, brute force, and DIALS."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.painted_frames import experiment

from dxdask.columns import Flag, check
from dxdask.errors import InputError
from dxdask.geometry.resolution import corner_resolution
from dxdask.integration.corrections import lp_factor, quantum_efficiency
from dxdask.integration.prediction import predict
from dxdask.models import Goniometer, Scan
from dxdask.models.rotations import rotation_matrices
from dxdask.models.vectors import matrix, rotation_matrix, vector


def rotated(e, p, a):
    """R(phi) S F A h for each prediction; a: (3, 3) or (n, 3, 3)."""
    g = e.goniometer
    r = (
        np.einsum("...ij,nj->ni", a, p["hkl"])
        if a.ndim == 2
        else np.einsum("nij,nj->ni", a, p["hkl"])
    )
    r = r @ (g.setting_rotation @ g.fixed_rotation).T
    return np.einsum(
        "nij,nj->ni", rotation_matrices(np.outer(p["phi_cal_rad"], g.rotation_axis)), r
    )


def assert_lawful(e, p, a):
    s0 = e.beam.s0
    np.testing.assert_allclose(np.linalg.norm(p["s1"], axis=1), np.linalg.norm(s0), rtol=1e-9)
    np.testing.assert_allclose(p["s1"], s0 + rotated(e, p, a), atol=1e-9)
    for i, panel in enumerate(e.detector.panels):
        at = p["panel"] == i
        xy = panel.mm_to_pixel(panel.ray_intersection(p["s1"][at]))
        np.testing.assert_allclose(np.stack([p["x_cal"], p["y_cal"]], axis=1)[at], xy, atol=1e-9)
        assert ((xy >= 0) & (xy < panel.image_size)).all()
    np.testing.assert_allclose(e.scan.phi_from_z(p["z_cal"]), p["phi_cal_rad"], atol=1e-12)


def test_rays_fulfil_the_laue_equation():
    e = experiment()
    p = check(predict(e))
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
    p = predict(e, d_min=2.2, padding=0.0)
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
    p = predict(e, d_min=2.5)
    assert_lawful(e, p, e.crystal.a)


def test_a_crystal_that_varies_is_taken_where_the_reflection_is():
    e = replace(experiment(), profile=None)
    n = e.scan.n_images
    still = replace(e.crystal, scan_points=tuple(e.crystal.a_matrix for _ in range(n + 1)))
    a, b = predict(e), predict(replace(e, crystal=still))
    np.testing.assert_array_equal(a["hkl"], b["hkl"])
    np.testing.assert_allclose(a["phi_cal_rad"], b["phi_cal_rad"], atol=1e-9)

    points = np.array(
        [rotation_matrix((1, 2, 3), 2e-3 * i / n) @ e.crystal.a for i in range(n + 1)]
    )
    moving = replace(e, crystal=replace(e.crystal, scan_points=tuple(matrix(m) for m in points)))
    p = predict(moving)
    t = np.clip(p["z_cal"] - e.scan.array_range[0], 0, n)
    i = np.minimum(t.astype(int), n - 1)
    f = (t - i)[:, None, None]
    assert_lawful(moving, p, points[i] * (1 - f) + points[i + 1] * f)


def test_scan_points_that_do_not_fit_the_scan_are_refused():
    e = experiment()
    crystal = replace(e.crystal, scan_points=(e.crystal.a_matrix,) * 3)
    with pytest.raises(InputError, match="3 scan points, the scan has 16 images"):
        predict(replace(e, crystal=crystal))


def test_two_turns_give_everything_twice_and_backwards_is_the_same():
    e = replace(experiment(cell=(12.0, 13.0, 14.0, 90.0, 90.0, 90.0)), profile=None)
    one, two, back = (
        replace(e, scan=Scan(image_range=(1, n), oscillation=(start, width)))
        for n, start, width in ((360, 0.0, 1.0), (720, 0.0, 1.0), (360, 360.0, -1.0))
    )
    a, b, c = (predict(x, d_min=3.0, padding=0.0) for x in (one, two, back))
    assert len(b["d"]) == 2 * len(a["d"]) > 0
    np.testing.assert_array_equal(np.unique(a["hkl"], axis=0), np.unique(b["hkl"], axis=0))
    np.testing.assert_array_equal(a["hkl"], c["hkl"])
    np.testing.assert_allclose(np.sort(a["z_cal"]), np.sort(360 - c["z_cal"]), atol=1e-6)


@pytest.mark.parametrize(
    ("symbol", "part"), [("I 21 3", 2), ("F 4 3 2", 4), ("P 21 3", 1), ("R 3", 3)]
)
def test_absences_of_the_centring_are_left_out_and_no_others(symbol, part):
    cell = (30.0, 30.0, 30.0, 90.0, 90.0, 120.0 if symbol == "R 3" else 90.0)
    centred = predict(experiment(cell=cell, space_group=symbol))
    primitive = predict(experiment(cell=cell))
    np.testing.assert_allclose(len(primitive["d"]) / len(centred["d"]), part, rtol=0.1)
    h, k, l = centred["hkl"].T
    if symbol == "I 21 3":
        assert ((h + k + l) % 2 == 0).all()
    if symbol == "R 3":
        assert ((-h + k + l) % 3 == 0).all()


def test_resolution_limits_are_kept():
    e = experiment()
    p = predict(e, d_min=3.0, d_max=8.0)
    assert (p["d"] >= 3.0).all()
    assert (p["d"] <= 8.0).all()
    corner = corner_resolution(e.detector, e.beam.s0)
    assert corner <= predict(e)["d"].min() < corner * 1.1


def test_boxes_hold_their_reflections():
    e = experiment()
    p = predict(e, padding=3.0)
    x0, x1, y0, y1, z0, z1 = p["bbox"].T
    assert ((x0 < p["x_cal"]) & (p["x_cal"] < x1) & (y0 < p["y_cal"]) & (p["y_cal"] < y1)).all()
    first, last = e.scan.array_range
    assert ((z0 >= first) & (z1 <= last) & (z1 > z0)).all()
    assert ((p["partiality"] > 0) & (p["partiality"] <= 1)).all()
    full = (z0 > first) & (z1 < last)
    assert (p["partiality"][full] > 0.9999).all()


def test_without_a_crystal_or_a_rotation_there_is_nothing_to_predict():
    e = experiment()
    with pytest.raises(InputError, match="no crystal"):
        predict(replace(e, crystal=None))
    with pytest.raises(InputError, match="no rotation scan"):
        predict(replace(e, scan=Scan(image_range=(1, 1))))


def test_factors_follow_their_formulas():
    e = experiment()
    s0 = e.beam.s0
    in_plane = np.linalg.norm(s0) * np.array([[np.sin(0.4), 0.0, -np.cos(0.4)]])
    beam = replace(e.beam, direction=(0.0, 0.0, 1.0), polarization_fraction=1.0)
    # all polarised along x, scattered along x: cos^2; L = sin 2theta for an axis across
    lp = lp_factor(in_plane, beam=beam, m2=np.array([0.0, 1.0, 0.0]))
    np.testing.assert_allclose(lp, np.sin(0.4) / np.cos(0.4) ** 2, rtol=1e-12)
    panel = e.detector[0]
    qe = quantum_efficiency(panel.normal[None] * 3, np.zeros(1, dtype=np.int32), e.detector)
    np.testing.assert_allclose(qe, 1 - np.exp(-0.33), rtol=1e-12)


@pytest.mark.shared
def test_predictions_of_dials_on_real_frames(shared):
    from dxdask.storage.importers.dials.files import read_experiments
    from dxdask.storage.importers.dials.reflections import read_npz

    folder = shared / "reference" / "lysozyme_ed"
    e = read_experiments(folder / "integrated.expt")[0]
    theirs, ours = read_npz(folder / "integrated.npz"), predict(e)

    def keys(t):
        return [tuple(k) for k in np.column_stack([t["hkl"], t["entering"]]).tolist()]

    place = {k: i for i, k in enumerate(keys(ours))}
    j = np.array([place[k] for k in keys(theirs)])  # all of theirs are ours
    for name, typical, largest in (
        ("x_cal", 0.005, 0.1),
        ("y_cal", 0.005, 0.25),  # they interpolate between the ends of an image
        ("z_cal", 0.001, 0.15),
        ("zeta", 1e-5, 1e-3),
        ("lp", 1e-6, 1e-5),
        ("d", 1e-12, 1e-10),
    ):
        off = np.abs(ours[name][j] - theirs[name])
        assert np.median(off) < typical, name
        assert off.max() < largest, name
    same = (ours["bbox"][j] == theirs["bbox"]).mean(axis=0)
    assert (same > 0.995).all()


@pytest.mark.shared
def test_predictions_of_dials_on_insulin(shared):
    from dxdask.storage.importers.dials.files import read_experiments

    e = replace(
        read_experiments(shared / "reference" / "insulin" / "integrated.expt")[4], profile=None
    )
    # dials.predict: 97189 with a padding of one degree on either side
    np.testing.assert_allclose(len(predict(e)["d"]), 97189, rtol=0.002)
