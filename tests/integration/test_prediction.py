"""What integration adds to predicted reflections: boxes, partialities and corrections."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.painted_frames import experiment

from dxdask.integration.corrections import lorentz, polarisation, quantum_efficiency
from dxdask.integration.prediction import predict
from dxdask.prediction import PredictionParameters, predict_all


def test_reflections_are_those_of_predict_all():
    e = replace(experiment(), profile=None)
    p = predict(e, PredictionParameters(d_min=3.0, padding=0.5), experiment_index=2)
    for name, values in predict_all(e, d_min=3.0, padding=0.5).items():
        np.testing.assert_array_equal(p[name], values if name != "experiment" else 2)
    limited = predict(e, PredictionParameters(d_min=3.0, padding=0.5), min_zeta=0.3)
    assert len(limited["d"]) == (np.abs(p["zeta"]) >= 0.3).sum() < len(p["d"])


def test_boxes_hold_their_reflections():
    e = experiment()
    p = predict(e, PredictionParameters(padding=3.0))
    x0, x1, y0, y1, z0, z1 = p["bbox"].T
    assert ((x0 < p["x_cal"]) & (p["x_cal"] < x1) & (y0 < p["y_cal"]) & (p["y_cal"] < y1)).all()
    first, last = e.scan.array_range
    assert ((z0 >= first) & (z1 <= last) & (z1 > z0)).all()
    assert ((p["partiality"] > 0) & (p["partiality"] <= 1)).all()
    full = (z0 > first) & (z1 < last)
    assert (p["partiality"][full] > 0.9999).all()


def test_factors_follow_their_formulas():
    e = experiment()
    s0 = e.beam.s0
    in_plane = np.linalg.norm(s0) * np.array([[np.sin(0.4), 0.0, -np.cos(0.4)]])
    beam = replace(e.beam, direction=(0.0, 0.0, 1.0), polarization_fraction=1.0)
    # all polarised along x, scattered along x: cos^2; L = sin 2theta for an axis across
    axis = np.array([0.0, 1.0, 0.0])
    lp = lorentz(in_plane, s0=beam.s0, m2=axis) / polarisation(in_plane, beam)
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


def test_corrections_are_switched_one_by_one():
    from support.painted_frames import experiment

    from dxdask.integration.corrections import lorentz, polarisation, quantum_efficiency
    from dxdask.integration.parameters import CorrectionParameters

    e = experiment(n_images=2)

    def columns(**on):
        off = {"lorentz": False, "polarisation": False, "absorption": False}
        t = predict(e, corrections=CorrectionParameters(**off | on))
        return t["lp"], t["qe"], t

    lp, qe, t = columns()
    assert (lp == 1).all()
    assert (qe == 1).all()
    at = {"s0": e.beam.s0, "m2": e.goniometer.rotation_axis}
    np.testing.assert_array_equal(columns(lorentz=True)[0], lorentz(t["s1"], **at))
    np.testing.assert_allclose(columns(polarisation=True)[0], 1 / polarisation(t["s1"], e.beam))
    np.testing.assert_array_equal(
        columns(absorption=True)[1], quantum_efficiency(t["s1"], t["panel"], e.detector)
    )
    every = columns(lorentz=True, polarisation=True, absorption=True)
    np.testing.assert_array_equal(predict(e)["lp"], every[0])
